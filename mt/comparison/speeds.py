"""How fast finished runs train and translate, measured side by side: what a run saw of itself depends on the hour."""

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
from mt.checkpoint.rebuild import build
from mt.data.batching import Batch, Cursor, TokenBatches
from mt.data.prepare import Prepared, prepare
from mt.device import choose_device, choose_precision
from mt.inference.translator import Translator
from mt.training.distributed import Ranks
from mt.training.source_sentences import with_separator
from mt.training.source_trees import source_trees
from mt.training.updater import Updater

WARM_UP = 1  # update of a turn that is not timed: kernels are made, memory is taken


@dataclass(frozen=True, kw_only=True)
class SpeedSettings:
    """How runs are timed. Raises ValueError naming the setting, its rule and value."""

    rounds: int = 3  # in each of which every run has its turn; the median of the turns counts
    updates: int = 10  # a turn, on the first batches of the run
    lines: int = 100  # a turn, the first of the first test set, with the run's search

    def __post_init__(self):
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"speeds.{name} ({value}) must be at least 1")


def speeds_of(runs: Mapping[str, Path], settings: SpeedSettings) -> dict[str, dict[str, float]]:
    """Medians of run folders by name: `training_tokens_per_second` (targets) and `sentences_per_second`.

    The second is missing where there is no test set. Training begins afresh, on a model of the same making,
    without guidance.
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
    of_corpus = {name: config[name] for name in ("data", "tokenizer")}
    key = json.dumps(of_corpus, sort_keys=True)
    if key not in known:
        known[key] = prepare(*(build(node) for node in of_corpus.values()))
    prepared = known[key]
    found = {"training_tokens_per_second": _training(config, prepared, settings.updates)}
    if prepared.tests:
        lines = next(iter(prepared.tests.values())).sources[: settings.lines]
        found["sentences_per_second"] = _translation(run, config, lines)
    return found


def _training(config: Mapping[str, Any], prepared: Prepared, num_updates: int) -> float:
    trainer, tokenizers = build(config["trainer"]), prepared.tokenizers
    device = choose_device(trainer.device)
    torch.manual_seed(trainer.seed)
    model_settings = with_separator(config["model"], build(config["data"]).document, tokenizers.source)
    vocabularies = {"source_vocab_size": tokenizers.source.size, "target_vocab_size": tokenizers.target.size}
    model = build(model_settings, **vocabularies)
    batches = build(
        {"_target_": "mt.data.batching.TokenBatches", **config["batches"]},
        store=prepared.train,
        tokenizers=tokenizers,
        seed=trainer.seed,
        trees=source_trees(model, prepared),
    )
    updater = Updater(
        model.to(device),
        build(config["objective"]),
        clip_norm=trainer.clip_norm,
        max_tokens=batches.max_tokens,
        device=device,
        dtype=choose_precision(trainer.precision, device),
        seed=trainer.seed,
        ranks=Ranks(),
    )
    optimizer, schedule = build(config["optimizer"])(model), build(config["schedule"])
    groups, cursor = [], Cursor()
    for _ in range(WARM_UP + num_updates):
        group, cursor = _group(batches, cursor, trainer.accumulate)
        groups.append(group)

    def update(step: int) -> int:
        return updater(optimizer, groups[step], step=step, learning_rate=schedule(step + 1, 0.0)).target_tokens

    for step in range(WARM_UP):
        update(step)
    seconds, tokens = _timed(lambda: sum(update(step) for step in range(WARM_UP, len(groups))), device)
    return tokens / seconds


def _group(batches: TokenBatches, cursor: Cursor, size: int) -> tuple[list[Batch], Cursor]:
    group = []
    for _ in range(size):
        batch, cursor = batches.read(cursor)
        group.append(batch)
    return group, cursor


def _translation(run: Path, config: Mapping[str, Any], lines: list[str]) -> float:
    translator = Translator.load(run, device=config["trainer"]["device"], precision=config["trainer"]["precision"])
    search = build(config["search"])
    list(translator.translate(lines[:1], search=search))
    seconds, _ = _timed(lambda: list(translator.translate(lines, search=search)), translator.device)
    return len(lines) / seconds


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, result
