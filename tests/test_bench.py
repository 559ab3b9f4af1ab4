"""The benchmark's report and results: medians, ratios within a round, targets met and missed, parts that go on."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "scripts" / "bench"
MACHINE = {"cores": 2, "processor": "a processor", "memory_gib": 8.0, "python": "3.12.1", "instructions": ["amx_bf16"]}


@pytest.fixture
def bench(monkeypatch):
    """Imports a file of the benchmark, which is no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    return __import__


def part(runs, **more):
    body = {"machine": MACHINE, "started": "2026-01-02 03:04:05", "versions": {"eole": {"eole": "0.6.4"}}}
    runs = [{"load_average": 2.0, **run} for run in runs]
    return {**body, "left_out": {"a peer": "it cannot be installed"}, "runs": runs, "finished": True, **more}


def trained(tool, number, speed, allocator="system", model="small"):
    how = {"tool": tool, "model": model, "precision": "bfloat16", "allocator": allocator, "round": number}
    return {**how, "target_tokens_per_second": speed, "peak_mib": 1000.0, "target_tokens_per_update": 4000.0}


def decoded(engine, precision, speed, milliseconds, identical):
    all_lines = {"seconds": 1000 / speed, "sentences_per_second": speed, "tokens_per_second": 10 * speed}
    beam = {**all_lines, "bleu": 30.0, "signature": "s", "identical": identical, "differing": []}
    one = {"one_beam": {"median_ms": milliseconds}, "one_greedy": {"median_ms": milliseconds}}
    row = {"engine": engine, "precision": precision, "round": 1, "peak_mib": 500.0, **one}
    return {**row, "cold": {"seconds": 1 + 1000 / speed}, "beam": beam, "greedy": all_lines}


@pytest.fixture
def written(tmp_path):
    """Writes parts and a document, runs the report, and gives what became of the process and the document."""

    def write(document="before\n<!-- bench:start -->\noutdated\n<!-- bench:end -->\nbehind\n", **parts):
        for name, body in parts.items():
            (tmp_path / f"{name}.json").write_text(body if isinstance(body, str) else json.dumps(body))
        (tmp_path / "benchmarks.md").write_text(document)
        command = [sys.executable, BENCH / "report.py", tmp_path, tmp_path / "benchmarks.md"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done, (tmp_path / "benchmarks.md").read_text()

    return write


def rows(text):
    return {
        row[0]: row[1:]
        for row in ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n"))
        if row
    }


def test_speeds_are_medians_and_ratios_are_within_a_round(written, tmp_path):
    ours, theirs = (3000, 6000, 9000), (1000, 3000, 1500)
    runs = [trained("mt", n, speed) for n, speed in enumerate(ours)]
    runs += [trained("eole", n, speed) for n, speed in enumerate(theirs)]
    base = part([trained("mt", 1, 500, model="base")])
    done, text = written(
        **{"training": part(runs, products={"float32": 2e11, "bfloat16": 4e11}), "training-base": base}
    )
    assert done.returncode == 0, done.stderr
    found = rows(text)
    assert found["Eole"] == ["1,500 (3.00)", "", "1,000", ""]  # of 3, 2 and 6
    assert found["**mt**"] == ["6,000", "500", "1,000", "1,000"]
    assert found["training `small`, bfloat16, divided by the fastest other tool's"] == ["≥ 4.00", "4.00", "**1.00**"]
    assert found["training `small`, bfloat16, target tokens/s"] == ["≥ 11,000", "6,000", "0.55 (missed)"]
    assert (
        "training `base`, bfloat16, divided by the fastest other tool's" not in found
    )  # what was not measured is not claimed
    assert text.startswith("before\n") and text.endswith("behind\n") and "outdated" not in text
    assert "eole 0.6.4" in text and "0.20 in float32" in text and "a peer (training: it cannot be installed)" in text
    assert (tmp_path / "bench.png").stat().st_size > 1000 and "(bench.png)" in text


def test_decoding_is_compared_with_the_best_of_each(written):
    runs = [
        decoded("ctranslate2", "float32", 80, 10.0, 1.0),
        decoded("mt", "float32", 100, 20.0, 0.995),
        decoded("mt", "int8", 300, 8.0, 0.9),
        decoded("ctranslate2", "int8", 400, 5.0, 0.9),
        decoded("transformers", "float32", 50, 40.0, 0.99),
    ]
    done, text = written(decoding=part(runs))
    assert done.returncode == 0, done.stderr
    found = rows(text)
    assert found["beam 5, float32, sentences/s divided by CTranslate2's in float32"][1:] == ["1.25", "**1.25**"]
    assert found["beam 5, best precision, divided by CTranslate2's best"][1:] == ["0.75", "0.75 (missed)"]
    assert found["beam 5, best precision, divided by the fastest Python tool's"][1:] == ["6.00", "**1.20**"]
    assert found["one sentence at a time, beam 5, time divided by CTranslate2's"][1:] == ["1.60", "1.07 (missed)"]
    assert found["beam 5, same text as CTranslate2 in float32, %"][1] == "99.5"
    assert found["**mt**, float32"][2] == "91"  # 1000 lines in 1 + 10 seconds


def test_preparation_is_judged_by_one_core_and_told_of_the_command(written):
    runs = [
        {"tool": "mt", "pairs": pairs, "round": 1, "pairs_per_second": 1e4, "peak_mib": 100.0} for pairs in (5000, 7000)
    ]
    speeds = {"cleaned_per_cpu_second": 50_000.0, "encoded_per_cpu_second": 35_000.0}
    runs.append({"tool": "one core", "pairs": 5000, "round": 1, **speeds})
    done, text = written(preparation=part(runs))
    assert done.returncode == 0, done.stderr
    assert rows(text)["preparation, cleaning, pairs/s on a core"][1:] == ["50,000", "0.50 (missed)"]
    assert rows(text)["preparation, encoding, pairs/s on a core"][1:] == ["35,000", "**1.25**"]
    assert "10,000 pairs/s for 5,000 pairs (100 MiB), 10,000 pairs/s for 7,000 pairs (100 MiB)" in text


def test_beside_busy_processes_a_share_is_of_what_a_fair_machine_leaves(written):
    speeds = {"mt": (90, 45, 30), "eole": (60, 20, 6)}
    runs = [
        {"kind": "training", "tool": tool, "busy": busy, "round": 1, "speed": speed, "peak_mib": 1.0}
        for tool, row in speeds.items()
        for busy, speed in enumerate(row)
    ]
    done, text = written(busy=part(runs))
    assert done.returncode == 0, done.stderr
    found = rows(text)
    assert found["training, **mt**"] == ["90", "45 (0.75)", "30 (0.67)"]  # of 60 and 45
    assert found["training, Eole"] == ["60", "20 (0.50)", "6 (0.20)"]
    assert found["beside busy processes, least share of a fair part of the cores"] == ["≥ 0.60", "0.67", "**1.11**"]


def test_one_thread_counts_by_the_time_of_the_processor(written):
    runs = [{**trained("mt", 1, 100), "target_tokens_per_cpu_second": 800.0}]
    runs += [{**trained("eole", 1, 300), "target_tokens_per_cpu_second": 200.0}]
    runs += [{**run, "precision": "float32", "target_tokens_per_cpu_second": 150.0} for run in runs]
    done, text = written(training=part(runs, machine={**MACHINE, "threads": "1"}))
    assert done.returncode == 0, done.stderr
    found = rows(text)
    assert found["training `small`, float32, divided by the fastest other tool's"][1] == "1.00"
    assert (
        found["Eole"][:2] == ["150 (1.00)", "200 (4.00)"] and "training `small`, bfloat16, target tokens/s" not in found
    )
    assert found["training `small`, bfloat16, divided by the fastest other tool's"] == ["≥ 4.00", "4.00", "**1.00**"]


def test_without_amx_another_target_holds(written):
    machine = {**MACHINE, "instructions": ["avx512_bf16"]}
    _, text = written(training=part([trained("mt", 1, 400), trained("eole", 1, 200)], machine=machine))
    found = rows(text)["training `small`, bfloat16, divided by the fastest other tool's"]
    assert found == ["≥ 2.50", "2.00", "0.80 (missed)"]


def test_a_part_that_was_stopped_counts_with_its_rounds_and_is_named(written):
    done, text = written(training=part([trained("mt", 1, 5000.0)], finished=False))
    assert done.returncode == 0, done.stderr
    assert rows(text)["**mt**"][0] == "5,000" and "training (stopped before its end)" in text


@pytest.mark.parametrize(
    "document, training, reason",
    [
        ("nothing\n", part([trained("mt", 1, 5.0)]), "one line <!-- bench:start -->"),
        (None, "{", "training.json is not JSON"),
        (None, "[]", "training.json is no file of results"),
        (None, part([]), "holds no results"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line_and_the_document_stays(written, document, training, reason):
    given = {} if document is None else {"document": document}
    done, text = written(training=training, **given)
    assert done.returncode == 2 and reason in done.stderr and "Traceback" not in done.stderr
    assert text == document if document else "outdated" in text


def test_a_part_that_was_stopped_goes_on_and_a_finished_one_begins_anew(bench, tmp_path):
    Results = bench("results").Results
    path, calls = tmp_path / "training.json", []

    def start(rounds=2):
        return Results(path, argparse.Namespace(rounds=rounds, output=tmp_path))

    def run(name):
        calls.append(name)
        return {"speed": 1.0}

    first = start()
    first.measure(lambda: run("first"), number=1, tool="mt")
    again = start()
    again.measure(lambda: run("not again"), number=1, tool="mt")
    again.measure(lambda: run("second"), number=2, tool="mt")
    assert calls == ["first", "second"]
    assert [each["round"] for each in json.loads(path.read_text())["runs"]] == [1, 2]
    start(rounds=3).measure(lambda: run("other settings"), number=1, tool="mt")
    assert [each["round"] for each in json.loads(path.read_text())["runs"]] == [1]
    again = start(rounds=3)
    again.finish()
    start(rounds=3).measure(lambda: run("anew"), number=1, tool="mt")
    assert calls[2:] == ["other settings", "anew"]
    assert list(tmp_path.iterdir()) == [path]  # nothing half written


def test_what_fails_is_left_out_with_its_reason_and_not_tried_again(bench, tmp_path):
    Results, Failure = bench("results").Results, bench("processes").Failure
    results, calls = Results(tmp_path / "start.json", argparse.Namespace()), []

    def run():
        calls.append(1)
        raise Failure("ended with 1: no memory")

    for number in (1, 2):
        results.measure(run, number=number, what="help", who="eole")
    results.finish()
    body = json.loads((tmp_path / "start.json").read_text())
    assert body["left_out"] == {"help eole": "ended with 1: no memory"} and len(calls) == 1


def test_speed_is_that_behind_the_warm_up(bench):
    window = bench("training").Window(seconds=10, warmup_updates=2, warmup_seconds=3)
    updates = [{"seconds": 100.0 + 4 * n, "cpu_seconds": 6.0 * n, "target_tokens": 1000 + 400 * n} for n in range(4)]
    assert window.measured([]) is None and window.measured(updates) is None  # 8 s behind the second update
    found = window.measured([*updates, {"seconds": 116.0, "cpu_seconds": 26.0, "target_tokens": 3200}])
    assert found["target_tokens_per_second"] == (3200 - 1400) / 12 and found["updates"] == 3
    assert found["target_tokens_per_cpu_second"] == (3200 - 1400) / 20


def test_our_speed_is_read_from_the_metrics_and_a_half_line_waits(bench, tmp_path):
    file = tmp_path / "metrics.jsonl"
    whole = {"step": 1, "seconds": 2.0, "target_tokens_per_second": 50.0}
    file.write_text(f"{json.dumps(whole)}\n{json.dumps({'step': 2, 'seconds': 3.0, 'bleu': 1.0})}\n" + '{"step": 3, ')
    assert bench("training").our_updates(file) == [{"seconds": 2.0, "target_tokens": 100.0}]
    assert bench("training").our_updates(tmp_path / "none") == []


def test_a_command_is_measured_and_its_failure_has_its_last_words(bench, tmp_path):
    processes = bench("processes")
    log = tmp_path / "log.txt"
    found = processes.finished([sys.executable, "-c", "x = bytes(40 << 20)"], log=log, limit=60)
    assert found["seconds"] > 0 and found["peak_mib"] >= 0
    with pytest.raises(processes.Failure, match="ended with 3: sorry"):
        processes.finished([sys.executable, "-c", "print('sorry'); raise SystemExit(3)"], log=log, limit=60)


def test_busy_processes_run_beside_what_is_measured_and_end_with_it(bench, tmp_path):
    processes = bench("processes")
    script = "import os; print(os.getpgid(0), open(f'/proc/self/task/{os.getpid()}/children').read())"
    for count in (0, 2):
        with processes.beside(count):
            processes.finished([sys.executable, "-c", script], log=tmp_path / "log.txt", limit=60)
        group, *children = (tmp_path / "log.txt").read_text().split()
        assert len(children) == count
        command = ["ps", "-o", "stat=", "-g", group]
        while not all(  # over, if not yet waited for; else the test's time limit ends this
            state.startswith("Z") for state in subprocess.run(command, capture_output=True, text=True).stdout.split()
        ):
            time.sleep(0.05)
