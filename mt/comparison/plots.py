"""The pictures of a report, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from mt.comparison.comparison import COSTS, SIGNIFICANT, Comparison
from mt.comparison.runs import Task
from mt.comparison.variant import Variant

BASELINE = "#1b2733"
SHADES = colormaps["tab20"]
MARKERS = "osD^vPX*<>"


def quality_plot(comparison: Comparison, task: Task) -> bytes:
    """Differences in BLEU to the baseline on each test set, one row per variant; filled markers are significant."""
    rows = [one for one in comparison.variants if one.name != comparison.baseline.name and comparison.runs(task, one)]
    figure = Figure(figsize=(8, 0.9 + 0.27 * max(1, len(rows))), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color=BASELINE, linewidth=1)
    axes.axvspan(-comparison.tolerance, 0, color="#e3e8ed", zorder=0)
    tests: list[str] = []
    for row, variant in enumerate(rows):
        for one in comparison.differences(variant):
            if one.task != task.name:
                continue
            if one.test not in tests:
                tests.append(one.test)
            number = tests.index(one.test)
            colour = SHADES(2 * number)
            is_sure = one.p.get("bleu", 1.0) < SIGNIFICANT
            axes.plot(
                one.bleu_difference,
                row + 0.12 * number,
                MARKERS[number % len(MARKERS)],
                color=colour,
                markerfacecolor=colour if is_sure else "white",
                label=one.test if row == 0 else None,
            )
    axes.set_yticks(range(len(rows)), [one.name for one in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"BLEU against {comparison.baseline.name} ({task.name}; filled: p < {SIGNIFICANT:g})")
    if rows:
        axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)


def cost_plot(comparison: Comparison, slot: str, variants: Sequence[Variant]) -> bytes:
    """One panel per cost, over length, both logarithmic."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, 2)
    for axes, (name, (what, unit, divisor)) in zip(panels.flat, COSTS.items(), strict=True):
        for number, variant in enumerate(variants):
            points = [
                (length, cost / divisor)
                for length in comparison.lengths
                if (cost := comparison.cost(variant, length, name)) is not None
            ]
            if points:
                is_base = variant.name == comparison.baseline.name
                axes.plot(
                    *zip(*points, strict=True),
                    color=BASELINE if is_base else SHADES(number % 20),
                    linewidth=2.4 if is_base else 1.2,
                    marker=MARKERS[number % len(MARKERS)],
                    markersize=4,
                    label=variant.name,
                )
        axes.set(xscale="log", yscale="log", title=what, ylabel=unit, xlabel="source and target positions")
        axes.set_xticks(list(comparison.lengths))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    return svg(figure)


def svg(figure: Figure) -> bytes:
    """The picture of a figure, without the time at which it was drawn."""
    output = io.BytesIO()
    figure.savefig(output, format="svg", metadata={"Date": None})
    return output.getvalue()
