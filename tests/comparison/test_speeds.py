"""What is timed is the work itself, and not what a device was still busy with."""

import torch

from mt.comparison.speeds import _timed


def test_the_time_of_work_on_a_gpu_begins_after_the_work_before_it(monkeypatch):
    done: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append("waited"))
    seconds, result = _timed(lambda: done.append("worked") or 7, torch.device("cuda"))
    assert done == ["waited", "worked", "waited"] and result == 7 and seconds > 0
