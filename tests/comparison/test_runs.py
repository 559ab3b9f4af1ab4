"""Trainings of a comparison that run side by side."""

import json
import signal
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_dir

from mt.comparison.runs import environment_of
from mt.cores import available_cores
from mt.settings import config_folder
from tests.children import PATIENCE_SECONDS, Fork, wait_for
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
def test_who_is_ended_ends_its_trainings_first(corpus_folder, tmp_path):
    given = [one for one in train_overrides(corpus_folder, tmp_path) if not one.startswith("folder")]
    overrides = json.dumps([*given, "trainer.max_steps=100000"])
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        others = [
            f"~variants.{name}" for name in compose("compare_attention").variants if name not in ("dense", "top_k")
        ]
    command = ["-m", "mt.compare_attention", f"folder={tmp_path}", "jobs=2", f"tasks.bundled.overrides={overrides}"]
    process = Fork([*command, *others], stderr=subprocess.PIPE, text=True)
    logs = [tmp_path / "runs" / "bundled" / name / "seed-1.log" for name in ("dense", "top_k")]
    wait_for(lambda: all(log.is_file() and "step 1" in log.read_text("utf-8") for log in logs), process)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    for log in logs:
        assert "stopped by SIGTERM" in log.read_text("utf-8")
        assert list((log.with_suffix("") / "last").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for it")
def test_a_training_ends_when_its_comparison_is_killed():
    """Else it would go on, and keep its folder from the next start. Its end closes the pipe that it writes to."""
    code = (
        "import subprocess, sys, time; from mt.comparison.runs import _end_with_parent\n"
        "child = [sys.executable, '-c', 'print(1, flush=True); import time; time.sleep(600)']\n"
        "subprocess.Popen(child, preexec_fn=_end_with_parent); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as comparison:
        assert comparison.stdout.readline() == b"1\n"
        comparison.kill()
        assert comparison.stdout.read() == b""
