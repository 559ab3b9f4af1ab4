"""Where the numbers of a run go: always `metrics.jsonl`, and a tracker of choice beside it."""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)


class Tracker(Protocol):
    """Takes numbers at steps; `finish` is called once, at the end."""

    def start(self, folder: Path, settings: Mapping[str, Any]) -> None: ...
    def record(self, step: int, numbers: Mapping[str, Any]) -> None: ...
    def finish(self) -> None: ...


class NoTracker:
    """Tracks nothing beside metrics.jsonl."""

    def start(self, folder: Path, settings: Mapping[str, Any]) -> None:
        pass

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        pass

    def finish(self) -> None:
        pass


class MetricsFile:
    """One JSON object a line with its `step`. On resume, lines of later steps are cut off: they will come again."""

    def __init__(self, path: Path, *, resume_step: int):
        self.path = path
        kept = []
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= resume_step]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(path)

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Appends `numbers` of `step`."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **numbers}, ensure_ascii=False) + "\n")


class Wandb:
    """Weights & Biases. Without an API key it records offline, so that nobody is asked and nothing waits."""

    def __init__(self, *, project: str = "mt", name: str | None = None, mode: str = "auto"):
        if mode not in ("auto", "online", "offline"):
            raise ValueError(f"tracker.mode ({mode}) must be auto, online or offline")
        self.project, self.name, self.mode = project, name, mode

    def start(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise ValueError("tracker=wandb needs a package that is missing: pip install 'mt-trainer[track]'") from None
        mode = self.mode
        if mode == "auto":
            mode = "online" if os.environ.get("WANDB_API_KEY") else "offline"
            log.info("wandb: %s%s", mode, "" if mode == "online" else " (no WANDB_API_KEY is set)")
        how = {
            "project": self.project,
            "name": self.name or folder.name,
            "id": _run_id(folder),
            "resume": "allow",
            "dir": str(folder),
            "config": dict(settings),
            "settings": wandb.Settings(silent=True, console="off", init_timeout=30),
        }
        try:
            self._run = wandb.init(mode=mode, **how)
        except wandb.Error as error:
            if self.mode != "auto":
                raise ValueError(f"tracker.mode ({self.mode}): wandb says: {' '.join(str(error).split())}") from error
            log.warning("wandb: offline, for it says: %s", " ".join(str(error).split()))
            wandb.teardown()  # the failed start still holds the id
            self._run = wandb.init(mode="offline", **how)

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        self._run.log({key: value for key, value in numbers.items() if isinstance(value, (int, float))}, step=step)

    def finish(self) -> None:
        self._run.finish()


def _run_id(folder: Path) -> str:
    """An id that stays when the run goes on, and that a fresh run of the same name does not share."""
    path = folder / "wandb_id.txt"
    if not path.exists():
        path.write_text(f"{uuid.uuid4().hex[:12]}\n", encoding="utf-8")
    return path.read_text("utf-8").strip()


class TensorBoard:
    """Event files in the run folder, for `tensorboard --logdir checkpoints`."""

    def start(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ValueError(
                "tracker=tensorboard needs a package that is missing: pip install 'mt-trainer[track]'"
            ) from None
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def record(self, step: int, numbers: Mapping[str, Any]) -> None:
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()
