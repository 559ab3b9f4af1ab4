"""The picture of the results: bars for us and the others, a curve for every size."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, NullLocator
from targets import SPEED, speed_path

CURVES_A_ROW = 3
OURS, THEIRS = "#1f6f8b", "#c4c9cc"
AXES = {
    "model": ("parameters", "target tokens/s"),
    "length": ("target tokens a pair", "target tokens/s"),
    "batch": ("target tokens a batch, padded", "target tokens/s"),
    "vocabulary": ("pieces of the vocabulary", "target tokens/s"),
    "processes": ("processes", "target tokens/s"),
    "corpus": ("pairs of the corpus", "pairs prepared/s"),
}
NAMES = {"joeynmt": "JoeyNMT", "eole": "Eole", "transformers": "Hugging Face", "ctranslate2": "CTranslate2"}
Values = dict[str, list[float]]
Points = dict[float, list[float]]


def draw(bodies: Mapping[str, dict], path: Path) -> None:
    """Above, a panel of bars for each of training and decoding; below, a panel a curve."""
    found = {
        "training `small`, target tokens/s": training(bodies.get("training")),
        "decoding, beam 5, the same weights, sentences/s": decoding(bodies.get("decoding", {"runs": []})["runs"]),
    }
    bars = {title: values for title, values in found.items() if values}
    curves = points(bodies)
    rows = max((len(values) for values in bars.values()), default=0)
    curve_rows = -(-len(curves) // CURVES_A_ROW)
    heights = [0.7 + 0.26 * rows] * bool(bars) + [2.5 * curve_rows] * bool(curves)
    figure = plt.figure(figsize=(12, max(1, sum(heights))), layout="constrained")
    if not heights:  # only parts that are no picture
        figure.savefig(path, dpi=110)
        plt.close(figure)
        return
    parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if bars:
        panels = next(parts).subplots(1, len(bars), squeeze=False)[0]
        for panel, (title, values) in zip(panels, bars.items(), strict=True):
            draw_bars(panel, title, values)
            panel.set_ylim(len(values) - rows - 0.5, len(values) - 0.5)  # bars of one height in all panels
    if curves:
        panels = next(parts).subplots(curve_rows, min(len(curves), CURVES_A_ROW), squeeze=False).flat
        for (name, values), panel in zip(curves.items(), panels, strict=False):  # takes no panel too many
            draw_curve(panel, name, values)
        for panel in panels:  # places that are left over
            panel.set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def training(body: dict | None) -> Values:
    found: Values = {}
    for run in body["runs"] if body else ():
        malloc = "" if run["allocator"] == "system" else f", {run['allocator']}"
        name = f"{NAMES.get(run['tool'], run['tool'])} {run['precision']}{malloc}"
        found.setdefault(name, []).append(run[speed_path(body)])
    return found


def decoding(runs: list[dict]) -> Values:
    found: Values = {}
    for run in runs:
        name = f"{NAMES.get(run['engine'], run['engine'])} {run['precision']}"
        found.setdefault(name, []).append(run["beam"]["sentences_per_second"])
    return found


def points(bodies: Mapping[str, dict]) -> dict[str, Points]:
    """The values by curve and place on the axis."""
    found: dict[str, Points] = {}
    curves = bodies.get("curves")
    for run in curves["runs"] if curves else ():
        path = SPEED if run["curve"] == "processes" else speed_path(curves)
        found.setdefault(run["curve"], {}).setdefault(run["x"], []).append(run[path])
    for run in bodies.get("preparation", {"runs": []})["runs"]:
        if run["tool"] == "mt":
            found.setdefault("corpus", {}).setdefault(run["pairs"], []).append(run["pairs_per_second"])
    return found


def draw_bars(panel: Axes, title: str, values: Values) -> None:
    """A bar a name, the fastest above, ours in colour; a dot a round."""
    ordered = sorted(values.items(), key=lambda bar: statistics.median(bar[1]))
    medians = [statistics.median(each) for _, each in ordered]
    names = [name for name, _ in ordered]
    colors = [OURS if name.startswith("mt ") else THEIRS for name in names]
    bars = panel.barh(names, medians, color=colors, height=0.72)
    panel.bar_label(bars, labels=[f"{each:,.0f}" for each in medians], padding=8, fontsize=8)
    for row, (_, each) in enumerate(ordered):
        panel.plot(each, [row] * len(each), ".", color="black", markersize=3, alpha=0.6)
    for label in panel.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("mt ") else "normal")
    panel.tick_params(axis="y", length=0, labelsize=8)
    panel.set_xlim(0, 1.14 * max(max(each) for each in values.values()))
    panel.set_xticks([])
    panel.spines[:].set_visible(False)
    panel.set_title(title.replace("`", ""), fontsize=9, loc="left", fontweight="bold")


def draw_curve(panel: Axes, name: str, values: Points) -> None:
    """Medians joined, a dot a round; sizes on a logarithmic axis."""
    ordered = sorted(values.items())
    panel.plot(
        [x for x, _ in ordered], [statistics.median(ys) for _, ys in ordered], color=OURS, marker="o", markersize=4
    )
    for x, ys in ordered:
        panel.plot([x] * len(ys), ys, ".", color="black", markersize=3, alpha=0.6)
    panel.set_xscale("log")
    panel.set_xlabel(AXES[name][0], fontsize=8)
    panel.set_ylabel(AXES[name][1], fontsize=8)
    panel.set_ylim(0, 1.1 * max(max(ys) for ys in values.values()))
    panel.set_xticks([x for x, _ in ordered])
    panel.xaxis.set_major_formatter(EngFormatter(places=0, sep=""))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(EngFormatter(sep=""))
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)
