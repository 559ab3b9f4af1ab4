"""Runs the missing measurements of a comparison and saves each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mt.comparison.comparison import Comparison, in_slot
from mt.comparison.costs import CostSettings, measure_alone
from mt.comparison.quality import paired, quality_of
from mt.comparison.runs import Run, Task, left_in_order, train
from mt.comparison.speeds import SpeedSettings, speeds_of
from mt.comparison.variant import Variant

log = logging.getLogger(__name__)


def train_all(comparison: Comparison, folder: Path, jobs: int) -> None:
    """Trains and scores each variant on each task with each seed, `jobs` at once, unless that is done already.

    Failures are recorded and the others continue; a task whose baseline fails is given up.
    """
    results = comparison.results
    with left_in_order(), closing(train(_to_train(comparison, folder), jobs)) as ended:
        for run, failure in ended:
            found = {"failed": failure} if failure else _quality(run.folder)
            results.add_run(run.task.name, run.variant.name, run.seed, {"overrides": run.overrides, **found})
            log.info("%s: %s", run, _summary(found))


def _to_train(comparison: Comparison, folder: Path) -> Iterator[Run]:
    results, baseline = comparison.results, comparison.baseline
    for task in comparison.tasks:
        for seed in comparison.seeds:
            for variant in comparison.variants:  # the baseline first
                run = Run(task, variant, seed, run_folder(folder, task, variant, seed))
                done = results.run(task.name, variant.name, seed)
                if done and done["overrides"] == run.overrides and "failed" not in done:
                    continue
                if variant != baseline and "failed" in (results.run(task.name, baseline.name, seed) or {}):
                    break
                results.forget_run(task.name, variant.name, seed)
                log.info("%s: training", run)
                yield run


def run_folder(folder: Path, task: Task, variant: Variant, seed: int) -> Path:
    """The folder of a run."""
    return folder / "runs" / task.name / variant.name / f"seed-{seed}"


def time_all(comparison: Comparison, settings: SpeedSettings, folder: Path) -> None:
    """Times the finished runs of each task, those of the first seed, in turns; all of them again if one is new."""
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
    """Measures, at each length, each variant and the baseline's attention in each variant's slot."""
    for slot in comparison.slots():
        for variant in comparison.alone_in_slot(slot):
            for length in comparison.lengths:
                how = {**variant.node, **variant.settings, **settings.how()}
                done = comparison.results.cost(slot, variant.name, length)
                if done and done["how"] == how:
                    continue
                exact = in_slot(comparison.baseline, slot) if variant.is_exact else None
                found = measure_alone(variant, length, settings, exact)
                comparison.results.add_cost(slot, variant.name, length, {"how": how, **found})
                log.info("%s as %s at %d: %s", variant.name, slot, length, found)


def bootstrap_all(comparison: Comparison, folder: Path) -> dict[str, dict[str, float]]:
    """p of the paired bootstrap against the baseline, keyed by "task/variant/test"."""
    found = {}
    for variant in comparison.variants[1:]:
        for one in comparison.differences(variant):
            task = next(task for task in comparison.tasks if task.name == one.task)
            baseline, other = (
                [run_folder(folder, task, each, seed) for seed in comparison.seeds]
                for each in (comparison.baseline, variant)
            )
            found[f"{task.name}/{variant.name}/{one.test}"] = paired(baseline, other, one.test)
    return found


def _quality(run: Path) -> dict[str, Any]:
    try:
        return quality_of(run)
    except (ValueError, OSError) as error:
        return {"failed": " ".join(str(error).split())}


def _summary(run: dict[str, Any]) -> str:
    if "failed" in run:
        return run["failed"]
    return ", ".join(f"{name} BLEU {test['bleu']:.2f}" for name, test in run["tests"].items())
