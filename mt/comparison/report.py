"""The report of a comparison: as Markdown, as CSV (a measured value a line), and as one HTML page with plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial

from mt.comparison.blocks import Block, Table, as_markdown, as_page
from mt.comparison.comparison import COSTS, NOTICEABLE, ROUNDING, SIGNIFICANT, Comparison
from mt.comparison.plots import cost_plot, quality_plot
from mt.comparison.runs import Task
from mt.comparison.variant import Variant
from mt.evaluation.scores import metric_name

NONE = "-"
MAPS = ("entropy", "sparsity", "sink_mass")
SPEEDS = ("training_tokens_per_second", "sentences_per_second")


def markdown(comparison: Comparison) -> str:
    """The whole report without its plots."""
    return as_markdown(_blocks(comparison))


def page(comparison: Comparison) -> str:
    """One self-contained HTML page."""
    return as_page("Variants of attention, compared", _blocks(comparison))


def values_as_csv(comparison: Comparison) -> str:
    """Every measured value, one a line: part, task, test, slot, variant, seed, length, measure, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["part", "task", "test", "slot", "variant", "seed", "length", "measure", "value"])
    for task in comparison.tasks:
        for variant in comparison.variants:
            for seed in comparison.seeds:
                run = comparison.results.run(task.name, variant.name, seed)
                if not run or "failed" in run:
                    continue
                about = [variant.slot, variant.name, seed, ""]
                for test, scores in run["tests"].items():
                    for name, value in scores.items():
                        writer.writerow(["run", task.name, test, *about, name, value])
                for name, value in _numbers(run):
                    writer.writerow(["run", task.name, "", *about, name, value])
    for task in comparison.tasks:
        for variant in comparison.variants:
            for name in SPEEDS:
                if (value := comparison.speed(task, variant, name)) is not None:
                    writer.writerow(["speed", task.name, "", variant.slot, variant.name, "", "", name, value])
    for slot in comparison.slots():
        for variant in comparison.alone_in_slot(slot):
            for length in comparison.lengths:
                for name in (*COSTS, "difference"):
                    value = comparison.cost(variant, length, name)
                    if value is not None:
                        writer.writerow(["cost", "", "", slot, variant.name, "", length, name, value])
    return text.getvalue()


def _numbers(run: dict) -> Iterator[tuple[str, float]]:
    yield from ((name, run[name]) for name in ("parameters", "updates", "peak_memory_mib"))
    if run["alignment"]:
        yield "alignment_error_rate", run["alignment"]["error_rate"]
    yield from ((f"attention_{name}", value) for name, value in run["maps"].items())


def _blocks(comparison: Comparison) -> Iterator[Block]:
    yield "# Variants of attention, compared"
    seeds = ", ".join(map(str, comparison.seeds))
    yield (
        f"Every variant was trained alike, with seed {seeds}, in one slot of the model; the other slots have"
        f" {comparison.baseline.name}. All numbers were measured."
    )
    yield from _recommendation(comparison)
    for task in comparison.tasks:
        yield from _task(comparison, task)
    yield from _costs(comparison)


def _recommendation(comparison: Comparison) -> Iterator[Block]:
    base = comparison.baseline.name
    yield "## What to choose"
    yield (
        f"A variant is eligible if its BLEU is at most {comparison.tolerance:g} below that of {base} on every test set."
        f" For translation: the eligible variant with the largest mean gain in BLEU, among those whose gain is"
        f" significant on every test set (p < {SIGNIFICANT:g}, over sentences, without the chance of training), so that"
        f" one lucky difference among many decides nothing. For alignments: the one with the lowest error rate. For a"
        f" cost: the cheapest at each length, if it is at least {NOTICEABLE:.0%} cheaper than {base}. Otherwise {base}."
    )
    rows = []
    for slot in comparison.slots():
        rows.append([slot, "translation", comparison.best_translation(slot).name])
        best = comparison.best_alignment(slot)
        rows.append([slot, "alignment", f"{best[0].name} (error rate {best[1]:.1f} %)" if best else NONE])
        for name, (what, _, _) in COSTS.items():
            chosen = comparison.best_by_cost(slot, name)
            if not chosen:
                continue
            rows.append([slot, what, "; ".join(f"{_span(lengths)}: {one.name}" for lengths, one in chosen)])
    yield Table(["slot", "purpose", "choice"], rows)
    left = [one.name for one in comparison.variants if comparison.differences(one) and not comparison.is_eligible(one)]
    if left:
        yield f"Not eligible: {', '.join(left)}."
    unmeasured = [one.name for one in comparison.variants if comparison.is_measured_by_its_own_links(one)]
    if unmeasured:
        yield (
            f"Not considered for alignments: {', '.join(unmeasured)}. They train with links of the kind that measures"
            f" alignments here."
        )
    yield from _exact_variants(comparison)


def _exact_variants(comparison: Comparison) -> Iterator[Block]:
    base = comparison.baseline.name
    for variant in comparison.variants:
        if not variant.is_exact:
            continue
        if (found := comparison.greatest_difference(variant)) is not None:
            verdict = "which is rounding" if found <= ROUNDING else "which is more than rounding"
            yield (
                f"The results of {variant.name} differ from those of {base} by at most {found:.1e} of the largest"
                f" value, {verdict} ({ROUNDING:g})."
            )
        if differences := comparison.differences(variant):
            measured = ", ".join(f"{one.bleu_difference:+.2f} ({one.task}, {one.test})" for one in differences)
            yield (
                f"{variant.name} computes what {base} does, up to rounding, so it is always eligible for costs. Its"
                f" difference in BLEU is chance of training alone: {measured}. The p values here come from the"
                f" sentences of a test set; only more seeds show the chance of training."
            )


def _task(comparison: Comparison, task: Task) -> Iterator[Block]:
    trained = [variant for variant in comparison.variants if comparison.runs(task, variant)]
    if not trained:
        failure = comparison.failure(task, comparison.baseline)
        yield f"## Trained on {task.name}"
        yield f"Not measured{f': {failure}' if failure else ''}."
        return
    yield f"## Trained on {task.name}"
    yield f"`python -m mt.train {' '.join(task.overrides)}`"
    yield partial(quality_plot, comparison, task)
    tests = list(comparison.runs(task, comparison.baseline or trained[0])[0]["tests"]) if trained else []
    heads = ["variant", "slot"]
    for test in tests:
        heads += [f"BLEU {test}", "difference", "p", "chrF", "difference", "p"]
    rows = []
    for variant in trained:
        found = {one.test: one for one in comparison.differences(variant) if one.task == task.name}
        row = [variant.name, variant.slot]
        for test in tests:
            one = found[test]
            row += [f"{one.bleu:.2f}", f"{one.bleu_difference:+.2f}", _p(one.p, "bleu")]
            row += [f"{one.chrf:.2f}", f"{one.chrf_difference:+.2f}", _p(one.p, "chrf")]
        rows.append(row)
    yield Table(heads, rows)
    yield from _signatures(comparison, task, trained)
    heads = ["variant", "alignment error %"]
    for what in ("training tokens/s", "sentences/s"):
        heads += [what, "of the baseline's"]
    heads += ["peak MiB", "parameters", "entropy, nats", "sparsity", "sink mass"]
    rows = []
    for variant in trained:
        rows.append(
            [
                variant.name,
                _number(comparison.mean(task, variant, "alignment", "error_rate"), 1),
                *(cell for name in SPEEDS for cell in _speed(comparison, task, variant, name)),
                _number(comparison.mean(task, variant, "peak_memory_mib"), 0),
                _number(comparison.mean(task, variant, "parameters"), 0),
                *(_number(comparison.mean(task, variant, "maps", name), 3) for name in MAPS),
            ]
        )
    yield Table(heads, rows)
    first = comparison.runs(task, trained[0])[0]["alignment"]
    if first:
        yield f"Alignment error: on the {first['set']} set, by {first['measured_on']}. Maps: means of layers and heads."
    if comparison.speed(task, trained[0], SPEEDS[0]):
        yield "Speeds: all runs take turns; the median of the turns. Sentences: with the search of the run."
    for variant in comparison.variants:
        failure = comparison.failure(task, variant)
        if failure:
            yield f"{variant.name} failed: {failure}"


def _signatures(comparison: Comparison, task: Task, trained: Sequence[Variant]) -> Iterator[Block]:
    """The signatures of the scores, each once; runs of older versions have none."""
    found: dict[str, list[str]] = {}
    for variant in trained:
        for run in comparison.runs(task, variant):
            for test, signatures in run.get("signatures", {}).items():
                for name, signature in signatures.items():
                    found.setdefault(f"{metric_name(name)} `{signature}`", []).append(test)
    if found:
        named = (f"{one} ({', '.join(dict.fromkeys(tests))})" for one, tests in found.items())
        yield f"Scores: {'; '.join(named)}."


def _speed(comparison: Comparison, task: Task, variant: Variant, name: str) -> tuple[str, str]:
    """The speed, and the ratio to the baseline's."""
    own, base = (comparison.speed(task, one, name) for one in (variant, comparison.baseline))
    return _number(own, 0), _number(own / base if own and base else None, 2)


def _costs(comparison: Comparison) -> Iterator[Block]:
    for slot in comparison.slots():
        measured = [one for one in comparison.alone_in_slot(slot) if comparison.is_measured(one)]
        if not measured:
            continue
        yield f"## Cost of one layer's {slot}, by length"
        where = "; ".join(comparison.machines())
        yield (
            f"One sentence with as many target as source positions, float32; the mixer alone, without projections."
            f"{f' Measured on: {where}.' if where else ''}"
        )
        yield partial(cost_plot, comparison, slot, measured)
        for name, (what, unit, divisor) in COSTS.items():
            rows = []
            for variant in measured:
                values = [comparison.cost(variant, length, name) for length in comparison.lengths]
                if any(value is not None for value in values):
                    crossing = comparison.crossover(variant, name)
                    cells = [_significant(None if value is None else value / divisor) for value in values]
                    is_base = variant.name == comparison.baseline.name
                    rows.append([variant.name, *cells, NONE if is_base or not crossing else f"{crossing:,}"])
            if rows:
                lengths = [f"{length:,}" for length in comparison.lengths]
                yield f"### {what}, {unit}"
                yield Table(["variant", *lengths, f"below {comparison.baseline.name} from"], rows)
        for variant in measured:
            for length in comparison.lengths:
                found = comparison.results.cost(slot, variant.name, length) or {}
                if "failed" in found:
                    yield f"{variant.name} at {length:,}: {found['failed']}"


def _span(lengths: Sequence[int]) -> str:
    return f"{lengths[0]:,}" if len(lengths) == 1 else f"{lengths[0]:,} to {lengths[-1]:,}"


def _p(p: object, name: str) -> str:
    value = p.get(name) if hasattr(p, "get") else None
    return NONE if value is None else f"{value:.3f}"


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _significant(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
