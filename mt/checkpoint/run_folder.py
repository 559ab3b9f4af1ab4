"""The folder of one training run: its settings, its steps, and whether it is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from mt.checkpoint.folder import ModelCard, TrainingState, point, write_checkpoint, write_json
from mt.data.tokenizer import TokenizerPair

# What may differ when a run goes on: how long it runs and what is shown, not what it computes.
MAY_CHANGE = (
    "trainer.max_steps",
    "trainer.max_epochs",
    "trainer.time_budget",
    "trainer.patience",
    "trainer.keep_last",
    "trainer.log_every",
    "trainer.device",
    "tracker",
    "search",
    "final",
    "fresh",
)


class RunFolder:
    """`path` with config.yaml, metrics.jsonl, step folders, and the links `best` and `last`."""

    def __init__(self, path: Path):
        self.path = path
        self._card: ModelCard | None = None
        self._tokenizers: TokenizerPair | None = None

    @classmethod
    def open(cls, path: str | Path, settings: Mapping[str, Any], *, fresh: bool = False) -> RunFolder:
        """Makes the folder, or finds the one of an earlier start; `fresh` deletes that one first.

        Raises ValueError when the folder was started with other settings, naming each with its old and new value.
        """
        run = cls(Path(path))
        config = run.path / "config.yaml"
        if fresh and config.exists():
            shutil.rmtree(run.path)
        if config.exists():
            before = yaml.safe_load(config.read_text("utf-8")) or {}
            changed = _differences(before, settings)
            if changed and run.last is not None:
                raise ValueError(
                    f"{run.path} was started with other settings ({'; '.join(changed)}):"
                    " choose another name=…, or fresh=true to delete it and start again"
                )
            if any(before.get(name) != settings.get(name) for name in ("search", "final")):
                run.reopen()  # what comes after training comes again, with these
        run.path.mkdir(parents=True, exist_ok=True)
        for old in run.path.glob(".*.old"):  # a kill came while this one was being replaced
            whole = run.path / old.name[1:].removesuffix(".old")
            if not whole.exists():
                old.rename(whole)
        for torn in (*run.path.glob(".step_*"), *run.path.glob(".average.*")):  # what a kill left half written
            shutil.rmtree(torn, ignore_errors=True)
        temporary = config.with_name(".config.yaml.tmp")  # renamed, so that a kill never leaves half of it
        temporary.write_text(yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True), encoding="utf-8")
        temporary.replace(config)
        return run

    def describe(self, card: ModelCard, tokenizers: TokenizerPair) -> None:
        """Tells what model the steps hold, once it is built."""
        self._card, self._tokenizers = card, tokenizers

    @property
    def last(self) -> Path | None:
        """The step folder to resume from."""
        return self._step("last")

    @property
    def best(self) -> Path | None:
        """The step folder with the best validation."""
        return self._step("best")

    def save(
        self,
        name: str,
        weights: Mapping[str, Tensor],
        scores: Mapping[str, Any],
        training: TrainingState | None = None,
        *,
        is_best: bool = False,
    ) -> Path:
        """Writes the step folder `name`; with a training state it becomes `last`."""
        assert self._card is not None and self._tokenizers is not None, "describe comes before save"
        folder = self.path / name
        write_checkpoint(
            folder, card=self._card, weights=weights, tokenizers=self._tokenizers, scores=scores, training=training
        )
        if is_best:  # before `last`: killed in between, the run goes on from the step before and comes here again
            point(self.path, "best", folder)
        if training is not None:
            point(self.path, "last", folder)
        return folder

    def steps(self) -> list[Path]:
        """The numbered step folders that were validated, oldest first; those that a signal left were not."""
        found = [path for path in self.path.glob("step_*") if json.loads((path / "scores.json").read_text("utf-8"))]
        return sorted(found, key=lambda path: (len(path.name), path.name))  # by number, however many digits

    def prune(self, keep_last: int) -> None:
        """Deletes step folders but the newest `keep_last` that were validated, `last` and `best`."""
        kept = {self.best, self.last, *(path.resolve() for path in self.steps()[-keep_last:])}
        for path in self.path.glob("step_*"):
            if path.resolve() not in kept:
                shutil.rmtree(path)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The final scores of a finished run; None before."""
        path = self.path / "scores.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def reopen(self) -> None:
        """Takes the mark of a finished run away, because it goes on."""
        (self.path / "scores.json").unlink(missing_ok=True)

    def finish(self, scores: Mapping[str, Any]) -> None:
        """Writes the final scores, which mark the run as finished."""
        write_json(self.path / "scores.json", scores)

    def _step(self, name: str) -> Path | None:
        return (self.path / name).resolve() if (self.path / name).exists() else None


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, now = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key} was {before.get(key)}, is {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not any(key == name or key.startswith(name + ".") for name in MAY_CHANGE)
    ]


def _flat(node: Any, prefix: str = ""):
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
