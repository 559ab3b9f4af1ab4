"""How fast finished runs train and translate, measured in turns: a run's own speed depends on other load."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mt.checkpoint.changes import read_settings
from mt.comparison.costs import wait
from mt.data.batching import Batch, Cursor, TokenBatches
from mt.data.prepare import Prepared
from mt.inference.translator import Translator
from mt.training.assembly import Assembly, Parts

OF_CORPUS = ("data", "tokenizer", "start_from", "new_vocabulary")  # settings that decide what is prepared
WARM_UP = 1  # untimed updates at the start of a turn: kernels are compiled, memory is allocated


@dataclass(frozen=True, kw_only=True)
class SpeedSettings:
    """How runs are timed. Raises ValueError naming the setting, its rule and value."""

    rounds: int = 3  # every run has a turn in each; the median of its turns counts
    updates: int = 10  # a turn, on the first batches of the run
    lines: int = 100  # a turn, the first lines of the first test set, with the run's search

    def __post_init__(self):
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"speeds.{name} ({value}) must be at least 1")


def speeds_of(runs: Mapping[str, Path], settings: SpeedSettings) -> dict[str, dict[str, float]]:
    """Medians of run folders by name: `training_tokens_per_second` (targets) and `sentences_per_second`.

    The second is missing without a test set. Training starts with new weights, without guidance.
    """
    turns: dict[str, dict[str, list[float]]] = {name: {} for name in runs}
    prepared: dict[str, Prepared] = {}  # once for all runs of the same corpus
    for _ in range(settings.rounds):
        for name, run in runs.items():
            for what, value in _turn(run, settings, prepared).items():
                turns[name].setdefault(what, []).append(value)
    return {
        name: {what: round(statistics.median(values), 1) for what, values in of.items()} for name, of in turns.items()
    }


def _turn(run: Path, settings: SpeedSettings, known: dict[str, Prepared]) -> dict[str, float]:
    config = read_settings(run)
    parts = _parts_of(run, config)
    key = json.dumps([config.get(name) for name in OF_CORPUS], sort_keys=True)
    if key not in known:
        known[key] = parts.prepare()
    prepared = known[key]
    found = {"training_tokens_per_second": _training(parts, prepared, settings.updates)}
    if prepared.tests:
        lines = next(iter(prepared.tests.values())).sources[: settings.lines]
        found["sentences_per_second"] = _translation(run, parts, lines)
    return found


def _parts_of(run: Path, config: Mapping[str, Any]) -> Parts:
    """The parts of a run whose folder may have moved."""
    settings = {name: value for name, value in config.items() if name not in ("corpus", "begun")}
    return Parts.of({**settings, "folder": str(run), "fresh": False}).without_guidance()


def _training(parts: Parts, prepared: Prepared, num_updates: int) -> float:
    assembly = Assembly.of(parts, prepared)
    batches, learner, schedule = assembly.batches(), assembly.learner(), parts.schedule
    groups, cursor = [], Cursor()
    for _ in range(WARM_UP + num_updates):
        group, cursor = _group(batches, cursor, parts.trainer.accumulate)
        groups.append(group)

    def update(step: int) -> int:
        rate = schedule(step + 1, 0.0)
        return learner.updater(learner.optimizer, groups[step], step=step, learning_rate=rate).target_tokens

    for step in range(WARM_UP):
        update(step)
    seconds, tokens = _timed(lambda: sum(update(step) for step in range(WARM_UP, len(groups))), learner.device)
    return tokens / seconds


def _group(batches: TokenBatches, cursor: Cursor, size: int) -> tuple[list[Batch], Cursor]:
    group = []
    for _ in range(size):
        batch, cursor = batches.read(cursor)
        group.append(batch)
    return group, cursor


def _translation(run: Path, parts: Parts, lines: list[str]) -> float:
    translator = Translator.load(run, device=parts.trainer.device, precision=parts.trainer.precision)
    search = parts.search
    list(translator.translate(lines[:1], search=search))
    seconds, _ = _timed(lambda: list(translator.translate(lines, search=search)), translator.device)
    return len(lines) / seconds


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    wait(device)  # for the warm-up, which a GPU may still be busy with
    start = time.perf_counter()
    result = work()
    wait(device)
    return time.perf_counter() - start, result
