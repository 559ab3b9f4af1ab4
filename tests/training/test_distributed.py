"""Several processes learn what one learns, and what they write is an ordinary checkpoint."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mt.attention.prior import Prior
from mt.objective.guided import Guidance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.matching import Matching
from mt.objective.minimum_risk import MinimumRisk
from mt.objective.r_drop import RDrop
from mt.training.distributed import Ranks
from mt.training.parameters import freeze
from mt.training.source_lexicon import LexiconSettings, fill_lexicon
from mt.training.updater import Updater
from tests.children import PATIENCE_SECONDS, Fork, run_ranks, wait_for
from tests.conftest import SHORT_VALIDATION, train_overrides
from tests.training.on_ranks import FROZEN, projected
from tests.training.runs import (
    SEEN,
    WithPassesThatDiffer,
    assert_same,
    make_model,
    make_seeing_model,
    make_trainer,
    metrics,
    weights,
)

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.fixture(scope="module")
def work(corpus_folder, prepared, tmp_path_factory):
    """A folder with the runs of two processes, some of which go on with runs that one process began."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in ("from_one", "sharded_from_one"):
        one(prepared, folder / name, ema_decay=0.9, max_steps=5)
    run_ranks(2, [ROOT / "tests/training/on_ranks.py", corpus_folder, folder])
    return folder


def one(prepared, folder, *, dropout=0.0, seed=1, model=None, **settings):
    model = model or make_model(prepared, dropout=dropout, seed=seed)
    trainer = make_trainer(prepared, folder, model=model, **settings)
    trainer.run()
    trainer.store.close()
    return trainer


def curve(folder):
    return [(line["loss"], line["gradient_norm"]) for line in metrics(folder) if "loss" in line]


def assert_same_curve(left, right, at_least=1):
    assert len(left) == len(right) >= at_least
    for one, other in zip(left, right, strict=True):
        assert one == pytest.approx(other, rel=2e-4)


def saved(folder, name="last"):
    return load_file(folder / name / "model.safetensors")


def assert_close(left, right):
    # as a whole: where a gradient is zero but for rounding (the biases of keys), Adam makes steps of the rounding
    assert left.keys() == right.keys()
    one, other = (torch.cat([side[name].flatten() for name in left]) for side in (left, right))
    assert (one - other).norm() < 2e-3 * other.norm()


@pytest.mark.parametrize("name", ["together", "sharded"])
def test_two_processes_have_the_loss_curve_of_one(work, prepared, tmp_path, name):
    alone = one(prepared, tmp_path / "alone", ema_decay=0.9, accumulate=2, max_tokens=600, max_steps=7)
    assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=7)
    assert_close(saved(work / name), {name: value for name, value in alone.learner.average.tensors().items()})


@pytest.mark.parametrize("name", ["r_drop", "r_drop_sharded"])
def test_two_processes_learn_what_one_learns_where_each_update_has_two_passes(work, prepared, tmp_path, name):
    objective = WithPassesThatDiffer(RDrop())
    one(prepared, tmp_path / "alone", objective=objective, max_steps=5)
    assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=5)
    divergences = [line["divergence"] for line in metrics(work / name) if "loss" in line]
    alone = [line["divergence"] for line in metrics(tmp_path / "alone") if "loss" in line]
    assert divergences == pytest.approx(alone, rel=1e-2, abs=1e-4) and min(alone) > 0
    assert_close(saved(work / name), saved(tmp_path / "alone"))


@pytest.mark.parametrize("name", ["matching", "matching_sharded"])
def test_two_processes_contrast_and_judge_the_pairs_of_both(work, prepared, tmp_path, name):
    objective, model = (
        Matching(inner=LabelSmoothedCrossEntropy()),
        make_seeing_model(prepared, dropout=0.0, judges=True),
    )
    one(prepared, tmp_path / "alone", objective=objective, model=model, reading=SEEN, accumulate=2, max_steps=5)
    assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=5)
    for reported in ("contrast", "match", "match_right"):
        together = [line[reported] for line in metrics(work / name) if "loss" in line]
        alone = [line[reported] for line in metrics(tmp_path / "alone") if "loss" in line]
        assert together == pytest.approx(alone, rel=1e-3) and min(alone) > 0.1
    assert_close(saved(work / name), saved(tmp_path / "alone"))


@pytest.mark.parametrize("name", ["projected", "projected_sharded"])
def test_two_processes_learn_and_keep_the_weights_of_an_objective_as_one_does(work, prepared, tmp_path, name):
    one(prepared, tmp_path / "alone", objective=projected(prepared), accumulate=2, ema_decay=0.9, max_steps=7)
    assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=7)
    assert_close(saved(work / name), saved(tmp_path / "alone"))
    together, alone = (
        load_file(folder / "last" / "training.safetensors") for folder in (work / name, tmp_path / "alone")
    )
    assert together.keys() == alone.keys()
    assert_close(*({"W": side["objective.0.weight"]} for side in (together, alone)))


def test_two_processes_read_one_lexicon_whole_also_where_weights_are_in_parts(work, prepared, tmp_path):
    model = make_model(prepared, dropout=0.0, cross_attention=Prior)
    fill_lexicon(model, LexiconSettings(), Guidance(), prepared, Ranks())
    trainer = make_trainer(prepared, tmp_path / "alone", model=model, max_steps=5)
    trainer.run()
    for name in ("with_prior", "with_prior_sharded"):
        assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=5)
        assert_close(saved(work / name), saved(tmp_path / "alone"))


@pytest.mark.parametrize("name", ["frozen", "frozen_sharded"])
def test_two_processes_leave_what_is_frozen_as_it_is_and_learn_the_rest_as_one_does(work, prepared, tmp_path, name):
    model = make_model(prepared, dropout=0.0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    freeze(model, FROZEN)
    make_trainer(prepared, tmp_path / "alone", model=model, ema_decay=0.9, max_steps=5).run()
    assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=5)
    assert_close(saved(work / name), saved(tmp_path / "alone"))
    kept = [one for one in before if one.startswith(tuple(FROZEN))]
    assert len(kept) > 2
    assert_same({one: saved(work / name)[one] for one in kept}, {one: before[one] for one in kept})


def test_a_batch_with_fewer_sentences_than_processes_counts_as_it_should(work, prepared, tmp_path):
    one(prepared, tmp_path / "alone", max_tokens=40, max_steps=6)
    assert_same_curve(curve(work / "small_batches"), curve(tmp_path / "alone"))


@pytest.mark.parametrize("name", ["from_one", "sharded_from_one"])
def test_two_processes_go_on_where_one_stopped(work, prepared, tmp_path, name):
    one(prepared, tmp_path / "alone", ema_decay=0.9, max_steps=8)
    assert_same_curve(curve(work / name), curve(tmp_path / "alone"), at_least=8)


@pytest.mark.parametrize("name", ["together", "sharded"])
def test_one_process_goes_on_where_two_stopped(work, prepared, tmp_path, name):
    settings = {"ema_decay": 0.9, "accumulate": 2, "max_tokens": 600, "max_steps": 11}
    subprocess.run(["cp", "-r", str(work / name), str(tmp_path / "run")], check=True)
    resumed = one(prepared, tmp_path / "run", resume=True, seed=7, **settings)
    alone = one(prepared, tmp_path / "alone", **settings)
    assert_same_curve(curve(tmp_path / "run"), curve(tmp_path / "alone"), at_least=11)
    assert_close(weights(resumed), weights(alone))


def test_two_processes_resume_exactly_with_dropout(work):
    assert_same(saved(work / "with_dropout"), saved(work / "with_dropout_whole"))
    assert metrics(work / "with_dropout") == metrics(work / "with_dropout_whole")


def test_the_first_process_alone_writes(work):
    for name in ("together", "sharded", "patience"):
        steps = [line["step"] for line in metrics(work / name) if "loss" in line]
        assert steps == sorted(set(steps))


def test_processes_are_reported_apart_by_the_environment(monkeypatch):
    assert Ranks.join("cpu") == Ranks() and Ranks().is_first
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ValueError, match=r"WORLD_SIZE \(two\) must be a whole number"):
        Ranks.join("cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match=r"RANK \(\) must be a whole number: start several processes with torchrun"):
        Ranks.join("cpu")


def test_a_process_that_dies_ends_the_job_and_the_run_goes_on_afterwards(corpus_folder, tmp_path):
    overrides = [*train_overrides(corpus_folder, tmp_path), "trainer.validate_every=5", *SHORT_VALIDATION]
    command = [*TORCHRUN, "-m", "mt.train", *overrides, "trainer.max_steps=100000"]
    process = Fork(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = tmp_path / "run" / "metrics.jsonl"
    wait_for((tmp_path / "run" / "last").exists, process)
    workers = [int(pid) for pid in subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()]
    os.kill(workers[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode != 0 and lines.exists()
    assert (
        subprocess.run(["pgrep", "-f", str(tmp_path / "run")], stdout=subprocess.DEVNULL).returncode == 1
    )  # none left
    errors = run_ranks(2, ["-m", "mt.train", *overrides, "trainer.max_steps=20000", "trainer.time_budget=1s"])
    assert "resuming at step" in errors


def test_an_objective_that_searches_is_refused_where_each_rank_has_a_part_of_the_model(prepared):
    how = {"clip_norm": 1.0, "max_tokens": 300, "device": torch.device("cpu"), "dtype": torch.float32, "seed": 1}
    with pytest.raises(ValueError, match=r"searches with the whole model: trainer.shard must"):
        Updater(make_model(prepared), MinimumRisk(), ranks=Ranks(rank=0, world_size=2), shard=True, **how)
