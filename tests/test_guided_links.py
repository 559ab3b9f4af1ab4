"""`scripts/guided_links.py`: what it makes of runs that are finished."""

import sys
from pathlib import Path

import pytest

from mt.alignment.error_rate import ErrorRate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import guided_links


def test_an_interval_is_of_sentences_with_what_all_seeds_made_of_them():
    right, wrong = ErrorRate(2, 2, 2, 2), ErrorRate(2, 2, 0, 0)
    base, other = [[right, wrong] * 20, [wrong, right] * 20], [[right] * 40, [right] * 40]
    low, high = guided_links.interval(base, other)
    assert low == high == -50  # each sentence has one right and one wrong output of the two seeds
    low, high = guided_links.interval(base[:1], other[:1])
    assert -70 < low < -50 < high < -30


def test_differences_name_means_spreads_and_chance():
    references = ["a small house stands here"] * 10
    row = guided_links.Row([], {"test": (references, references)}, {"test": (references, references, [])})
    bad, good = ErrorRate(1, 1, 0, 0), ErrorRate(1, 1, 1, 1)
    base = guided_links.Found({"test": [["a small cat stands there"] * 10] * 2}, {"test": [[bad] * 10] * 2})
    other = guided_links.Found({"test": [references] * 2}, {"test": [[good] * 10] * 2})
    bleu, aer = guided_links.differences("toy", row, base, other)
    assert "-> 100.00 (seeds 100.00 to 100.00)" in bleu and bleu.endswith("p 0.001")
    assert aer == (
        "toy, AER test: 100.00 (seeds 100.00 to 100.00) -> 0.00 (seeds 0.00 to 0.00), difference -100.00,"
        " 95 % of samples from -100.0 to -100.0"
    )


def test_a_run_that_was_stopped_is_an_error_and_its_seconds_count(monkeypatch, tmp_path):
    run = tmp_path / "run"
    starts = []

    def started(command, **_):
        starts.append(command)
        run.mkdir(exist_ok=True)
        if len(starts) == 2:
            (run / "scores.json").write_text("{}")
        return guided_links.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(guided_links.subprocess, "run", started)
    with pytest.raises(SystemExit, match="did not finish"):
        guided_links.train(run, ["trainer.seed=2"])
    (tmp_path / "run.seconds").write_text("70\n")
    for _ in range(2):  # the third time nothing is left to do
        guided_links.train(run, ["trainer.seed=2"])
    assert len(starts) == 2 and starts[0][-2:] == [f"folder={run}", "trainer.seed=2"]
    assert float((tmp_path / "run.seconds").read_text()) >= 70
