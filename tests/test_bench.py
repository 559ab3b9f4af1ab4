"""The benchmark's report: medians over rounds, ratios within a round, targets met and missed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "scripts" / "bench" / "report.py"
MACHINE = {"cores": 2, "processor": "a processor"}


def part(runs, **more):
    body = {"machine": MACHINE, "started": "2026-01-02 03:04:05", "versions": {"eole": {"eole": "0.6.4"}}}
    runs = [{"load_average": 2.0, **run} for run in runs]
    return {**body, "left_out": {}, "runs": runs, "finished": True, **more}


def trained(tool, number, speed, allocator="system"):
    how = {"tool": tool, "model": "small", "precision": "bfloat16", "allocator": allocator, "round": number}
    return {**how, "target_tokens_per_second": speed, "peak_mib": 1000.0, "target_tokens_per_update": 4000.0}


def decoded(engine, precision, speed, milliseconds, identical):
    beam = {"sentences_per_second": speed, "tokens_per_second": 10 * speed, "bleu": 30.0, "signature": "s"}
    row = {"engine": engine, "precision": precision, "round": 1, "start_seconds": 1.0, "peak_mib": 500.0}
    return {**row, "beam": {**beam, "identical": identical}, "one_beam": {"median_ms": milliseconds}}


@pytest.fixture
def written(tmp_path):
    """Writes parts and a README, runs the report, and gives what became of the process and the README."""

    def write(readme="before\n<!-- bench:start -->\nold\n<!-- bench:end -->\nbehind\n", **parts):
        for name, body in parts.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(body))
        (tmp_path / "README.md").write_text(readme)
        command = [sys.executable, REPORT, tmp_path, tmp_path / "README.md"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done, (tmp_path / "README.md").read_text()

    return write


def rows(text):
    return {
        row[0]: row[1:]
        for row in ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n"))
        if row
    }


def test_speeds_are_medians_and_ratios_are_within_a_round(written):
    ours, theirs = (3000, 6000, 9000), (1000, 3000, 1500)
    runs = [trained("mt", n, speed) for n, speed in enumerate(ours)]
    runs += [trained("eole", n, speed) for n, speed in enumerate(theirs)]
    done, text = written(training=part(runs, products={"float32": 2e11, "bfloat16": 4e11}))
    assert done.returncode == 0, done.stderr
    found = rows(text)
    assert found["Eole"][0] == "1,500 (3.0)"  # of 3, 2 and 6
    assert found["**mt**"][0] == "6,000"
    assert found["… by the fastest peer as it installs"] == ["≥ 4.00", "4.00", "**1.00**"]
    assert found["training `small`, bfloat16, target tokens/s"] == ["≥ 11,000", "6,000", "0.55 (missed)"]
    assert "training `base`, peak memory, GiB" not in found  # what was not measured is not claimed
    assert text.startswith("before\n") and text.endswith("behind\n") and "old" not in text
    assert "eole 0.6.4" in text and "0.20 in float32" in text


def test_decoding_is_compared_with_the_best_of_each(written):
    runs = [
        decoded("mt", "float32", 100, 20.0, 1.0),
        decoded("mt", "int8", 300, 8.0, 0.9),
        decoded("ctranslate2", "float32", 80, 10.0, 0.995),
        decoded("ctranslate2", "int8", 400, 5.0, 0.9),
        decoded("transformers", "float32", 50, 40.0, 0.99),
    ]
    done, text = written(decoding=part(runs))
    assert done.returncode == 0, done.stderr
    found = rows(text)
    assert found["beam 5, float32, sentences/s by CTranslate2's in float32"][1:] == ["1.25", "**1.25**"]
    assert found["beam 5, best precision, by CTranslate2's best"][1:] == ["0.75", "0.75 (missed)"]
    assert found["beam 5, best precision, by the fastest Python peer"][1:] == ["6.00", "**1.20**"]
    assert found["one sentence at a time, beam 5, median time by CTranslate2's"][1:] == ["1.60", "1.07 (missed)"]
    assert found["beam 5, same text as CTranslate2 in float32, %"][1] == "99.5"


def test_a_part_that_is_not_finished_is_left_out(written):
    done, text = written(training=part([trained("mt", 1, 5.0)], products={}) | {"finished": False})
    assert done.returncode == 2 and "holds no finished part" in done.stderr
    assert "old" in text


def test_a_readme_without_the_markers_is_refused(written):
    done, text = written(readme="nothing\n", training=part([trained("mt", 1, 5.0)], products={}))
    assert done.returncode == 2 and "bench:start" in done.stderr
    assert text == "nothing\n"
