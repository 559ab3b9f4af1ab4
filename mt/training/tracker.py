"""Where the numbers of a run are recorded: always in `metrics.jsonl`, and in an optional tracker."""

from __future__ import annotations

import json
import logging
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from mt.checkpoint.migrations import lifted
from mt.data.whole_folder import write_whole

WANDB_ID = "wandb_id.txt"  # in the run folder: the run's id there and the last step that was sent, a line each

log = logging.getLogger(__name__)


class Tracker(Protocol):
    """Takes numbers and pictures at steps; `finish` is called once, at the end.

    `check` is called before any work is done, and raises ValueError where the tracker cannot work.
    `step` is the update from which training continues, 0 for a new run. Updates after it that were recorded before, by
    a process that was killed, will be recorded again: a tracker shows each of them once. `cut` says the same during
    a run, where training goes back to a checkpoint.
    """

    def check(self) -> None: ...
    def start(self, folder: Path, settings: Mapping[str, Any], step: int) -> None: ...
    def cut(self, step: int) -> None: ...
    def record(self, step: int, numbers: Mapping[str, Any]) -> None: ...
    def picture(self, step: int, name: str, path: Path) -> None: ...
    def finish(self) -> None: ...


class NoTracker:
    """Records nothing but metrics.jsonl."""

    def check(self) -> None:
        pass

    def start(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:
        pass

    def cut(self, step: int) -> None:
        pass

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        pass

    def picture(self, step: int, name: str, path: Path) -> None:
        pass

    def finish(self) -> None:
        pass


class Guarded:
    """A tracker whose failures never end a run: after the first one it is dropped, with one warning."""

    def __init__(self, tracker: Tracker):
        self._tracker: Tracker = tracker

    def start(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:
        """Starts the run at the tracker, or continues it after `step`. Raises ValueError for wrong settings."""
        self._try(lambda: self._tracker.start(folder, settings, step), but=ValueError)

    def cut(self, step: int) -> None:
        """Training goes back to `step`: what was recorded after it will be recorded again."""
        self._try(lambda: self._tracker.cut(step))

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Passes the numbers on, unless the tracker has failed."""
        self._try(lambda: self._tracker.record(step, numbers))

    def picture(self, step: int, name: str, path: Path) -> None:
        """Passes a PNG file on, unless the tracker has failed."""
        self._try(lambda: self._tracker.picture(step, name, path))

    def finish(self) -> None:
        """Ends the tracker, if it is still there."""
        self._try(self._tracker.finish)

    def _try(self, call: Callable[[], None], *, but: type[Exception] | tuple[()] = ()) -> None:
        try:
            call()
        except but:
            raise
        except Exception as error:  # any error of a tracker or its network
            name, self._tracker = type(self._tracker).__name__, NoTracker()
            log.warning(
                "the tracker %s failed and is dropped (%s: %s); metrics.jsonl continues",
                name,
                type(error).__name__,
                " ".join(str(error).split()),
            )


class MetricsFile:
    """One JSON object a line with its `step`."""

    def __init__(self, path: Path):
        self.path = path
        self._is_torn = False

    def cut(self, step: int) -> None:
        """Removes the lines of steps after `step`, which will be written again, and a line cut short by a kill."""
        kept = []
        if self.path.exists():
            with self.path.open(encoding="utf-8", errors="replace") as lines:
                kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
        try:
            write_whole(self.path, "".join(kept))
        except OSError as error:
            log.warning("%s: lines after step %d could not be cut: %s", self.path, step, error)

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Appends `numbers` of `step`. On a full disk the line is lost and the run continues."""
        line = json.dumps({"step": step, **numbers}, ensure_ascii=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" + line if self._is_torn else line)
            self._is_torn = False
        except OSError as error:
            self._is_torn = True  # perhaps half written: the next line must not be appended to it
            log.warning("%s: a line of step %d could not be written: %s", self.path, step, error)


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


class Wandb:
    """Weights & Biases. Without an API key it records offline, so that it never waits for an answer.

    What was sent cannot be taken back, so a repeated update is not sent again: the first record stays.
    The run's id and the last update that was sent stand in wandb_id.txt.
    """

    def __init__(self, *, project: str = "mt", name: str | None = None, mode: str = "auto"):
        if mode not in ("auto", "online", "offline"):
            raise ValueError(f"tracker.mode ({mode}) must be auto, online or offline")
        self.project, self.name, self.mode = project, name, mode

    def check(self) -> None:
        _check_package("wandb", "wandb")

    def start(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:
        import wandb

        mode: Literal["online", "offline"] = "offline" if self.mode == "offline" else "online"
        if self.mode == "auto":
            mode = "online" if os.environ.get("WANDB_API_KEY") else "offline"
            log.info("wandb: %s%s", mode, "" if mode == "online" else " (no WANDB_API_KEY is set)")
        self._file = folder / WANDB_ID
        self._id, self._last = self._read()
        self._known = self._last
        init = partial(
            wandb.init,
            project=self.project,
            name=self.name or folder.name,
            id=self._id,
            resume="allow",
            dir=str(folder),
            config=dict(settings),
            settings=wandb.Settings(silent=True, console="off", init_timeout=30),
        )
        try:
            self._run = init(mode=mode)
        except wandb.Error as error:
            if self.mode != "auto":
                raise ValueError(f"tracker.mode ({self.mode}): wandb says: {' '.join(str(error).split())}") from error
            log.warning("wandb: offline, for it says: %s", " ".join(str(error).split()))
            wandb.teardown()  # the failed start still holds the id
            self._run = init(mode="offline")

    def cut(self, step: int) -> None:
        self._known = self._last

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        if step <= self._known:
            return
        self._run.log({key: value for key, value in numbers.items() if isinstance(value, (int, float))}, step=step)
        self._last = step
        write_whole(self._file, f"{self._id}\n{step}\n")

    def picture(self, step: int, name: str, path: Path) -> None:
        import wandb

        if step > self._known:
            self._run.log({name: wandb.Image(str(path))}, step=step)

    def finish(self) -> None:
        self._run.finish()

    def _read(self) -> tuple[str, int]:
        """The run's id, kept when the run is resumed (a fresh run has another), and the last step that was sent."""
        if not self._file.exists():
            write_whole(self._file, f"{uuid.uuid4().hex[:12]}\n")
        lines = self._file.read_text("utf-8").split()
        known = lifted(WANDB_ID, dict(zip(("id", "last_step"), lines, strict=False)), self._file)
        return known["id"], int(known["last_step"])


def _check_package(name: str, tracker: str) -> None:
    if find_spec(name) is None:
        raise ValueError(f"tracker={tracker} needs a package that is missing: pip install 'mt-trainer[track]'")


class TensorBoard:
    """Event files in the run folder, for `tensorboard --logdir checkpoints`."""

    def check(self) -> None:
        _check_package("tensorboard", "tensorboard")

    def start(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder / "tensorboard"
        cut_events(self._folder, step)
        self._writer = SummaryWriter(str(self._folder))

    def cut(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer.close()
        cut_events(self._folder, step)
        self._writer = SummaryWriter(str(self._folder))

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def picture(self, step: int, name: str, path: Path) -> None:
        from matplotlib.image import imread

        self._writer.add_image(name, imread(path)[..., :3], step, dataformats="HWC")  # no transparency
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()


def cut_events(folder: Path, step: int) -> None:
    """Removes the events of steps after `step` from TensorBoard's files, and an event cut short by a kill.

    A file without any event left is deleted.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, kept = path.read_bytes(), []
        has_values = False
        for record, event in _records(content):
            found = Event.FromString(event)
            if found.step <= step:
                kept.append(record)
                has_values |= found.HasField("summary")
        if not has_values:
            path.unlink()
        elif sum(map(len, kept)) < len(content):
            write_whole(path, b"".join(kept))


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(record, event in it) of an event file: 8 bytes with the event's length, 4 of a checksum, the event, 4 more."""
    start = 0
    while start + 12 <= len(content):
        stop = start + 16 + int.from_bytes(content[start : start + 8], "little")
        if stop > len(content):
            return
        yield content[start:stop], content[start + 12 : stop - 4]
        start = stop
