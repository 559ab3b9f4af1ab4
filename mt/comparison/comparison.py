"""The results of a comparison: means over seeds, differences to the baseline, and which variant to choose."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mt.comparison.results import Results
from mt.comparison.runs import Task
from mt.comparison.variant import Variant

SIGNIFICANT = 0.05
NOTICEABLE = 0.05  # a cost counts as lower from this share on: timings are not more accurate
ROUNDING = 1e-5  # of the largest value, in float32: how far two ways to compute the same may differ
COSTS = {  # name: (what it is, unit, divisor)
    "train_seconds": ("training: forward and backward", "ms", 1e-3),
    "train_bytes": ("training: peak memory", "MiB", 2**20),
    "step_seconds": ("decoding: one more target position", "ms", 1e-3),
    "cache_bytes": ("decoding: cache", "MiB", 2**20),
}


@dataclass(frozen=True)
class Difference:
    """A variant against the baseline on one test set: means over seeds, and p of the paired bootstrap."""

    task: str
    test: str
    bleu: float
    chrf: float
    bleu_difference: float
    chrf_difference: float
    p: Mapping[str, float]  # of "bleu" and "chrf"; empty for the baseline itself


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The data of a report. `p_values` are those of `quality.paired`, keyed by "task/variant/test"."""

    baseline: Variant
    variants: Sequence[Variant]  # with the baseline
    tasks: Sequence[Task]
    seeds: Sequence[int]
    lengths: Sequence[int]
    tolerance: float  # BLEU
    results: Results
    p_values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def runs(self, task: Task, variant: Variant) -> list[Any]:
        """The finished runs of all seeds; empty if one of them is missing or failed."""
        found = [self.results.run(task.name, variant.name, seed) for seed in self.seeds]
        return found if all(run and "failed" not in run for run in found) else []

    def failure(self, task: Task, variant: Variant) -> str | None:
        """The error of the first failed run, if any."""
        runs = (self.results.run(task.name, variant.name, seed) for seed in self.seeds)
        return next((run["failed"] for run in runs if run and "failed" in run), None)

    def mean(self, task: Task, variant: Variant, *path: str) -> float | None:
        """The mean over seeds of the number at `path` in the runs; None where it is missing."""
        values = []
        for run in self.runs(task, variant):
            for key in path:
                run = run.get(key) if run is not None else None
            values.append(run)
        return statistics.fmean(values) if values and None not in values else None

    def speed(self, task: Task, variant: Variant, name: str) -> float | None:
        """A speed by `speeds.speeds_of`; None where it was not measured."""
        return self.results.speeds.get(task.name, {}).get("found", {}).get(variant.name, {}).get(name)

    def differences(self, variant: Variant) -> list[Difference]:
        """On every test set of every task that variant and baseline were trained on."""
        return [difference for task in self.tasks for difference in self._on(task, variant)]

    def is_eligible(self, variant: Variant) -> bool:
        """Whether it is exact, or its BLEU is known and on every test set at most `tolerance` below the baseline's."""
        found = self.differences(variant)
        return variant.is_exact or (
            bool(found) and all(difference.bleu_difference >= -self.tolerance for difference in found)
        )

    def slots(self) -> list[str]:
        """The slots of the variants, the baseline's first."""
        return list(dict.fromkeys([self.baseline.slot, *(variant.slot for variant in self.variants)]))

    def in_slot(self, slot: str) -> list[Variant]:
        """The variants of a slot, with the baseline's attention first."""
        others = [one for one in self.variants if one.slot == slot and one.name != self.baseline.name]
        return [in_slot(self.baseline, slot), *others]

    def is_measured_by_its_own_links(self, variant: Variant) -> bool:
        """Whether its alignments are measured by links of the kind that it trains with, not by gold links."""
        measured = [run["alignment"] for task in self.tasks for run in self.runs(task, variant)]
        return variant.knows_links and any(one and one["measured_on"] != "gold links" for one in measured)

    def machines(self) -> list[str]:
        """Where costs were measured."""
        return sorted({cost["how"]["machine"] for cost in self.results.costs.values() if "machine" in cost["how"]})

    def alone_in_slot(self, slot: str) -> list[Variant]:
        """Variants that differ only in the slot's attention, so can be measured alone; empty if only the baseline."""
        alone = [variant for variant in self.in_slot(slot) if not variant.overrides]
        return alone if len(alone) > 1 else []

    def cost(self, variant: Variant, length: int, name: str) -> float | None:
        """A number of COSTS, None where it could not be measured."""
        return (self.results.cost(variant.slot, variant.name, length) or {}).get(name)

    def is_measured(self, variant: Variant) -> bool:
        """Whether its costs, or the error of measuring them, are known at some length."""
        return any(self.results.cost(variant.slot, variant.name, length) for length in self.lengths)

    def greatest_difference(self, variant: Variant) -> float | None:
        """The largest difference, over lengths, between its results and the baseline's; None where not measured."""
        found = [self.cost(variant, length, "difference") for length in self.lengths]
        return max((value for value in found if value is not None), default=None)

    def crossover(self, variant: Variant, name: str) -> int | None:
        """The shortest length from which on the cost is noticeably below the baseline's at every length."""
        base, found = in_slot(self.baseline, variant.slot), None
        for length in sorted(self.lengths, reverse=True):
            own, other = self.cost(variant, length, name), self.cost(base, length, name)
            if own is None or (other is not None and own > other * (1 - NOTICEABLE)):
                break
            found = length
        return found

    def best_by_cost(self, slot: str, name: str) -> list[tuple[list[int], Variant]]:
        """The cheapest eligible variant at each length, runs of lengths with the same one together."""
        chosen: list[tuple[list[int], Variant]] = []
        base = in_slot(self.baseline, slot)
        eligible = [one for one in self.alone_in_slot(slot) if one.name == base.name or self.is_eligible(one)]
        for length in sorted(self.lengths):
            known = {one.name: cost for one in eligible if (cost := self.cost(one, length, name)) is not None}
            if not known:
                continue
            best = min(known, key=known.__getitem__)
            if base.name in known and known[best] > known[base.name] * (1 - NOTICEABLE):
                best = base.name
            variant = next(one for one in eligible if one.name == best)
            if chosen and chosen[-1][1].name == best:
                chosen[-1][0].append(length)
            else:
                chosen.append(([length], variant))
        return chosen

    def best_translation(self, slot: str) -> Variant:
        """The variant with the largest mean gain in BLEU that is significant on every test set; else the baseline."""
        best, gain = in_slot(self.baseline, slot), 0.0
        for variant in self.in_slot(slot)[1:]:
            found = self.differences(variant)
            is_sure = all(one.bleu_difference > 0 and one.p.get("bleu", 1.0) < SIGNIFICANT for one in found)
            if found and is_sure and self.is_eligible(variant) and not variant.is_exact:
                mean = statistics.fmean(one.bleu_difference for one in found)
                if mean > gain:
                    best, gain = variant, mean
        return best

    def best_alignment(self, slot: str) -> tuple[Variant, float] | None:
        """The eligible variant with the least alignment error, the mean over tasks."""
        rates = {}
        for variant in self.in_slot(slot):
            if variant.is_exact or self.is_measured_by_its_own_links(variant):
                continue
            trained = self.baseline if variant.name == self.baseline.name else variant
            found = [self.mean(task, trained, "alignment", "error_rate") for task in self.tasks]
            if None not in found and found and (trained is self.baseline or self.is_eligible(variant)):
                rates[variant.name] = statistics.fmean(rate for rate in found if rate is not None)
        if not rates:
            return None
        best = min(rates, key=rates.__getitem__)
        return next(one for one in self.in_slot(slot) if one.name == best), rates[best]

    def _on(self, task: Task, variant: Variant) -> Iterator[Difference]:
        base, own = self.runs(task, self.baseline), self.runs(task, variant)
        if not base or not own:
            return
        for test in own[0]["tests"]:
            values = {
                name: [statistics.fmean(run["tests"][test][name] for run in runs) for runs in (base, own)]
                for name in ("bleu", "chrf")
            }
            yield Difference(
                task.name,
                test,
                values["bleu"][1],
                values["chrf"][1],
                values["bleu"][1] - values["bleu"][0],
                values["chrf"][1] - values["chrf"][0],
                self.p_values.get(f"{task.name}/{variant.name}/{test}", {}),
            )


def in_slot(baseline: Variant, slot: str) -> Variant:
    """The baseline's attention in another slot, to be measured beside the others there."""
    return Variant(name=baseline.name, slot=slot, attention=baseline.attention, node=baseline.node)
