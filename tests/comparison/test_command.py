"""`python -m mt.compare_attention` on a tiny corpus: trains, measures, reports, and does nothing twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mt.compare_attention import main
from mt.comparison import runs
from mt.settings import config_folder
from tests.children import ForkOfCommand
from tests.conftest import SHORT_VALIDATION, train_overrides

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).resolve().parents[2])
COSTS = ["costs.lengths=[8]", "costs.repeats=1", "costs.device=cpu"]
SPEEDS = ["speeds.rounds=1", "speeds.updates=2", "speeds.lines=2"]


@pytest.fixture(scope="module")
def settings(corpus_folder, tmp_path_factory):
    """Dense and another, 20 updates each, and a length that costs nothing."""
    work = tmp_path_factory.mktemp("compared")
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        made = compose("compare_attention", overrides=[*COSTS, *SPEEDS, "jobs=2"])
    made = OmegaConf.to_container(made, resolve=True)
    kept = {name: made["variants"][name] for name in ("window", "dense")}
    steps = ["trainer.max_steps=20", "trainer.validate_every=20", *SHORT_VALIDATION]
    overrides = [one for one in train_overrides(corpus_folder, work) if not one.startswith(("folder", "trainer.max"))]
    overrides = [one for one in overrides if not one.startswith("trainer.validate_every")] + steps
    return made | {"variants": kept, "folder": str(work / "out"), "tasks": {"numbers": {"overrides": overrides}}}


@pytest.fixture(scope="module", autouse=True)
def _trainings_are_forks():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs.subprocess, "Popen", ForkOfCommand)
        yield


@pytest.fixture(scope="module")
def compared(settings):
    main(settings)
    return Path(settings["folder"])


def test_every_variant_is_trained_measured_and_in_the_report(compared):
    results = json.loads((compared / "results.json").read_text("utf-8"))
    assert set(results["runs"]) == {f"numbers/{name}/1" for name in ("dense", "window")}
    for name in ("dense", "window"):
        run = results["runs"][f"numbers/{name}/1"]
        assert run["updates"] == 20 and 0 <= run["maps"]["sparsity"] <= 1
        scores = json.loads((compared / "runs" / "numbers" / name / "seed-1" / "scores.json").read_text("utf-8"))
        assert run["tests"]["test"]["bleu"] == scores["tests"]["test"]["bleu"]
        assert "tok:13a" in run["signatures"]["test"]["bleu"]
    speeds = results["speeds"]["numbers"]["found"]
    assert set(speeds) == {"dense", "window"}
    for of_run in speeds.values():
        assert of_run["training_tokens_per_second"] > 0 and of_run["sentences_per_second"] > 0
    slots = {key.rsplit("/", 1)[0] for key in results["costs"]}
    own = "decoder.self_attention"
    assert slots == {f"{own}/dense", f"{own}/window"}
    text = (compared / "report.md").read_text("utf-8")
    assert "| window | decoder.self_attention |" in text and "| dense | decoder.cross_attention |" in text
    assert (compared / "report.html").stat().st_size > 10_000 and (compared / "report.csv").is_file()


def test_the_same_command_again_measures_nothing_and_reports_the_same(compared, settings, capsys):
    before = (compared / "results.json").stat().st_mtime_ns, (compared / "report.md").read_text("utf-8")
    main(settings)
    assert capsys.readouterr().out.rstrip() == before[1].rstrip()
    assert (compared / "results.json").stat().st_mtime_ns == before[0]


def test_a_variant_that_cannot_be_trained_is_reported_and_the_others_stay(compared, settings, capsys):
    broken = {"slot": "decoder.cross_attention", "attention": "top_k", "overrides": ["model.layer.dim=31"]}
    changed = settings | {"variants": {**settings["variants"], "broken": broken}, "parts": ["train", "report"]}
    main(changed)
    said = capsys.readouterr().out
    assert "broken failed: training ended with 2: train: error:" in said and "dim (31) must be a multiple" in said
    assert "| window | decoder.self_attention |" in said


def test_where_the_baseline_fails_no_other_variant_is_trained(settings, tmp_path, capsys):
    overrides = ["data=text", "data.source_language=de", "data.target_language=en", f"data.folder={tmp_path}/none"]
    nowhere = settings | {"tasks": {"nothing": {"overrides": overrides}}, "folder": str(tmp_path / "out")}
    main(nowhere | {"parts": ["train", "report"], "jobs": 1})
    assert "Not measured: training ended with 2: train: error:" in capsys.readouterr().out
    assert set(json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["runs"]) == {"nothing/dense/1"}


def of_dense(**changed):
    return {"variants": {"dense": {"slot": "decoder.cross_attention", "attention": "dense", **changed}}}


def of_task(*overrides):
    return {"tasks": {"numbers": {"overrides": list(overrides)}}}


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"parts": ["tain"]}, r"parts \(tain\) must be among train, speeds, costs, report"),
        ({"jobs": 0}, r"jobs \(0\) must be at least 1"),
        ({"jobs": "abc"}, r"jobs \(abc\) must be a whole number"),
        ({"jobs": True}, r"jobs \(True\) must be a whole number"),
        ({"seeds": 3}, r"seeds \(3\) must be a list"),
        ({"seeds": ["x"]}, r"seeds \(x\) must be a whole number"),
        ({"seeds": []}, r"seeds \(\[\]\) must be one or more"),
        ({"parts": "train"}, r"parts \(train\) must be a list"),
        ({"parts": [3]}, r"parts \(3\) must be text"),
        ({"folder": None}, r"folder \(None\) must be text"),
        ({"baseline": 3}, r"baseline \(3\) must be text"),
        ({"tolerance": "x"}, r"tolerance \(x\) must be a number"),
        ({"tolerance": -1}, r"tolerance \(-1\) must be at least 0"),
        ({"variants": 3}, r"variants \(3\) must be settings by name"),
        ({"variants": {"dense": 3}}, r"variants.dense \(3\) must be settings by name"),
        (of_dense(slott=1), r"variants.dense has no setting slott; did you mean slot\?"),
        (of_dense(overrides="model=base"), r"variants.dense.overrides \(model=base\) must be a list"),
        (of_dense(settings=3), r"variants.dense.settings \(3\) must be settings by name"),
        (of_dense(goals={"bleu": {}}), r"variants.dense has no setting goals"),
        ({"tasks": {"numbers": 3}}, r"tasks.numbers \(3\) must be settings by name"),
        ({"tasks": {"numbers": {}}}, r"tasks.numbers needs the setting overrides"),
        (of_task("experiment=nothing"), r"tasks.numbers: experiment has no option nothing"),
        (of_task("experiment=demo", "trainer.max_step=3"), r"tasks.numbers: there is no setting trainer.max_step"),
        (of_task("experiment=demo", "trainer.max_steps=x"), r"tasks.numbers: .*max_steps \(x\) must be a whole"),
        (of_task("experiment=demo", "model.layer.dim=31"), r"tasks.numbers: .*dim \(31\) must be a multiple"),
        (of_task("demo"), r"tasks.numbers: cannot read 'demo'"),
        ({"costs": 3}, r"costs \(3\) must be settings by name"),
        ({"costs": {"_target_": "mt.comparison.costs.CostSettings", "lengths": [8], "device": "cuda:99"}}, "cuda:99"),
        ({"baseline": "sparse"}, r"baseline \(sparse\) must be one of the variants"),
        ({"seeds": [1, 1]}, r"seeds \(\[1, 1\]\) must be one or more, each once"),
        (
            {"variants": {"dense": {"slot": "decoder.cross_attention", "attention": "dence"}}},
            r"variants\.dense\.attention \(dence\) must be one of",
        ),
        (
            {"variants": {"dense": {"slot": "decoder.cross_attention", "attention": "window"}}},
            r"must be attention for cross-attention \(MemoryMixer\); this one is for",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(settings, tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        main(settings | {"folder": str(tmp_path / "out")} | changed)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "override, reason",
    [
        ("jobs=abc", "jobs (abc) must be a whole number"),
        ("tasks.bundled.overrides=['experiment=nothing']", "tasks.bundled: experiment has no option nothing"),
        ("tasks.bundled.overrides=['trainer.max_step=3']", "tasks.bundled: there is no setting trainer.max_step"),
    ],
)
def test_the_command_refuses_it_in_one_line(override, reason, tmp_path):
    command = [sys.executable, "-m", "mt.compare_attention", f"folder={tmp_path}/out", override]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ROOT})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(f"compare_attention: error: {reason}")
    assert not (tmp_path / "out").exists()
