"""Compares variants of attention: trains each alike, times them in turns, measures each alone, and writes one report.

    python -m mt.compare_attention                                 every variant, on what comes with the project
    python -m mt.compare_attention seeds=[1,2,3] '~variants.local'
    python -m mt.compare_attention jobs=2                          two trainings at once, each with half of the cores
    python -m mt.compare_attention parts=[costs,report]            without training
    python -m mt.compare_attention 'tasks=[bundled,multi30k,documents]'     image captions, too, from data.folder

What is measured is kept, and the same command goes on from there. In folder: report.md, report.html, report.csv,
results.json, and the runs, each a checkpoint like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mt.command_line import config_folder, did_you_mean, run_hydra

if TYPE_CHECKING:
    from mt.comparison.comparison import Comparison

log = logging.getLogger("mt.compare_attention")

PARTS = ("train", "speeds", "costs", "report")


def main(settings: dict[str, Any]) -> None:
    """Trains, measures and reports what `settings` name. Raises ValueError for what cannot be, before anything runs."""
    from mt.checkpoint.rebuild import build
    from mt.comparison.measuring import bootstrap_all, measure_all, time_all, train_all
    from mt.comparison.report import markdown, page, values_as_csv
    from mt.comparison.results import Results
    from mt.data.lock import lock
    from mt.data.whole_folder import remove_unfinished, write_whole
    from mt.device import choose_device

    for part in settings["parts"]:
        if part not in PARTS:
            raise ValueError(f"parts ({part}) must be among {', '.join(PARTS)}{did_you_mean(part, PARTS)}")
    if settings["jobs"] < 1:
        raise ValueError(f"jobs ({settings['jobs']}) must be at least 1")
    speeds, costs, folder = build(settings["speeds"]), build(settings["costs"]), Path(settings["folder"])
    comparison = comparison_of(settings, costs.lengths, folder)
    for variant in comparison.variants:
        variant.make_mixer(costs.num_heads, costs.head_size)  # what is refused is refused before hours of training
    choose_device(costs.device)
    folder.mkdir(parents=True, exist_ok=True)
    held = lock(folder)
    remove_unfinished(folder)  # left by a process that was killed
    comparison = replace(comparison, results=Results.open(folder))  # what another process measured until now
    if "train" in settings["parts"]:
        train_all(comparison, folder, settings["jobs"])
    if "speeds" in settings["parts"]:
        time_all(comparison, speeds, folder)
    if "costs" in settings["parts"]:
        measure_all(comparison, costs)
    if "report" in settings["parts"]:
        comparison = replace(comparison, p_values=bootstrap_all(comparison, folder))
        write_whole(folder / "report.csv", values_as_csv(comparison))
        write_whole(folder / "report.html", page(comparison))
        write_whole(folder / "report.md", text := markdown(comparison))
        print(text)
        log.info("%s: the same with plots", folder / "report.html")
    del held


def comparison_of(settings: Mapping[str, Any], lengths: list[int], folder: Path) -> Comparison:
    """The comparison that settings describe, with what was measured in `folder` before."""
    from mt.comparison.comparison import Comparison
    from mt.comparison.results import Results
    from mt.comparison.runs import Task
    from mt.comparison.variant import Variant

    variants = {}
    for name, node in settings["variants"].items():
        path = config_folder() / "attention" / f"{node['attention']}.yaml"
        if not path.is_file():
            known = sorted(other.stem for other in path.parent.glob("*.yaml"))
            raise ValueError(f"variants.{name}.attention ({node['attention']}) must be one of {', '.join(known)}")
        variants[name] = Variant(name=name, node=yaml.safe_load(path.read_text("utf-8")), **node)
    if settings["baseline"] not in variants:
        raise ValueError(f"baseline ({settings['baseline']}) must be one of the variants: {', '.join(variants)}")
    seeds = settings["seeds"]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds ({seeds}) must be one or more, each once")
    baseline = variants.pop(settings["baseline"])
    return Comparison(
        baseline=baseline,
        variants=[baseline, *variants.values()],
        tasks=[Task(name=name, **node) for name, node in settings["tasks"].items()],
        seeds=seeds,
        lengths=sorted(lengths),
        tolerance=settings["tolerance"],
        results=Results.open(folder),
    )


def cli() -> None:
    """The console script."""
    run_hydra(main, "compare_attention")


if __name__ == "__main__":
    cli()
