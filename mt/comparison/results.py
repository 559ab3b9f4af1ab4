"""The measurements of a comparison so far: one file, written after each, so that nothing is measured twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.checkpoint.small_file import read_json
from mt.data.whole_folder import write_json

FILE_NAME = "results.json"


@dataclass
class Results:
    """Runs by task, variant and seed, each with its `overrides`; speeds by task; costs by slot, variant and length."""

    path: Path
    runs: dict[str, Any] = field(default_factory=dict)
    speeds: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Results:
        """The results in the folder, or empty ones."""
        path = folder / FILE_NAME
        body = read_json(path) if path.is_file() else {}
        return cls(path, body.get("runs", {}), body.get("speeds", {}), body.get("costs", {}))

    def run(self, task: str, variant: str, seed: int) -> Any:
        """The measurements of a run, or None."""
        return self.runs.get(f"{task}/{variant}/{seed}")

    def add_run(self, task: str, variant: str, seed: int, found: Mapping[str, Any]) -> None:
        """Stores the measurements of a run."""
        self.runs[f"{task}/{variant}/{seed}"] = dict(found)
        self._save()

    def forget_run(self, task: str, variant: str, seed: int) -> None:
        """Removes a run that is measured again; written by the next `add_run`."""
        self.runs.pop(f"{task}/{variant}/{seed}", None)

    def add_speeds(self, task: str, found: Mapping[str, Any]) -> None:
        """Stores the speeds of all runs of a task."""
        self.speeds[task] = dict(found)
        self._save()

    def cost(self, slot: str, variant: str, length: int) -> Any:
        """The costs of a variant at a length, or None."""
        return self.costs.get(f"{slot}/{variant}/{length}")

    def add_cost(self, slot: str, variant: str, length: int, found: Mapping[str, Any]) -> None:
        """Stores the costs of a variant at a length."""
        self.costs[f"{slot}/{variant}/{length}"] = dict(found)
        self._save()

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"runs": self.runs, "speeds": self.speeds, "costs": self.costs})
