"""`mt.caption` and `mt.evaluate --images` through their commands, on a model that sees."""

import json
import re
from itertools import islice

import pytest
from PIL import Image

from mt import caption, evaluate
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes

PAIRS = list(islice(Scenes("test", target="de", said="full"), 3))


@pytest.fixture
def pictures(tmp_path):
    """Files of three drawn scenes."""
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    for name, pair in zip(names, PAIRS, strict=True):
        Image.fromarray(Scene.of(pair.image).picture()).save(name)
    return names


@pytest.fixture
def captions(seeing_run, capsys):
    """Flags -> the lines that mt.caption prints."""

    def call(*flags):
        assert caption.main([*flags, "--checkpoint", str(seeing_run), "--device", "cpu"]) == 0
        return capsys.readouterr().out.splitlines()

    return call


@pytest.mark.slow  # beams over many pictures
def test_a_line_for_each_picture_whatever_else_is_captioned(captions, pictures):
    together = captions(*pictures, "--language", "de")
    assert len(together) == 3
    assert [line for name in pictures for line in captions(name, "--language", "de")] == together


def test_the_best_captions_have_number_and_score(captions, pictures):
    lines = [line.split("\t") for line in captions(*pictures[:2], "--n-best", "2", "--beam-size", "3")]
    assert [line[0] for line in lines] == ["1", "1", "2", "2"]
    assert float(lines[0][1]) >= float(lines[1][1]) and len(lines[0]) == 3


def test_heatmaps_are_drawn_for_each_picture(captions, pictures, tmp_path):
    (said,) = captions(pictures[0], "--language", "en", "--heatmaps", str(tmp_path / "maps"))
    (line,) = (tmp_path / "maps" / "maps.jsonl").read_text("utf-8").splitlines()
    found = json.loads(line)
    assert (found["picture"], found["caption"]) == (pictures[0], said)
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"0001.png", "0001.svg", "maps.jsonl"}


def test_what_cannot_be_captioned_is_refused(captions, pictures, tmp_path):
    with pytest.raises(ValueError, match="fr"):
        captions(pictures[0], "--language", "fr")
    with pytest.raises(ValueError, match="file not found"):
        captions(str(tmp_path / "none.png"))


def test_a_model_of_text_captions_nothing(pictures, trained_run):
    with pytest.raises(ValueError, match="sees no pictures"):
        caption.main([pictures[0], "--checkpoint", str(trained_run), "--device", "cpu"])


def test_captions_are_scored_and_with_another_picture_too(seeing_run, tmp_path, capsys):
    columns = {
        "source": ["<2de>"] * 3,
        "reference": [pair.target for pair in PAIRS],
        "images": [pair.image for pair in PAIRS],
    }
    flags = ["--checkpoint", str(seeing_run), "--device", "cpu", "--with-another"]
    for name, lines in columns.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        flags += [f"--{name}", str(tmp_path / name)]
    assert evaluate.main(flags) == 0
    out = capsys.readouterr().out
    assert re.search(r"^ +BLEU-4 +CIDEr-D +true, % +lines$", out, re.M)
    for name in ("images", "with another image"):  # it has learned nothing
        assert re.search(rf"^{name} +0\.00 +\d+\.\d+ +0\.00 +3$", out, re.M)
