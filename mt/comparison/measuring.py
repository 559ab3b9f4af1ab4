"""Does what is still to be done of a comparison, one measurement after another, and keeps each."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mt.comparison.comparison import Comparison
from mt.comparison.costs import CostSettings, measure_alone
from mt.comparison.quality import paired, quality_of
from mt.comparison.runs import Task, overrides_of, train
from mt.comparison.speeds import SpeedSettings, speeds_of
from mt.comparison.variant import Variant

log = logging.getLogger(__name__)


def train_all(comparison: Comparison, folder: Path) -> None:
    """Trains and scores each variant on each task with each seed, unless it was done with the same overrides.

    What fails is noted and the others go on; where the baseline fails there is nothing to compare a task with.
    """
    results = comparison.results
    for task in comparison.tasks:
        for seed in comparison.seeds:
            for variant in comparison.variants:  # the baseline first
                overrides = overrides_of(task, variant, seed)
                done = results.run(task.name, variant.name, seed)
                if not done or done["overrides"] != overrides or "failed" in done:
                    log.info("%s, %s, seed %d: training", task.name, variant.name, seed)
                    done = {"overrides": overrides, **_trained(overrides, run_folder(folder, task, variant, seed))}
                    results.add_run(task.name, variant.name, seed, done)
                    log.info("%s, %s, seed %d: %s", task.name, variant.name, seed, _said(done))
                if "failed" in done and variant.name == comparison.baseline.name:
                    break


def run_folder(folder: Path, task: Task, variant: Variant, seed: int) -> Path:
    """Where a run is kept."""
    return folder / "runs" / task.name / variant.name / f"seed-{seed}"


def time_all(comparison: Comparison, settings: SpeedSettings, folder: Path) -> None:
    """Times the finished runs of each task, those of the first seed, in turns: all of them anew where one is new."""
    seed = comparison.seeds[0]
    for task in comparison.tasks:
        trained = [variant for variant in comparison.variants if comparison.runs(task, variant)]
        overrides = {one.name: comparison.results.run(task.name, one.name, seed)["overrides"] for one in trained}
        how = {**asdict(settings), "runs": overrides}
        if trained and comparison.results.speeds.get(task.name, {}).get("how") != how:
            runs = {variant.name: run_folder(folder, task, variant, seed) for variant in trained}
            found = speeds_of(runs, settings)
            comparison.results.add_speeds(task.name, {"how": how, "found": found})
            log.info("%s: %s", task.name, found)


def measure_all(comparison: Comparison, settings: CostSettings) -> None:
    """Measures each variant, and the baseline's attention in each slot that variants stand in, at each length."""
    for slot in comparison.slots():
        for variant in comparison.alone_in_slot(slot):
            for length in comparison.lengths:
                how = {**variant.node, **variant.settings, **settings.without_lengths()}
                done = comparison.results.cost(slot, variant.name, length)
                if done and done["how"] == how:
                    continue
                found = measure_alone(variant, length, settings)
                comparison.results.add_cost(slot, variant.name, length, {"how": how, **found})
                log.info("%s as %s at %d: %s", variant.name, slot, length, found)


def bootstrap_all(comparison: Comparison, folder: Path) -> dict[str, dict[str, float]]:
    """p of the paired bootstrap against the baseline, by task, variant and test set."""
    found = {}
    for variant in comparison.variants[1:]:
        for one in comparison.differences(variant):
            task = next(task for task in comparison.tasks if task.name == one.task)
            runs = [
                [run_folder(folder, task, each, seed) for seed in comparison.seeds]
                for each in (comparison.baseline, variant)
            ]
            found[f"{task.name}/{variant.name}/{one.test}"] = paired(*runs, one.test)
    return found


def _trained(overrides: list[str], run: Path) -> dict[str, Any]:
    try:
        train(overrides, run)
        return quality_of(run)
    except (ValueError, OSError) as error:
        return {"failed": " ".join(str(error).split())}


def _said(run: dict[str, Any]) -> str:
    if "failed" in run:
        return run["failed"]
    return ", ".join(f"{name} BLEU {test['bleu']:.2f}" for name, test in run["tests"].items())
