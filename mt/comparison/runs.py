"""Runs of a comparison: each a training of its own, in a process of its own, that goes on where it was stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.comparison.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every variant is trained on, and how: overrides of `python -m mt.train`."""

    name: str
    overrides: Sequence[str]
    purpose: str = ""


def overrides_of(task: Task, variant: Variant, seed: int) -> list[str]:
    """All that training is told, but for where it puts what it makes."""
    return [*task.overrides, *variant.training_overrides(), f"trainer.seed={seed}", f"name={variant.name}"]


def train(overrides: Sequence[str], run: Path) -> None:
    """Trains to the end in the folder `run`; what is told on the way goes to the file `run`.log.

    Raises ValueError with the last line of it where training fails.
    """
    log = run.with_name(f"{run.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        command = [sys.executable, "-m", "mt.train", *overrides, f"folder={run}"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            code = process.wait()
        except BaseException:
            process.terminate()  # it finishes its update and writes a checkpoint
            process.wait()
            raise
    if code:
        said = [line for line in log.read_text("utf-8").splitlines() if line.strip()] or ["nothing was said"]
        raise ValueError(f"training ended with {code}: {said[-1].strip()} ({log})")
