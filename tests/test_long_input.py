"""Sources and targets of 8,192 pieces: trained on and translated whole, and whatever is left out or split is said."""

import json
import random

import pytest

from mt.inference.translator import Translator
from mt.train import main as train
from mt.translate import main as translate
from tests.conftest import WORDS, composed_settings, train_overrides

PIECES = 8192
TINY = ["layer.dim=16", "layer.feed_forward_dim=16", "layer.positions=randomized", "max_positions=9000"]


def line(words, num_words, seed):
    return " ".join(random.Random(seed).choices(words, k=num_words))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A model of linear attention after two updates, on lines of up to 8,191 words, each of them a piece."""
    folder = tmp_path_factory.mktemp("long")
    for name, lengths in (("train", [PIECES, *range(6, 40), PIECES - 1, 9000]), ("valid", [5, 400]), ("test", [4])):
        for ending, words in (("de", list(WORDS)), ("en", list(WORDS.values()))):
            lines = [f"{line(words, length, seed)}\n" for seed, length in enumerate(lengths)]
            (folder / f"{name}.{ending}").write_text("".join(lines), encoding="utf-8")
    slots = ("encoder.self_attention", "decoder.self_attention", "decoder.cross_attention")
    overrides = [one for one in train_overrides(folder, folder) if "links" not in one and "max_tokens" not in one]
    train(
        composed_settings(
            [
                "experiment=long",
                *overrides,
                *(f"attention@model.{slot}=linear" for slot in slots),
                *(f"model.{setting}" for setting in TINY),
                "data/cleaning=off",
                "tokenizer.vocab_size=52",
                "trainer.max_steps=2",
                "trainer.validate_every=2",
                "+validation.search.max_length=5",
                "+search.max_length=5",
            ]
        )
    )
    return folder / "run"


def test_they_are_trained_on(run):
    ledger = json.loads((run / "ledger.json").read_text())
    assert {reason: drop["count"] for reason, drop in ledger["dropped"].items()} == {"too long (over 8192 pieces)": 1}
    assert ledger["kept"] == 36


def test_a_line_of_8192_pieces_is_translated_whole(run, tmp_path, capsys, caplog):
    (tmp_path / "in").write_text(f"eins zwei\n{line(list(WORDS), PIECES, 7)}\n", encoding="utf-8")
    flags = ["--checkpoint", str(run), "--device", "cpu", "--input", str(tmp_path / "in"), "--beam-size", "2"]
    assert translate([*flags, "--max-length", "5"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert "split" not in caplog.text
    translator = Translator.load(run, device="cpu")
    assert translator.max_pieces == PIECES
    assert len(translator.tokenizers.source.encode(line(list(WORDS), PIECES, 7))) == PIECES


def test_a_longer_one_is_split_and_that_is_reported(run, capsys, caplog):
    flags = ["--checkpoint", str(run), "--device", "cpu", "--max-length", "3", "--beam-size", "1"]
    assert translate([*flags, line(list(WORDS), PIECES + 1, 7)]) == 0
    assert f"line 1: split into 2 parts of at most {PIECES} pieces" in caplog.text
