"""Trainings of a comparison that run side by side."""

import time

import pytest
import torch

from mt.comparison.runs import Run, Task, environment_of, train
from mt.comparison.variant import Variant
from mt.data.prepare import available_cores
from tests.conftest import train_overrides


def test_one_training_at_a_time_is_given_nothing(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert environment_of(0, 1) == {}


def test_trainings_at_once_share_the_cores_and_take_gpus_in_turn(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert environment_of(1, 2) == {"OMP_NUM_THREADS": str(max(1, available_cores() // 2))}
    assert environment_of(1, 4096)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [environment_of(place, 3)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7")
    assert [environment_of(place, 2)["CUDA_VISIBLE_DEVICES"] for place in range(2)] == ["5", "GPU-7"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment_of(1, 2) == {"OMP_NUM_THREADS": "3"}


@pytest.mark.slow
def test_a_training_under_way_is_stopped_in_order_when_nobody_waits_for_it(corpus_folder, tmp_path):
    node = {"_target_": "mt.attention.dense.Dense", "_partial_": True}
    dense = Variant(name="dense", slot="decoder.cross_attention", attention="dense", node=node)
    overrides = [one for one in train_overrides(corpus_folder, tmp_path) if not one.startswith("folder")]
    runs = [
        Run(Task(name="long", overrides=[*overrides, "trainer.max_steps=100000"]), dense, 1, tmp_path / "long"),
        Run(Task(name="broken", overrides=[*overrides, "model.layer.dim=31"]), dense, 1, tmp_path / "broken"),
    ]
    ended = train(iter(runs), jobs=2)
    run, failure = next(ended)
    assert run.task.name == "broken" and "dim (31) must be a multiple" in failure
    while "step 1" not in (tmp_path / "long.log").read_text("utf-8"):
        time.sleep(0.05)
    ended.close()
    assert "stopped by SIGTERM" in (tmp_path / "long.log").read_text("utf-8")
    assert list((tmp_path / "long" / "last").iterdir())
