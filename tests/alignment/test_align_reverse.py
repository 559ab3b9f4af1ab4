"""The align command with a model of each direction."""

import json

import pytest

from mt.alignment.alignment import Alignment
from mt.inference.aligner import Aligner
from tests.alignment.known_aligner import KnownAligner, call


class Mirror(KnownAligner):
    """The model of the other direction: right but for its last word, whose partner it does not know."""

    direction = "de-en"

    def align(self, sources, targets, *, batch_tokens=None, tag=None):
        found = []
        how = {"norms": False, "batch_tokens": batch_tokens, "has_tag": tag is not None}
        for raw in self.attention_of_encoded(*self.encoded(sources, targets), **how):
            alignment = Alignment.from_attention(raw, **self.choice.where(), direction=self.direction)
            alignment.weights_TS[-1] = 0.0
            found.append(alignment)
        return found


@pytest.fixture
def both(monkeypatch):

    models = {"there": KnownAligner(), "back": Mirror()}
    monkeypatch.setattr(Aligner, "load", lambda checkpoint, **how: models[str(checkpoint)])
    return models


@pytest.mark.parametrize(
    ("symmetrize", "expected"),
    [
        ("intersection", "0-2 1-1"),
        ("union", "0-2 1-1 2-0"),
        ("grow-diag", "0-2 1-1 2-0"),
        ("soft-product --method threshold --threshold 0.4", "0-2 1-1"),
    ],
)
def test_two_directions_become_one(both, files, symmetrize, expected):
    symmetrize, *more = symmetrize.split()
    flags = ["--checkpoint", "there", "--reverse", "back", "--formats", "pharaoh,json", "--symmetrize", symmetrize]
    call(files, *flags, *more)
    links = (files / "out" / "links.pharaoh").read_text().splitlines()
    assert links[0] == expected and links[1] == ""
    about = json.loads((files / "out" / "about.json").read_text())
    assert (about["reverse"], about["symmetrize"]) == ("back", symmetrize)


@pytest.mark.parametrize("symmetrize", ["intersection", "soft-product"])
def test_gold_judges_each_direction(both, files, capsys, symmetrize):
    (files / "gold").write_text("0-2 1-1 2-0\n\n0-3 1-2 2-1 3-0\n")
    flags = ["--checkpoint", "there", "--reverse", "back", "--formats", "json", "--symmetrize", symmetrize]
    folder = call(files, *flags, "--target", str(files / "de"), "--gold", str(files / "gold"))
    parts = json.loads((folder / "about.json").read_text())["by_direction"]
    assert {name: (part["sentences"], part["precision"], part["recall"]) for name, part in parts.items()} == {
        "forward": (2, 1.0, 1.0),
        "backward": (2, 1.0, round(5 / 7, 6)),  # its last words have no partner
        symmetrize: (2, 1.0, round(5 / 7, 6)),
    }
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["layer", "AER", "source", "1-10", "direction", "forward", "backward", symmetrize]


def test_the_reverse_model_must_be_one(both, files):
    both["back"].direction = "de-fr"
    with pytest.raises(ValueError, match=r"--reverse \(back\) must .* the opposite direction of en-de, not de-fr"):
        call(files, "--checkpoint", "there", "--reverse", "back")
    with pytest.raises(ValueError, match="--reverse needs --unit words"):
        call(files, "--checkpoint", "there", "--reverse", "back", "--unit", "pieces")


def test_a_language_may_have_a_hyphen_in_its_name(both, files):
    both["there"].direction, both["back"].direction = "en-pt-BR", "pt-BR-en"
    call(files, "--checkpoint", "there", "--reverse", "back", "--formats", "pharaoh")
    both["back"].direction = "BR-pt-en"
    with pytest.raises(ValueError, match="of en-pt-BR, not BR-pt-en"):
        call(files, "--checkpoint", "there", "--reverse", "back")
