"""A plot of lengths: of sentences, of both sides of pairs, and their correlation along the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from mt.data.diagnosis.agreement import UNRELATED, Agreement

# Okabe and Ito's colours, distinguishable for colour-blind readers
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"


def draw_lengths(
    path: Path,
    *,
    title: str,
    codes: tuple[str, str],
    pieces: Sequence[np.ndarray],
    max_pieces: int,
    characters: tuple[np.ndarray, np.ndarray],
    agreement: Agreement,
) -> None:
    """Writes the plot; the suffix of `path` gives the format."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    figure.suptitle(title, parse_math=False)
    long, together, along = figure.subplots(1, 3)
    _draw_pieces(long, codes, pieces, max_pieces)
    _draw_both(together, codes, characters)
    _draw_parts(along, agreement)
    for axes in (long, together, along):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _draw_pieces(axes: Axes, codes: tuple[str, str], pieces: Sequence[np.ndarray], max_pieces: int) -> None:
    end = max(10, int(np.percentile(np.concatenate(pieces), 99.8)) + 1)
    width = -(-end // 60)  # whole pieces, the same for all bars
    edges = np.arange(0, end + width + 1, width) - 0.5
    for lengths, code, colour in zip(pieces, codes, (BLUE, ORANGE), strict=True):
        axes.hist(
            lengths, list(edges), weights=np.full(len(lengths), 100 / len(lengths) / width),
            histtype="step", color=colour, label=code, linewidth=1.5,
        )  # fmt: skip
    if max_pieces < end:
        axes.axvline(max_pieces, color=GREY, linestyle="--", linewidth=1)
        axes.text(max_pieces, axes.get_ylim()[1], " data.max_pieces", color=GREY, va="top")
    axes.set(xlabel="pieces in a sentence", ylabel="% of the sentences of a length", title="how long are sentences?")
    axes.set_xlim(0, end)
    axes.legend(frameon=False)


def _draw_both(axes: Axes, codes: tuple[str, str], characters: tuple[np.ndarray, np.ndarray]) -> None:
    source, target = (np.maximum(side, 1) for side in characters)
    axes.hexbin(source, target, gridsize=45, bins="log", xscale="log", yscale="log", mincnt=1, cmap="viridis")
    axes.set(
        xlabel=f"characters, {codes[0]}",
        ylabel=f"characters, {codes[1]}",
        title="every pair: a narrow band is good",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
        axis.set_minor_locator(NullLocator())


def _draw_parts(axes: Axes, agreement: Agreement) -> None:
    axes.set(
        xlabel="pair of train", ylabel="correlation of lengths", title="do the lines stay aligned?",
        ylim=(-0.35, 1.05),
    )  # fmt: skip
    axes.axhspan(-0.35, UNRELATED, color=ORANGE, alpha=0.12, linewidth=0)
    axes.text(0.02, 0.02, "misaligned", color=ORANGE, transform=axes.transAxes)
    if agreement.parts:
        axes.stairs(agreement.parts, agreement.starts, color=BLUE, linewidth=1.8, baseline=None)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
    axes.tick_params(axis="x", labelrotation=30)
