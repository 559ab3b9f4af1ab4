"""The map of models: as Markdown, as CSV, and as one HTML page with the front drawn."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

from mt.comparison.blocks import Block, Table, as_markdown, as_page
from mt.comparison.model_turn import MODES
from mt.comparison.models import Measured, front, points
from mt.comparison.plots import BASELINE, MARKERS, SHADES, svg

TITLE = "Models, compared"


def markdown(found: Sequence[Measured], about: str) -> str:
    """The report without its picture."""
    return as_markdown(_blocks(found, about))


def page(found: Sequence[Measured], about: str) -> str:
    """One self-contained HTML page."""
    return as_page(TITLE, _blocks(found, about))


def as_csv(found: Sequence[Measured]) -> str:
    """A row for each model and search."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    on_front = {(point.name, point.mode) for point in front(points(found))}
    heads = ["model", "search", "megabytes", "parameters", "sentences_per_second", "one_at_a_time_per_second"]
    heads += ["cold_seconds", "peak_mib", "bleu", "p_bleu", "chrf", "p_chrf", "aer", "on_front"]
    writer.writerow(heads)
    for one in found:
        for mode in MODES:
            scores, name = one.scores[mode], one.entry.name
            speeds = [one.number(f"{mode}_per_second"), one.number(f"one_{mode}_per_second")]
            costs = [f"{one.number('cold_seconds'):.3f}", f"{one.number('peak_mib'):.0f}"]
            quality = [scores.get(key, "") for key in ("bleu", "p_bleu", "chrf", "p_chrf")]
            error = "" if one.alignment_error is None else round(one.alignment_error, 4)
            row = [name, mode, round(one.megabytes, 2), one.parameters or "", *(round(speed, 2) for speed in speeds)]
            writer.writerow([*row, *costs, *quality, error, (name, mode) in on_front])
    return text.getvalue()


def _blocks(found: Sequence[Measured], about: str) -> Iterator[Block]:
    on_front = {(point.name, point.mode) for point in front(points(found))}
    yield f"# {TITLE}"
    yield about
    heads = ["model", "MB", "parameters, millions", "cold start, s", "peak memory, MiB", "AER, %"]
    rows = [
        [
            one.entry.name,
            f"{one.megabytes:.2f}",
            "-" if one.parameters is None else f"{one.parameters / 1e6:.2f}",
            f"{one.number('cold_seconds'):.2f}",
            f"{one.number('peak_mib'):.0f}",
            "-" if one.alignment_error is None else f"{100 * one.alignment_error:.1f}",
        ]
        for one in found
    ]
    yield Table(heads, rows)
    for mode, size in MODES.items():
        yield f"## {'Greedy' if size == 1 else f'Beam {size}'}"
        heads = ["model", "sentences/s", "one at a time", "times the first", "BLEU", "p", "chrF2", "p", "on the front"]
        yield Table(heads, [_row(one, found[0], mode, (one.entry.name, mode) in on_front) for one in found])
    yield "## The front"
    yield "What no other point beats, by sentences a second (logarithmic) and BLEU: filled, and joined by a line."
    yield partial(front_plot, found)


def _row(one: Measured, first: Measured, mode: str, is_on_front: bool) -> list[str]:
    scores, speed = one.scores[mode], one.number(f"{mode}_per_second")
    p = {name: f"{scores[f'p_{name}']:.3f}" if f"p_{name}" in scores else "-" for name in ("bleu", "chrf")}
    return [
        one.entry.name,
        f"{speed:.1f}",
        f"{one.number(f'one_{mode}_per_second'):.1f}",
        f"{speed / first.number('beam_per_second'):.2f}",
        f"{scores['bleu']:.2f}",
        p["bleu"],
        f"{scores['chrf']:.2f}",
        p["chrf"],
        "yes" if is_on_front else "",
    ]


def front_plot(found: Sequence[Measured]) -> bytes:
    """BLEU over sentences a second, with the front; SVG."""
    every = points(found)
    best = front(every)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([point.speed for point in best], [point.bleu for point in best], color=BASELINE, linewidth=1)
    names = [one.entry.name for one in found]
    for point in every:
        number = names.index(point.name)
        colour = SHADES(number % 20)
        axes.plot(
            point.speed,
            point.bleu,
            MARKERS[number % len(MARKERS)],
            color=colour,
            markerfacecolor=colour if point in best else "white",
            label=point.name if point.mode == "beam" else None,
        )
        axes.annotate(point.mode, (point.speed, point.bleu), textcoords="offset points", xytext=(5, 4), fontsize=7)
    axes.set(xscale="log", xlabel="sentences a second, one core", ylabel="BLEU")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)
