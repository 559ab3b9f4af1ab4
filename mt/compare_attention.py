"""Compares variants of attention: trains all alike, times them in turns, measures each alone, and writes a report.

    python -m mt.compare_attention                                 every variant, on the bundled corpora
    python -m mt.compare_attention seeds=[1,2,3] '~variants.local'
    python -m mt.compare_attention jobs=2                          two trainings at once, each with half of the cores
    python -m mt.compare_attention parts=[costs,report]            without training
    python -m mt.compare_attention 'tasks=[bundled,multi30k,documents]'     image captions, too, from data.folder

Measurements are saved, and the same command resumes from there. In folder: report.md, report.html, report.csv,
results.json, and the runs, each a normal checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mt.settings import composed, config_folder, run_hydra

if TYPE_CHECKING:
    from mt.comparison.comparison import Comparison
    from mt.comparison.settings import ComparisonSettings

log = logging.getLogger("mt.compare_attention")


def main(settings: dict[str, Any]) -> None:
    """Trains, measures and reports. Raises ValueError for bad settings before anything runs."""
    from mt.checkpoint.rebuild import build, call
    from mt.comparison.measuring import bootstrap_all, measure_all, time_all, train_all
    from mt.comparison.report import markdown, page, values_as_csv
    from mt.comparison.results import Results
    from mt.comparison.settings import ComparisonSettings
    from mt.data.lock import lock
    from mt.data.whole_folder import remove_unfinished, write_whole
    from mt.device import choose_device

    chosen = call(ComparisonSettings, settings, "")
    speeds = build({**chosen.speeds, "_target_": "mt.comparison.speeds.SpeedSettings"})
    costs = build({**chosen.costs, "_target_": "mt.comparison.costs.CostSettings"})
    folder = Path(chosen.folder)
    comparison = comparison_of(chosen, costs.lengths, folder)
    for variant in comparison.variants:
        variant.make_mixer(costs.num_heads, costs.head_size)  # raises ValueError before hours of training
    choose_device(costs.device)
    if "train" in chosen.parts:
        check_tasks(comparison)
    folder.mkdir(parents=True, exist_ok=True)
    held = lock(folder)
    remove_unfinished(folder)  # left by a process that was killed
    comparison = replace(comparison, results=Results.open(folder))  # also what other processes have measured so far
    if "train" in chosen.parts:
        train_all(comparison, folder, chosen.jobs)
    if "speeds" in chosen.parts:
        time_all(comparison, speeds, folder)
    if "costs" in chosen.parts:
        measure_all(comparison, costs)
    if "report" in chosen.parts:
        comparison = replace(comparison, p_values=bootstrap_all(comparison, folder))
        write_whole(folder / "report.csv", values_as_csv(comparison))
        write_whole(folder / "report.html", page(comparison))
        write_whole(folder / "report.md", text := markdown(comparison))
        print(text)
        log.info("%s: the same with plots", folder / "report.html")
    del held


def comparison_of(chosen: ComparisonSettings, lengths: list[int], folder: Path) -> Comparison:
    """The comparison that settings describe, with what was measured in `folder` before."""
    from mt.checkpoint.rebuild import call
    from mt.comparison.comparison import Comparison
    from mt.comparison.results import Results
    from mt.comparison.runs import Task
    from mt.comparison.variant import Variant

    variants = {}
    for name, node in chosen.variants.items():
        place = f"variants.{name}"
        attention = node.get("attention") if isinstance(node, Mapping) else None
        path = config_folder() / "attention" / f"{attention}.yaml"
        if isinstance(node, Mapping) and not path.is_file():
            known = sorted(other.stem for other in path.parent.glob("*.yaml"))
            raise ValueError(f"{place}.attention ({attention}) must be one of {', '.join(known)}")
        mixer = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {}
        variants[name] = call(Variant, node, place, name=str(name), node=mixer)
    baseline = variants.pop(chosen.baseline)
    return Comparison(
        baseline=baseline,
        variants=[baseline, *variants.values()],
        tasks=[call(Task, node, f"tasks.{name}", name=str(name)) for name, node in chosen.tasks.items()],
        seeds=chosen.seeds,
        lengths=sorted(lengths),
        tolerance=chosen.tolerance,
        results=Results.open(folder),
    )


def check_tasks(comparison: Comparison) -> None:
    """Raises ValueError, naming the task, for one whose overrides training would refuse, with the baseline."""
    from mt.comparison.runs import Run
    from mt.training.assembly import Parts

    for task in comparison.tasks:
        run = Run(task, comparison.baseline, comparison.seeds[0], Path())
        try:
            Parts.of(composed("train", run.overrides))
        except ValueError as error:
            raise ValueError(f"tasks.{task.name}: {error}") from error


def cli() -> None:
    """The console script."""
    run_hydra(main, "compare_attention")


if __name__ == "__main__":
    cli()
