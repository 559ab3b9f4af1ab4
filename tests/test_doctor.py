"""The doctor finds what is wrong with a corpus, says what to do, and leaves with a code that scripts understand."""

import functools
import json
from pathlib import Path

import pytest

from mt.data.bundled.source import Bundled
from mt.doctor import main
from tests.children import run
from tests.composing import composed

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"train": 1200, "valid": 120, "test": 120}
TINY = [
    *("model=tiny", "model.layer.dim=16", "model.layer.num_heads=2", "model.layer.feed_forward_dim=16"),
    *("tokenizer.vocab_size=450", "batches.max_tokens=1000", "trainer.device=cpu", "trainer.precision=float32"),
    "doctor.trial_seconds=0",
]


@functools.cache
def pairs_of(split):
    return [pair[:2] for pair in Bundled(split=split, size=SIZES[split], seed=1)]


def write(folder, **changed):
    folder.mkdir(exist_ok=True)
    for split, pairs in ({split: pairs_of(split) for split in SIZES} | changed).items():
        for side, code in enumerate(("en", "de")):
            (folder / f"{split}.{code}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")


def swap_all(folder):
    write(folder, **{split: turned(pairs_of(split)) for split in SIZES})


def turned(pairs):
    return [(target, source) for source, target in pairs]


def examined(tmp_path, capsys, *overrides):
    """Runs the doctor on tmp_path/corpus: its exit code, its report, and doctor.json."""
    where = [f"data.folder={tmp_path}/corpus", f"data.prepared={tmp_path}/prepared"]
    languages = ["data.source_language=en", "data.target_language=de"]
    code = 0
    try:
        main(composed("doctor", ["data=text", *languages, *where, *TINY, *overrides]))
    except SystemExit as leaving:
        code = leaving.code
    return code, capsys.readouterr().out, json.loads((tmp_path / "prepared.doctor" / "doctor.json").read_text("utf-8"))


def test_a_good_corpus_is_ready(tmp_path, capsys):
    write(tmp_path / "corpus")
    code, report, numbers = examined(tmp_path, capsys)
    assert (code, numbers["ready"]) == (0, True)
    assert report.splitlines()[-1].startswith("ready")
    assert numbers["verdict"] == report.splitlines()[-1]
    assert numbers["cleaning"]["in"] == numbers["counts"]["train"]["pairs"] == SIZES["train"]
    assert numbers["agreement"]["correlation"] > 0.6
    assert {finding["level"] for finding in numbers["findings"]} <= {"improve", "note"}  # so few pairs teach little
    assert (tmp_path / "prepared.doctor" / "lengths.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "prepared").exists()  # nothing is prepared by looking


def shifted(folder):
    (folder / "train.de").write_text("".join(f"{pair[1]}\n" for pair in [*pairs_of("train")[1:], pairs_of("train")[0]]))


def in_latin_1(folder):
    (folder / "train.de").write_bytes((folder / "train.de").read_text("utf-8").encode("latin-1"))


def cut_short(folder):
    (folder / "train.de").write_text("".join(f"{pair[1]}\n" for pair in pairs_of("train")[:-5]), encoding="utf-8")


def copied(folder):
    (folder / "train.de").write_bytes((folder / "train.en").read_bytes())


@pytest.mark.parametrize(
    "spoil, words",
    [
        (swap_all, "train, valid, test are swapped"),
        (lambda folder: write(folder, valid=turned(pairs_of("valid"))), "the sides of valid are swapped"),
        (shifted, "there each target goes with the source 1 line further down"),
        (in_latin_1, "iconv -f LATIN1 -t UTF-8"),
        (cut_short, "line counts must be equal"),
        (copied, "the target side of train is in en, like the other side"),
        (lambda folder: (folder / "test.en").unlink(), "file not found"),
        (lambda folder: write(folder, valid=[]), "valid has no pair"),
        (lambda folder: write(folder, train=pairs_of("train")[:1]), "train has 1 pair, too few"),
        (lambda folder: write(folder, train=[], valid=[], test=[]), "train has no pair"),
    ],
    ids="swapped valid-swapped shifted latin-1 cut-short copied missing valid-empty one-pair empty".split(),
)  # fmt: skip
def test_a_spoiled_corpus_is_not_ready_and_the_report_says_why(tmp_path, capsys, spoil, words):
    write(tmp_path / "corpus")
    spoil(tmp_path / "corpus")
    code, report, numbers = examined(tmp_path, capsys)
    assert (code, numbers["ready"]) == (1, False)
    assert report.splitlines()[-1].startswith("not ready: ")
    assert words in report.partition("to repair first")[2].partition("to improve")[0]


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["data.source_language=fr"], "looks like en rather than fr"),
        (["data.cleaning.held_out=none"], "2 lines of test (1.7 %) are in train"),
        (["data.max_pieces=35"], "are too long (over 35 pieces) and dropped"),
    ],
)
def test_what_could_be_better_does_not_stop_training(tmp_path, capsys, overrides, words):
    write(tmp_path / "corpus", train=pairs_of("train") + pairs_of("test")[:2])
    for file in (tmp_path / "corpus").glob("*.en"):
        file.with_suffix(".fr").write_bytes(file.read_bytes())
    code, report, numbers = examined(tmp_path, capsys, *overrides)
    assert (code, numbers["ready"]) == (0, True)
    assert words in report.partition("to improve")[2]
    assert report.splitlines()[-1].startswith("ready, but ")


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["batches.max_tokens=8"], "max_tokens (8) must be at least"),
        (["tokenizer.joint=false", "model.tie=all"], "model.tie (all)"),
        (["model.max_positions=100", "model.layer.positions=learned"], "model.max_positions (100) must be above"),
        (["tokenizer.vocab_size=300"], "tokenizer.vocab_size (300) must be at least"),
    ],
)  # fmt: skip
def test_settings_that_training_would_refuse_are_findings(tmp_path, capsys, overrides, words):
    write(tmp_path / "corpus")
    code, report, _ = examined(tmp_path, capsys, *overrides)
    assert code == 1
    assert words in report.partition("to repair first")[2]


def test_a_trial_tells_time_and_memory(tmp_path, capsys):
    write(tmp_path / "corpus")
    code, report, numbers = examined(tmp_path, capsys, "doctor.trial_seconds=0.5")
    assert code == 0
    assert numbers["training"]["speed"]["seconds per epoch"] > 0
    assert numbers["training"]["memory"]["estimate"] > 2**20
    assert "the whole training: " in report


def test_a_sample_is_said_to_be_one(tmp_path, capsys):
    write(tmp_path / "corpus")
    _, report, numbers = examined(tmp_path, capsys, "doctor.max_pairs=500")
    assert "measurements below are of 500 of the 1,200 train pairs, drawn at random" in report
    assert (numbers["counts"]["train"]["pairs"], numbers["cleaning"]["in"]) == (1200, 500)


def test_a_tokenizer_that_learned_from_a_part_is_said_to_be_one(tmp_path, capsys, monkeypatch):
    write(tmp_path / "corpus")
    assert "sentences, drawn at random)" not in examined(tmp_path, capsys)[1]
    monkeypatch.setattr("mt.data.diagnosis.examine.TOKENIZER_SENTENCES", 2000)
    assert "(for this report trained on 2,000 of the sentences, drawn at random)" in examined(tmp_path, capsys)[1]


def test_the_command_prints_the_report_alone_and_leaves_with_1(tmp_path):
    write(tmp_path / "corpus", valid=[])
    settings = ["data=text", "data.folder=corpus", "data.source_language=en", "data.target_language=de", *TINY]
    done = run(["-m", "mt.doctor", *settings], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("corpus text: en to de\n")
    assert done.stdout.endswith("not ready: 1 thing must be repaired first\n")
    assert "data/text.doctor" in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "data"]


@pytest.mark.parametrize(
    "override, words",
    [
        ("doctor.max_pairs=0", "doctor.max_pairs (0) must be at least 1"),
        ("doctor.trial_seconds=-1", "must be 0 or more"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path, capsys, override, words):
    write(tmp_path / "corpus")
    with pytest.raises(ValueError, match=r"doctor\.") as told:
        examined(tmp_path, capsys, override)
    assert words in str(told.value)


def test_the_trial_has_what_training_has_guidance_a_lexicon_and_frozen_parts(tmp_path, capsys):
    write(tmp_path / "corpus")
    more = ["guidance.links=learned", "attention@model.decoder.cross_attention=prior", "freeze=[encoder]"]
    code, report, numbers = examined(tmp_path, capsys, *more, "doctor.trial_seconds=0.1")
    assert code == 0 and "time: " in report
    memory = numbers["training"]["memory"]["parts"]
    trained = numbers["training"]["parameters"]["total"] - numbers["training"]["parameters"]["encoder"]
    assert 0 < memory["optimizer"] - 2 * 4 * trained < 4 * 1000  # Adam's two moments, and a step count a tensor
