"""A part of a line with its word links. Never imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.alignment.alignment import Alignment
from mt.alignment.links import Link
from mt.alignment.strength import strengths


@dataclass(frozen=True)
class Part:
    """The aligned words of a line or of a part of a split line, and the number of words before it on either side.

    `left_S`: how little of each source word is translated, 0 to 1; `is_common_S`: whether it is one of the commonest
    (`mt.alignment.omission`).
    """

    words: Alignment
    links: set[Link]  # within the part
    left_S: np.ndarray
    is_common_S: np.ndarray
    first_source: int
    first_target: int


def links_of(parts: Sequence[Part]) -> list[Link]:
    """The links of a line's words."""
    return sorted(
        {(source + part.first_source, target + part.first_target) for part in parts for source, target in part.links}
    )


def strengths_of(parts: Sequence[Part], num_words: int) -> list[str]:
    """How surely each word of a line's translation is aligned (`mt.alignment.strength`).

    A word that two parts share has that of the first part.
    """
    found = {
        part.first_target + place: strength
        for part in reversed(parts)
        for place, strength in enumerate(strengths(part.words.weights_TS, part.links))
    }
    return [found.get(word, "none") for word in range(num_words)]
