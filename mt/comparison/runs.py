"""Runs of a comparison: each is a training in its own process, which resumes after an interruption."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from mt.comparison.variant import Variant
from mt.cores import available_cores

POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass(frozen=True, kw_only=True)
class Task:
    """The corpus and budget of all variants: overrides of `python -m mt.train`."""

    name: str
    overrides: Sequence[str]
    purpose: str = ""


@dataclass(frozen=True)
class Run:
    """One training of a comparison; its output is written to `log`."""

    task: Task
    variant: Variant
    seed: int
    folder: Path

    @property
    def overrides(self) -> list[str]:
        """All overrides of the training except its folder."""
        of_variant = self.variant.training_overrides()
        return [*self.task.overrides, *of_variant, f"trainer.seed={self.seed}", f"name={self.variant.name}"]

    @property
    def log(self) -> Path:
        """The file of its output, beside its folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def __str__(self) -> str:
        return f"{self.task.name}, {self.variant.name}, seed {self.seed}"


def train(planned: Iterator[Run], jobs: int) -> Generator[tuple[Run, str | None], None, None]:
    """Trains `jobs` runs at once, each in its folder, and yields each as it ends, with why it failed or None.

    The next run is taken from `planned` when there is room for it. Output goes to the run's log. If the caller stops
    iterating, running trainings finish their update and write a checkpoint, from which they can resume.
    """
    running = dict[int, tuple[Run, subprocess.Popen[bytes]]]()
    try:
        while True:
            free = [place for place in range(jobs) if place not in running]
            for place, run in zip(free, planned, strict=False):
                running[place] = run, _start(run, os.environ | environment_of(place, jobs))
            if not running:
                return
            for place, (run, process) in list(running.items()):
                if process.poll() is not None:
                    del running[place]
                    yield run, _failure(run, process.returncode)
            time.sleep(POLL_SECONDS)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.wait()


@contextmanager
def left_in_order() -> Iterator[None]:
    """SIGTERM, which schedulers send, raises SystemExit: running trainings are stopped first, as with Ctrl-C."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def environment_of(place: int, jobs: int) -> dict[str, str]:
    """Environment of training `place` of `jobs` at once: its share of the cores, and one of the GPUs in turn.

    Empty for a single training; OMP_NUM_THREADS of the environment is kept.
    """
    if jobs == 1:
        return {}
    given = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, available_cores() // jobs)))}
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = (
        [str(k) for k in range(torch.cuda.device_count())] if named is None else [n for n in named.split(",") if n]
    )
    return given | ({"CUDA_VISIBLE_DEVICES": devices[place % len(devices)]} if devices else {})


def _start(run: Run, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    run.log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mt.train", *run.overrides, f"folder={run.folder}"]
    with run.log.open("w", encoding="utf-8") as output:
        return subprocess.Popen(
            command,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )


def _end_with_parent() -> None:
    """In a training process: it is killed with the comparison, or it would block its folder for the next start."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _failure(run: Run, code: int) -> str | None:
    """The last line of the log of a training that failed; None for exit code 0."""
    if code == 0:
        return None
    said = [line for line in run.log.read_text("utf-8").splitlines() if line.strip()] or ["no output"]
    return f"training ended with {code}: {said[-1].strip()} ({run.log})"
