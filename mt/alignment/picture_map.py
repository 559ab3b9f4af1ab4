"""Pictures of where a caption looked: the picture once for each word, with the weights of its regions over it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mt.alignment.alignment import RawAttention, describe, renormalise
from mt.alignment.choice import Choice
from mt.alignment.fonts import families_for
from mt.alignment.heatmap import FAINT, INK, SURE, shown
from mt.alignment.pointing import by_words
from mt.alignment.regions import Box, Regions
from mt.words import split_words

# W words, R regions

FORMATS = ("png", "svg")
COLUMNS = 6  # maps in a row
INCHES = 1.35  # of a side of a map
DOTS = 120
GREY = 0.35  # what is left of the picture where no weight lies


@dataclass(frozen=True, eq=False)
class PictureMap:
    """Where each word of a caption looked: weights_WR sum to one for each word.

    `seen_W` is the share of its attention that lay on the picture.
    """

    words: list[str]
    weights_WR: np.ndarray
    seen_W: np.ndarray
    regions: Regions
    where: str  # "layer 0, head 0, shift 1"

    @classmethod
    def of(cls, raw: RawAttention, text: str, choice: Choice) -> PictureMap:
        """The map of a caption, read where `choice` says. Raises ValueError for attention without a picture."""
        if raw.regions is None or raw.regions_LHTR is None:
            raise ValueError("this sentence has no picture: there is no map of one")
        maps_LHWR = by_words(raw.regions_LHTR, raw.target_pieces, text, choice.shift)
        weights_WR = maps_LHWR[choice.layer, list(choice.heads)].mean(axis=0)
        where = describe(choice.layer, choice.heads, choice.shift, "weights")
        return cls(split_words(text), renormalise(weights_WR), weights_WR.sum(axis=-1), raw.regions, where)

    def to_json(self) -> dict[str, Any]:
        """Plain values: words, the grid of each with weights rounded to 4 decimals, and the share on the picture."""
        return {
            "words": self.words,
            "grid": self.regions.side,
            "maps": [[round(float(weight), 4) for weight in row @ self.regions.cells_RC] for row in self.weights_WR],
            "on_picture": [round(float(share), 4) for share in self.seen_W],
            "read": self.where,
        }


def save_picture_map(
    picture: np.ndarray,
    found: PictureMap,
    stem: str | Path,
    *,
    boxes: Sequence[Box] = (),
    formats: Iterable[str] = FORMATS,
) -> list[Path]:
    """Draws `stem`.png and `stem`.svg: the picture, then it again for each word, bright where the word looked.

    The brightest place of each map is its largest weight. Gold boxes of a word are outlined.
    """
    families = families_for(found.words)
    settings: dict[Any, Any] = {
        "font.family": [*families, "sans-serif"],
        "svg.fonttype": "none",
        "svg.hashsalt": "pictures",
    }
    paths = []
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = _draw(picture, found, boxes)
        for format in formats:
            path = Path(f"{stem}.{format}")
            own: dict[str, Any] = {"metadata": {"Date": None}} if format == "svg" else {}
            figure.savefig(
                path, format=format, dpi=DOTS, facecolor="white", bbox_inches="tight", pad_inches=0.08, **own
            )
            paths.append(path)
    return paths


def _draw(picture: np.ndarray, found: PictureMap, boxes: Sequence[Box]) -> Figure:
    count = len(found.words) + 1
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * INCHES, rows * (INCHES + 0.3) + 0.25))
    size = found.regions.size
    for number in range(count):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.set(xticks=(), yticks=())
        for spine in axes.spines.values():
            spine.set(color=FAINT, linewidth=0.5)
        extent = (0.0, float(size), float(size), 0.0)
        if number == 0:
            axes.imshow(picture, extent=extent, interpolation="nearest")
            axes.set_title(found.where, fontsize=6.5, color=FAINT)
            continue
        word = number - 1
        axes.imshow(lit(picture, found.regions.map(found.weights_WR[word])), extent=extent, interpolation="nearest")
        axes.set_title(shown(found.words[word]), fontsize=9, color=INK, parse_math=False)
        for box in boxes:
            if box.word == word:
                axes.add_patch(Rectangle(box[1:3], box.width, box.height, fill=False, edgecolor=SURE, linewidth=1.2))
        axes.set(xlim=extent[:2], ylim=extent[2:])
    figure.tight_layout(pad=0.4)
    return figure


def lit(picture: np.ndarray, map_YX: np.ndarray) -> np.ndarray:
    """The picture, dark and grey where the map has no weight, as it is where the map has most."""
    height, width = picture.shape[:2]
    light = smooth(map_YX / max(float(map_YX.max()), 1e-12), height, width)[..., None]
    grey = picture.mean(axis=2, keepdims=True) * GREY
    return np.clip(grey + (picture - grey) * light, 0, 255).astype(np.uint8)


def smooth(map_YX: np.ndarray, height: int, width: int) -> np.ndarray:
    """A coarse map as large as a picture, linear between the middles of its cells."""
    rows, columns = map_YX.shape
    down = np.clip((np.arange(height) + 0.5) * rows / height - 0.5, 0, rows - 1)
    across = np.clip((np.arange(width) + 0.5) * columns / width - 0.5, 0, columns - 1)
    wide = np.stack([np.interp(across, np.arange(columns), row) for row in map_YX])
    return np.stack([np.interp(down, np.arange(rows), column) for column in wide.T], axis=1)
