"""Regions of a picture and boxes in it: which regions a word means, for guiding a head and for the pointing game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# R regions, W words, P pieces, C cells

MARGIN = 2.0  # pixels by which a box is larger: a thing's edge may lie just beside the middle of a region


class Box(NamedTuple):
    """A word, counted from 0, and a box that it means: left, top, width and height in pixels."""

    word: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a square picture of `size` pixels: the middle of each, and its share in each cell of a grid.

    centres_R2  across and down, in pixels
    cells_RC    the share of a region in each of side * side cells, in rows; each region's shares sum to one
    """

    size: int
    side: int
    centres_R2: np.ndarray
    cells_RC: np.ndarray

    @classmethod
    def of(cls, size: int, side: int, cells_RC: np.ndarray) -> Regions:
        """From the shares of the regions in the cells."""
        width = size / side
        middles = (np.arange(side) + 0.5) * width
        across_C, down_C = (grid.ravel() for grid in np.meshgrid(middles, middles))
        return cls(size, side, cells_RC @ np.stack((across_C, down_C), axis=1), cells_RC)

    def __len__(self) -> int:
        return len(self.centres_R2)

    def inside(self, boxes: Sequence[Box]) -> np.ndarray:
        """inside_R: the regions whose middle is in one of the boxes, or else the nearest one of each box."""
        found_R = np.zeros(len(self), dtype=bool)
        across_R, down_R = self.centres_R2.T
        for box in boxes:
            inside_R = (
                (box.left - MARGIN <= across_R)
                & (across_R <= box.left + box.width + MARGIN)
                & (box.top - MARGIN <= down_R)
                & (down_R <= box.top + box.height + MARGIN)
            )
            if not inside_R.any():
                middle = np.array([box.left + box.width / 2, box.top + box.height / 2])
                inside_R[np.square(self.centres_R2 - middle).sum(axis=1).argmin()] = True
            found_R |= inside_R
        return found_R

    def of_words(self, boxes: Sequence[Box], num_words: int) -> np.ndarray:
        """inside_WR of each word; a word without a box has none."""
        found_WR = np.zeros((num_words, len(self)), dtype=bool)
        for word in {box.word for box in boxes if box.word < num_words}:
            found_WR[word] = self.inside([box for box in boxes if box.word == word])
        return found_WR

    def map(self, weights_R: np.ndarray) -> np.ndarray:
        """The weights of regions as a picture: side x side cells."""
        return (weights_R @ self.cells_RC).reshape(self.side, self.side)
