"""How right heatmaps over a picture are: the pointing game (Zhang et al. 2018) and the mass inside the gold boxes.

A word points right where the region with its largest weight lies in one of its boxes. Chance is what a region drawn at
random would score: the share of regions that lie in the boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mt.alignment.alignment import SHIFTS, SPECIAL_PIECES, RawAttention, renormalise
from mt.alignment.choice import Choice
from mt.alignment.regions import Box
from mt.alignment.words import words_of

# L layers, H heads, T target pieces, R regions, W words

MEASURED_ON = "boxes in pictures"


def by_words(weights_LHTR: np.ndarray, target_pieces: Sequence[str], text: str, shift: int) -> np.ndarray:
    """weights_LHWR of the words of a caption: the mean over the pieces of each, as a share of the whole attention."""
    rows = [t + shift for t, piece in enumerate(target_pieces) if piece not in SPECIAL_PIECES]
    shares_PW = words_of([piece for piece in target_pieces if piece not in SPECIAL_PIECES], text).share_PW
    mean_WP = shares_PW.T / np.maximum(shares_PW.sum(axis=0)[:, None], 1e-12)
    return mean_WP @ weights_LHTR[..., rows, :]


@dataclass(frozen=True, eq=False)
class Pointing:
    """Sums over words, for each shift, layer and head: right ones, mass inside of boxes, mass on the picture.

    `num_words` is how many words have boxes; `chance` the sum of the shares of regions that lie in them.
    """

    right_SLH: np.ndarray
    inside_SLH: np.ndarray
    seen_SLH: np.ndarray
    num_words: int
    chance: float

    @classmethod
    def of(cls, captions: Iterable[tuple[RawAttention, str, Sequence[Box]]]) -> Pointing:
        """From the attention, the text and the boxes of some captions. Raises ValueError where none has a box."""
        total: Pointing | None = None
        for raw, text, boxes in captions:
            found = cls._of_one(raw, text, boxes)
            if found is not None:
                total = found if total is None else total + found
        if total is None:
            raise ValueError("boxes to point at: there are none")
        return total

    @classmethod
    def _of_one(cls, raw: RawAttention, text: str, boxes: Sequence[Box]) -> Pointing | None:
        if raw.regions is None or raw.regions_LHTR is None or not boxes:
            return None
        maps_SLHWR = np.stack([by_words(raw.regions_LHTR, raw.target_pieces, text, shift) for shift in SHIFTS])
        inside_WR = raw.regions.of_words(boxes, maps_SLHWR.shape[-2])
        with_box = np.flatnonzero(inside_WR.any(axis=1))
        maps_SLHWR, inside_WR = maps_SLHWR[..., with_box, :], inside_WR[with_box]
        best_SLHW = maps_SLHWR.argmax(axis=-1)
        right_SLHW = inside_WR[np.arange(len(with_box)), best_SLHW]
        mass_SLHW = (renormalise(maps_SLHWR) * inside_WR).sum(axis=-1)
        seen_SLHW = maps_SLHWR.sum(axis=-1)
        right_SLH, inside_SLH, seen_SLH = (of.sum(axis=-1) for of in (right_SLHW, mass_SLHW, seen_SLHW))
        return cls(right_SLH, inside_SLH, seen_SLH, len(with_box), float(inside_WR.mean(axis=1).sum()))

    def __add__(self, other: Pointing) -> Pointing:
        return Pointing(
            self.right_SLH + other.right_SLH,
            self.inside_SLH + other.inside_SLH,
            self.seen_SLH + other.seen_SLH,
            self.num_words + other.num_words,
            self.chance + other.chance,
        )

    def best(self) -> Choice:
        """The single head, layer and shift that point right most often; its error rate is the share that does not."""
        shift, layer, head = (int(place) for place in np.unravel_index(self.right_SLH.argmax(), self.right_SLH.shape))
        error = 1.0 - float(self.right_SLH[shift, layer, head]) / max(1, self.num_words)
        return Choice(layer, (head,), shift, error_rate=error, measured_on=MEASURED_ON)

    def at(self, choice: Choice) -> dict[str, float]:
        """Percentages at one place: pointing, mass inside of the boxes, mass on the picture; and chance."""
        heads = list(choice.heads)
        count = max(1, self.num_words)
        names = (("pointing", self.right_SLH), ("mass_inside", self.inside_SLH), ("mass_on_picture", self.seen_SLH))
        found = {name: 100 * float(of[choice.shift, choice.layer, heads].mean()) / count for name, of in names}
        return {**found, "pointing_chance": 100 * self.chance / count}

    def best_except(self, layer: int, head: int) -> Choice:
        """The best head other than one: that which was not guided."""
        right_SLH = self.right_SLH.copy()
        right_SLH[:, layer, head] = -1
        return Pointing(right_SLH, self.inside_SLH, self.seen_SLH, self.num_words, self.chance).best()
