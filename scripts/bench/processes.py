"""Measured processes: each in a group of its own, its memory watched, stopped together with what it started."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from peak_memory import memory_kib, with_children
from setting import PROJECT, Work

SECONDS_BETWEEN_LOOKS = 0.25  # at memory; more often at first, for commands that are over soon
FIRST_SECONDS, SECONDS_BETWEEN_FIRST_LOOKS = 2.0, 0.02
SECONDS_TO_STOP = 60


class Failure(Exception):
    """A measured process that ended by itself, or never came to the point."""


class Watched:
    """A running process; `peak_mib` is the most memory that it and its children have had, shared pages counted once."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process, self.log = process, log
        self.peak_mib = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        start = time.monotonic()
        while not self._is_over.wait(
            SECONDS_BETWEEN_FIRST_LOOKS if time.monotonic() - start < FIRST_SECONDS else SECONDS_BETWEEN_LOOKS
        ):
            self.peak_mib = max(self.peak_mib, memory_kib(self.process.pid)["Pss"] / 1024)

    def cpu_seconds(self) -> float:
        """Processor time so far, of the process and of the children that it has."""
        return sum(map(_cpu_seconds, with_children(self.process.pid)))

    def forget(self) -> None:
        """Ends the watch."""
        self._is_over.set()
        self._thread.join()

    def check(self) -> None:
        """Raises Failure with the last line of the log if the process is over."""
        code = self.process.poll()
        if code is not None:
            raise Failure(f"ended with {code}: {last_words(self.log)}")


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it is gone
        return 0.0
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # of Linux


def _die_with_parent() -> None:
    """In a process just made: SIGKILL of us is not to leave a training that has no end."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# Linux may share cores among sessions first, and only then among the threads of each (sched_autogroup): busy processes
# take part as threads do only within the session of what is measured.
BUSY_LOOPS = 'for _ in $(seq "$0"); do (while :; do :; done) & done; exec "$@"'
_num_busy = 0


@contextmanager
def beside(count: int) -> Iterator[None]:
    """Within the block, every measured process runs beside so many processes that each keep a core busy."""
    global _num_busy
    _num_busy = count
    try:
        yield
    finally:
        _num_busy = 0


@contextmanager
def watched(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> Iterator[Watched]:
    """Runs a command, its output going to `log`; at the end of the block it is stopped."""
    busy = ["bash", "-c", BUSY_LOOPS, _num_busy] if _num_busy else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, [*busy, *command])),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    running = Watched(process, log)
    try:
        yield running
    finally:
        running.forget()
        stop(process)


def begin(work: Work) -> None:
    """Before anything is measured: we are alone in the folder, and SIGTERM, too, stops what we started before us."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    work.folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(work.folder / ".lock", os.O_CREAT | os.O_RDWR)  # held until we end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        refuse(f"--work ({work.folder}) must be another folder: a part of the benchmark is at work in it")


def refuse(message: str) -> NoReturn:
    """For what the user can mend: a line, and exit code 2."""
    print(message, file=sys.stderr)
    sys.exit(2)


def stop(process: subprocess.Popen) -> None:
    """Asks the process and its children to leave, and makes them when they do not."""
    for number, patience in ((signal.SIGTERM, SECONDS_TO_STOP), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def finished(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, limit: float) -> dict:
    """Runs a command to its end; gives its wall-clock `seconds` and `peak_mib`. Raises Failure."""
    start = time.monotonic()
    with watched(command, log=log, environment=environment) as running:
        try:
            code = running.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"not done after {limit:.0f} s") from None
        seconds = time.monotonic() - start
    if code:
        raise Failure(f"ended with {code}: {last_words(log)}")
    return {"seconds": seconds, "peak_mib": running.peak_mib}


def done(command: Sequence[str]) -> None:
    """Runs a command that measures nothing, in the project's folder; where it fails, it has said why: we leave too."""
    code = subprocess.run(
        list(map(str, command)), cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)}
    ).returncode
    if code:
        raise SystemExit(code)


def empty(folder: Path) -> None:
    """A new, empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def last_words(log: Path, characters: int = 400) -> str:
    """The last line of a log that says something."""
    said = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    return said[-1][-characters:] if said else "without a word"
