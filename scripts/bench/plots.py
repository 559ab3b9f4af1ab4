"""Pictures of the results."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import EngFormatter, NullLocator

OURS, THEIRS = "#1f6f8b", "#b8b8b8"
AXES = {
    "model": ("parameters", "target tokens/s"),
    "length": ("target tokens a pair", "target tokens/s"),
    "batch": ("target tokens a batch, padded", "target tokens/s"),
    "vocabulary": ("pieces of the vocabulary", "target tokens/s"),
    "corpus": ("pairs", "pairs prepared a second"),
}


def training(body: dict, path: Path) -> None:
    """Target tokens a second, a bar a tool, precision and allocator; a dot a round."""
    bars: dict[str, list[float]] = {}
    for run in body["runs"]:
        malloc = "" if run["allocator"] == "system" else f", {run['allocator']}"
        bars.setdefault(f"{run['tool']}, {run['precision']}{malloc}", []).append(run["target_tokens_per_second"])
    _bars(bars, "target tokens/s in training", path)


def decoding(body: dict, path: Path) -> None:
    """Sentences a second with beam 5."""
    bars: dict[str, list[float]] = {}
    for run in body["runs"]:
        if "beam" in run:
            bars.setdefault(f"{run['engine']}, {run['precision']}", []).append(run["beam"]["sentences_per_second"])
    _bars(bars, "sentences/s, beam 5, the same weights", path)


def curves(body: dict, path: Path) -> None:
    """A panel a curve; sizes grow on a logarithmic axis."""
    points: dict[str, dict[float, list[float]]] = {}
    for run in body["runs"]:
        points.setdefault(run["curve"], {}).setdefault(run["x"], []).append(run["y"])
    figure, panels = plt.subplots(1, len(points), figsize=(3.2 * len(points), 3), squeeze=False, layout="constrained")
    for panel, (curve, values) in zip(panels[0], points.items(), strict=True):
        ordered = sorted(values.items())
        panel.plot([x for x, _ in ordered], [statistics.median(ys) for _, ys in ordered], color=OURS, marker="o")
        for x, ys in ordered:
            panel.plot([x] * len(ys), ys, ".", color="black", markersize=3)
        panel.set(xscale="log", xlabel=AXES[curve][0], ylabel=AXES[curve][1])
        panel.set_ylim(0, 1.1 * max(max(ys) for _, ys in ordered))
        panel.set_xticks([x for x, _ in ordered])
        panel.xaxis.set_major_formatter(EngFormatter(places=0, sep=""))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(EngFormatter(sep=""))
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _bars(bars: dict[str, list[float]], label: str, path: Path) -> None:
    ordered = sorted(bars.items(), key=lambda bar: statistics.median(bar[1]))
    names = [name for name, _ in ordered]
    figure, panel = plt.subplots(figsize=(8, 0.9 + 0.3 * len(names)), layout="constrained")
    colors = [OURS if name.startswith("mt,") else THEIRS for name in names]
    panel.barh(names, [statistics.median(values) for _, values in ordered], color=colors)
    for row, (_, values) in enumerate(ordered):
        panel.plot(values, [row] * len(values), ".", color="black", markersize=4)
    panel.set_xlabel(label)
    panel.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
