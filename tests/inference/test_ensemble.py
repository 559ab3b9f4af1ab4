"""Several models as one, and one with a shortlist: what a search and a translator ask of a model at work."""

import json
import shutil

import numpy as np
import pytest
import torch

from mt.data.source import Text
from mt.data.tokenizer import BOS, TokenizerPair
from mt.evaluate import main as evaluate
from mt.inference.decodable import SingleModel
from mt.inference.ensemble import Ensemble, check_vocabularies
from mt.inference.request import Request
from mt.inference.shortlist import Shortlist
from mt.inference.terms import Glossary
from mt.inference.translator import Translator
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.sampling import Sampling
from mt.translate import folders_and_rest
from mt.translate import main as translate

LINES = ["eins zwei drei", "acht", "", "vier fünf", "sechs sechs eins zwei acht"]


@pytest.fixture(scope="module")
def another(trained_run, tmp_path_factory):
    """The checkpoint with other weights: those of the trained one, disturbed."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("another") / "step"
    shutil.copytree((trained_run / "best").resolve(), folder)
    for name in ("manifest.json",):
        (folder / name).unlink(missing_ok=True)
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            weights[name] = tensor + 0.02 * torch.randn(tensor.shape, generator=generator)
    save_file(weights, folder / "model.safetensors")
    return folder


def texts(translations):
    return [[candidate.text for candidate in one.candidates] for one in translations]


SEARCHES = {"greedy": Greedy(), "beam": Beam(size=4), "n_best": Beam(size=4, n_best=3), "sampling": Sampling(n_best=2)}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("by", ["torch", "native code"])
def test_a_model_with_itself_translates_as_it_does_alone(trained_run, search, precision, by):
    alone = Translator.load(trained_run, device="cpu", precision=precision)
    together = Translator.load(trained_run, trained_run, device="cpu", precision=precision)
    if by == "torch":  # which rounds elsewhere
        alone.native = together.native = None
    assert together.dtype == alone.dtype and isinstance(together.decodable, Ensemble)
    expected = list(alone.translate(LINES, search=search))
    found = list(together.translate(LINES, search=search))
    assert texts(found) == texts(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-4)


def test_probabilities_are_the_mean_of_the_members(trained_run, another):
    members = [SingleModel(Translator.load(folder, device="cpu").model) for folder in (trained_run, another)]
    source, tokens = Text.of([[5, 6], [7]]), torch.tensor([[BOS, 8], [BOS, 9]])
    together = Ensemble(members)
    found = []
    with torch.inference_mode():
        state = together.start(source)
        for t in range(2):
            logits, state = together.step(tokens[:, t], state)
            found.append(logits)
        at_once, _ = together.extend(tokens, together.start(source))
        expected = torch.stack([one.extend(tokens, one.start(source))[0].softmax(-1) for one in members]).mean(0)
    torch.testing.assert_close(torch.stack(found, dim=1).exp(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(at_once.exp(), expected, atol=1e-5, rtol=0)


def test_two_models_translate_alike_in_any_batch_and_obey_rules(trained_run, another):
    together = Translator.load(trained_run, another, device="cpu")
    search = Beam(size=3)
    expected = texts(together.translate(LINES, search=search))
    assert texts(together.translate(LINES, search=search, batch_tokens=1)) == expected
    (translation,) = together.translate([Request("eins", prefix="six", terms=Glossary({"eins": "two"}))], search=search)
    assert translation.text.startswith("six") and "two" in translation.text


def test_other_vocabularies_are_refused_with_both_names(trained_run, monkeypatch):
    mine = Translator.load(trained_run, device="cpu").tokenizers

    class Other:
        def to_bytes(self):
            return b"another"

    for side, pair in (
        ("source", TokenizerPair(Other(), mine.target)),
        ("target", TokenizerPair(mine.source, Other())),
    ):
        with pytest.raises(ValueError, match=f"checkpoints A and B must have the same {side} vocabulary"):
            check_vocabularies([mine, pair], ["A", "B"])


def test_attention_is_that_of_one_model(trained_run, another):
    with pytest.raises(ValueError, match="attention is read from one model: give one checkpoint"):
        _ = Translator.load(trained_run, another, device="cpu").model


def test_the_commands_take_several_checkpoints(trained_run, another, tmp_path, capsys):
    folders = [str(trained_run), str(another)]
    assert translate(["--device", "cpu", "--alignment", "--checkpoint", *folders, "eins zwei"]) == 0
    assert capsys.readouterr().out == "two one\t0-1 1-0\n"
    (tmp_path / "s").write_text("eins zwei\nacht\n")
    (tmp_path / "r").write_text("two one\neight\n")
    flags = ["--source", str(tmp_path / "s"), "--reference", str(tmp_path / "r"), "--device", "cpu", "--json"]
    assert evaluate([*flags, "--checkpoint", *folders]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["checkpoint"] == folders
    assert evaluate([*flags, "--checkpoint", folders[0]]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == folders[0]


def test_sentences_may_follow_the_checkpoints(tmp_path):
    folders = [str(tmp_path / name) for name in "ab"]
    (tmp_path / "b").mkdir()
    assert folders_and_rest([*folders, "a dog", folders[1]]) == (
        [tmp_path / "a", tmp_path / "b"],
        ["a dog", folders[1]],
    )
    assert folders_and_rest([folders[0]]) == ([tmp_path / "a"], [])
    assert folders_and_rest(None) == ([], [])


def shortened(trained_run, monkeypatch, kept):
    size = Translator.load(trained_run, device="cpu").tokenizers.source.size
    few = Shortlist(np.zeros(size + 1, dtype=int), np.zeros(0, dtype=int), np.array(kept))
    monkeypatch.setattr(Shortlist, "load", lambda folder, **sizes: few)
    return Translator.load(trained_run, device="cpu", shortlist=True)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_rules_bring_their_pieces_onto_the_shortlist(trained_run, monkeypatch, search):
    short = shortened(trained_run, monkeypatch, list(range(4)))  # nothing but special pieces
    request = Request("eins zwei", prefix="six", terms=Glossary({"eins": "two"}))
    (translation,) = short.translate([request], search=search)
    assert translation.text.startswith("six") and "two" in translation.text


def test_a_shortlist_of_all_pieces_in_ids_of_the_vocabulary_is_the_model_itself(trained_run, monkeypatch):
    plain = Translator.load(trained_run, device="cpu")
    short = shortened(trained_run, monkeypatch, list(range(plain.tokenizers.target.size)))
    source, tokens = Text.of([[5, 6], [7]]), torch.tensor([[BOS, 8], [BOS, 9]])
    with torch.inference_mode():
        expected, _ = plain.decodable.extend(tokens, plain.decodable.start(source))
        found, _ = short.decodable.extend(tokens, short.decodable.start(source, needed=[(), ()]))
    torch.testing.assert_close(found[..., 3:], expected[..., 3:], atol=1e-4, rtol=1e-4)
