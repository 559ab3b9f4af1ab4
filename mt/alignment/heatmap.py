"""Pictures of alignments: PNG and SVG, one map or a grid of them. The only file that draws."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import ft2font
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mt.alignment.alignment import Alignment, describe_heads, describe_row
from mt.alignment.fonts import families_for
from mt.alignment.gold import Gold
from mt.alignment.links import Link
from mt.alignment.right_to_left import visual_order

FORMATS = ("png", "svg")
# white to navy in even steps of lightness (CIE L* 99 to 15), so that twice as dark is twice the weight for every eye
COLOURS = ("#fcfcfc", "#d4e3f2", "#a9cce6", "#7db4da", "#559cca", "#3583b7", "#206aa0", "#135286", "#0b3a6b", "#06254d")
WEIGHTS = LinearSegmentedColormap.from_list("weights", COLOURS)
SURE, POSSIBLE = "#d55e00", "#e69f00"  # vermilion and orange of Okabe and Ito: apart from blue for every eye
INK, FAINT = "#1a1a1a", "#6b6b6b"
LONGEST_LABEL = 28  # characters; the JSON has them whole
LONG_SENTENCE = 25  # tokens from which labels stand on both sides
MAX_PIXELS = 12_000  # on a side of a PNG; very long sentences get fewer dots an inch
MANY_CELLS = 10_000  # of a map: more than that are a picture in an SVG, and a PNG of them is packed less tightly
MAX_PIXELS_IN_SVG = 4_000  # on a side of such a picture
NARROWEST = 4.0  # inches that a title may take over a narrow picture
POINTS = 72  # in an inch
SHAPES_TEXT = bool(getattr(ft2font, "__libraqm_version__", None))


@dataclass(frozen=True, kw_only=True)
class Style:
    """Sizes in inches and points."""

    cell: float = 0.27
    label_points: float = 9.0
    title_points: float = 9.5
    gap: float = 0.42  # between the maps of a grid
    dots_an_inch: int = 160


ONE = Style()
GRID = Style(cell=0.15, label_points=6.5, title_points=9.5, dots_an_inch=140)


def save_heatmap(
    alignment: Alignment,
    stem: str | Path,
    *,
    formats: Iterable[str] = FORMATS,
    title: str = "",
    gold: Gold | None = None,
    links: Iterable[Link] = (),
) -> list[Path]:
    """Draws one alignment to `stem`.png and/or `stem`.svg: source across, target down, darker is more weight.

    Above it: `title`, then layer, heads, shift, direction and sink mass. `links` get a dot, `gold` links an outline
    (sure solid, possible dashed). The picture grows with the sentence, its labels stay as large. SVG text is text.
    """
    return _save([[alignment]], stem, formats, ONE, title, gold, tuple(links))


def save_grid(
    alignments: Sequence[Sequence[Alignment]],
    stem: str | Path,
    *,
    formats: Iterable[str] = FORMATS,
    title: str = "",
    gold: Gold | None = None,
) -> list[Path]:
    """The same for many alignments of one sentence pair, in rows and columns, on one colour scale."""
    return _save(alignments, stem, formats, GRID, title, gold, ())


def shown(token: str, *, right_to_left: Callable[[str], str] = str) -> str:
    """A token as a label: unprintable characters become U+FFFD, long labels end in an ellipsis."""
    printable = _printable(token)
    if len(printable) > LONGEST_LABEL:
        printable = printable[: LONGEST_LABEL - 1] + "…"
    return right_to_left(printable)


def _printable(text: str) -> str:
    return "".join("\ufffd" if unicodedata.category(letter) in _UNPRINTABLE else letter for letter in text)


_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})  # control, surrogate, unassigned, line and paragraph ends


def _save(
    rows: Sequence[Sequence[Alignment]],
    stem: str | Path,
    formats: Iterable[str],
    style: Style,
    title: str,
    gold: Gold | None,
    links: tuple[Link, ...],
) -> list[Path]:
    first, paths = rows[0][0], []
    families = families_for([title, *first.source_pieces, *first.target_pieces])
    settings: dict[Any, Any] = {
        "font.family": [*families, "sans-serif"],  # the last is for viewers of the SVG without these fonts
        "font.sans-serif": families[:1],
        "svg.fonttype": "none",
        "svg.hashsalt": "alignment",  # with no date: the same alignment gives the same file
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # said once, by script, in families_for
        for format in formats:
            right_to_left = visual_order if format == "png" and not SHAPES_TEXT else str
            figure, box = _draw(rows, style, title, gold, links, right_to_left)
            most = MAX_PIXELS if format == "png" else MAX_PIXELS_IN_SVG
            dots = min(style.dots_an_inch, int(most / max(box.width, box.height)))
            path = Path(f"{stem}.{format}")
            own: dict[str, Any] = {"metadata": {"Date": None}} if format == "svg" else {}
            if format == "png" and first.weights_TS.size > MANY_CELLS:
                own["pil_kwargs"] = {"compress_level": 1}
            figure.savefig(path, format=format, dpi=dots, bbox_inches=box, facecolor="white", **own)
            paths.append(path)
    return paths


def _draw(
    rows: Sequence[Sequence[Alignment]],
    style: Style,
    title: str,
    gold: Gold | None,
    links: tuple[Link, ...],
    right_to_left: Callable[[str], str],
) -> tuple[Figure, Bbox]:
    """The figure, and the box in inches around all of it: maps have a fixed size, labels are outside them."""
    first, is_grid = rows[0][0], len(rows) * len(rows[0]) > 1
    source = [shown(token, right_to_left=right_to_left) for token in first.source_pieces]
    target = [shown(token, right_to_left=right_to_left) for token in first.target_pieces]
    width, height = max(len(source), 1) * style.cell, max(len(target), 1) * style.cell
    num_columns, pitch = max(len(row) for row in rows), width + style.gap
    if is_grid:  # room for the title above a narrow map
        longest = max(_ems(_panel_title(alignment)) for row in rows for alignment in row)
        pitch = max(pitch, longest * style.label_points / POINTS)
    whole = ((num_columns - 1) * pitch + width, len(rows) * (height + style.gap) - style.gap)
    figure = Figure(figsize=whole, dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()

    for down, row in enumerate(rows):
        for across, alignment in enumerate(row):
            left, top = across * pitch, whole[1] - down * (height + style.gap)
            axes = figure.add_axes((left / whole[0], (top - height) / whole[1], width / whole[0], height / whole[1]))
            _draw_map(axes, alignment, style, gold, links)
            if across == 0:
                _label_rows(axes, target, style, left=True)
            if across == len(row) - 1 and len(target) > LONG_SENTENCE:
                _label_rows(axes, target, style, left=False)
            if down == 0:
                _label_columns(axes, source, style, top=True, lift=12 if is_grid else 0)
            if down == len(rows) - 1 and len(source) > LONG_SENTENCE:
                _label_columns(axes, source, style, top=False)
            if is_grid:
                _write_over_map(axes, _panel_title(alignment), style)

    box = figure.get_tightbbox(renderer)
    _draw_key(figure, (box.y0 - 0.06) / whole[1], gold, links)
    # labels on the right push the scale away; labels on top may reach above it
    _draw_scale(figure, max(box.x1, whole[0]) if len(target) > LONG_SENTENCE else whole[0], whole, height)
    box = _with_new(figure, box, renderer)
    _write_title(figure, rows, title, box, whole, style, right_to_left)
    return figure, _with_new(figure, box, renderer).padded(0.08)


def _with_new(figure: Figure, box: Bbox, renderer: RendererAgg) -> Bbox:
    """The box, extended by what was drawn since: hundreds of labels are not measured again."""
    new = [*figure.legends, *figure.texts, *figure.axes[-1].texts]  # the last axes are the scale's
    return Bbox.union([box, figure.get_tightbbox(renderer, bbox_extra_artists=new)])


def _draw_map(axes: Axes, alignment: Alignment, style: Style, gold: Gold | None, links: tuple[Link, ...]) -> None:
    num_target, num_source = alignment.weights_TS.shape
    if alignment.weights_TS.size:
        axes.pcolormesh(
            np.arange(num_source + 1), np.arange(num_target + 1), alignment.weights_TS,
            cmap=WEIGHTS, vmin=0, vmax=1, edgecolors="#e4e7ea", linewidth=0.4, antialiased=True,
            rasterized=alignment.weights_TS.size > MANY_CELLS,
        )  # fmt: skip
    axes.set(xlim=(0, max(num_source, 1)), ylim=(max(num_target, 1), 0), xticks=(), yticks=())
    for spine in axes.spines.values():
        spine.set(color="#9aa0a6", linewidth=0.6)
    unit = style.cell * POINTS
    sure, possible = (gold.sure, gold.possible) if gold else (set(), set())
    for link in sorted(possible):
        is_sure = link in sure
        axes.add_patch(
            Rectangle(
                (link[0] + 0.08, link[1] + 0.08), 0.84, 0.84, fill=False, clip_on=False, zorder=3,
                edgecolor=SURE if is_sure else POSSIBLE, linewidth=unit * 0.09,
                linestyle="-" if is_sure else (0, (1.6, 1.2)),
            )
        )  # fmt: skip
    for source, target in links:
        axes.plot(
            source + 0.5, target + 0.5, "o", markersize=unit * 0.24, markeredgewidth=unit * 0.04,
            markerfacecolor="white", markeredgecolor=INK, zorder=4, clip_on=False,
        )  # fmt: skip


def _label_rows(axes: Axes, labels: Sequence[str], style: Style, *, left: bool) -> None:
    for at, label in enumerate(labels):
        axes.annotate(
            label, (0 if left else 1, at + 0.5), xycoords=("axes fraction", "data"),
            xytext=(-4 if left else 4, 0), textcoords="offset points", ha="right" if left else "left", va="center",
            fontsize=style.label_points, color=INK, parse_math=False, annotation_clip=False,
        )  # fmt: skip


def _label_columns(axes: Axes, labels: Sequence[str], style: Style, *, top: bool, lift: float = 0) -> None:
    is_short = max((_ems(label) for label in labels), default=0) * style.label_points < style.cell * POINTS * 0.85
    rotation = 0 if is_short else 45 if len(labels) <= LONG_SENTENCE and style is ONE else 90
    for at, label in enumerate(labels):
        axes.annotate(
            label, (at + 0.5, 1 if top else 0), xycoords=("data", "axes fraction"),
            xytext=(0, 4 + lift if top else -4), textcoords="offset points",
            rotation=rotation, rotation_mode="anchor",
            ha="center" if is_short else "left" if top else "right",
            va=("bottom" if top else "top") if is_short else "center",
            fontsize=style.label_points, color=INK, parse_math=False, annotation_clip=False,
        )  # fmt: skip


def _ems(label: str) -> float:
    """The approximate width of a label in ems: East Asian letters are square."""
    return sum(1 if unicodedata.east_asian_width(letter) in "WF" else 0.62 for letter in label)


def _fit(text: Text, words: str, inches: float, right_to_left: Callable[[str], str]) -> None:
    """Writes as much of `words` as fits, with an ellipsis if it is cut."""
    text.set_text(right_to_left(words))
    figure = text.get_figure()
    assert figure is not None
    width = text.get_window_extent().width / figure.dpi
    if width > inches:
        text.set_text(right_to_left(words[: int(len(words) * inches / width) - 2].rstrip() + "…"))


def _panel_title(alignment: Alignment) -> str:
    return f"layer {alignment.layer}, {describe_heads(alignment.heads)}, sink {alignment.sink_mass:.2f}"


def _write_over_map(axes: Axes, text: str, style: Style) -> None:
    axes.annotate(
        text, (0, 1), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points",
        fontsize=style.label_points, color=FAINT, ha="left", va="bottom", annotation_clip=False,
    )  # fmt: skip


def _draw_key(figure: Figure, top: float, gold: Gold | None, links: tuple[Link, ...]) -> None:
    """What outlines and dots mean, below the maps."""
    marks: list[Artist] = []
    if links:
        marks.append(Line2D([], [], marker="o", ls="", mfc="white", mec=INK, ms=5, label="link"))
    if gold:
        marks.append(Line2D([], [], marker="s", ls="", mfc="none", mec=SURE, mew=1.6, ms=8, label="gold, sure"))
        if gold.possible - gold.sure:
            outline = Rectangle((0, 0), 1, 1, fill=False, edgecolor=POSSIBLE, linewidth=1.6, linestyle=(0, (1.6, 1.2)))
            outline.set_label("gold, possible")
            marks.append(outline)
    if marks:
        figure.legend(
            handles=marks, loc="upper left", bbox_to_anchor=(0, top), ncols=len(marks),
            frameon=False, fontsize=8, labelcolor=FAINT, borderpad=0, borderaxespad=0, columnspacing=1.4,
            handletextpad=0.5, handlelength=1.2, handleheight=1.1,
        )  # fmt: skip


def _draw_scale(figure: Figure, right: float, whole: tuple[float, float], height: float) -> None:
    """The colour scale, right of the uppermost map, always 0 to 1: a colour is the same weight everywhere."""
    size = min(max(height, 0.7), 1.8)
    axes = figure.add_axes(((right + 0.16) / whole[0], 1 - size / whole[1], 0.09 / whole[0], size / whole[1]))
    scale = figure.colorbar(ScalarMappable(Normalize(0, 1), WEIGHTS), cax=axes, ticks=())
    scale.outline.set(color="#9aa0a6", linewidth=0.5)
    for weight in (0, 0.5, 1):
        axes.annotate(
            f"{weight:g}", (1, weight), xycoords="axes fraction", xytext=(3, 0), textcoords="offset points",
            fontsize=7.5, color=FAINT, ha="left", va="center", annotation_clip=False,
        )  # fmt: skip


def _write_title(
    figure: Figure,
    rows: Sequence[Sequence[Alignment]],
    title: str,
    box: Bbox,
    whole: tuple[float, float],
    style: Style,
    right_to_left: Callable[[str], str],
) -> None:
    first = rows[0][0]
    if len(rows) * len(rows[0]) > 1:
        facts = f"{describe_row(first.shift, first.signal)}  ·  {first.direction}  ·  {first.unit}"
    else:
        facts = f"{first.describe()}  ·  {first.direction}  ·  sink mass {first.sink_mass:.2f}"
    left, above = min(box.x0, 0) / whole[0], (box.y1 + 0.1) / whole[1]
    figure.text(left, above, facts, fontsize=style.title_points - 1, color=FAINT, va="bottom", parse_math=False)
    if title:
        above += (style.title_points + 3) / POINTS / whole[1]
        text = figure.text(left, above, "", fontsize=style.title_points + 1, color=INK, va="bottom", parse_math=False)
        _fit(text, _printable(title), max(box.width, NARROWEST), right_to_left)
