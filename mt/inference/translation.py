"""The result for a line: its translations, best first, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mt.search.hypothesis import Hypothesis

if TYPE_CHECKING:
    from mt.data.images.picture import Picture
    from mt.data.sounds.sound import Wave


@dataclass(frozen=True)
class Candidate:
    """One translation of a line: `log_prob` in nats and `score` (length penalty applied), summed over its parts."""

    text: str
    log_prob: float
    score: float
    parts: tuple[Hypothesis, ...] = ()  # of each part of a split line


@dataclass(frozen=True)
class Translation:
    """A line's translations, best first, and `notes` on what happened to it (split, cut, stopped at the limit).

    `tree` is the tree (`mt.data.pair.Pair`) of what was translated, if one was used.
    """

    source: str
    candidates: tuple[Candidate, ...]
    segments: tuple[str, ...] = ()  # what was translated: the line, or its parts
    notes: tuple[str, ...] = ()
    tag: str | None = None  # that was put before each segment
    tree: str | None = None
    picture: Picture | None = field(default=None, compare=False)  # that belongs to it
    sound: Wave | None = field(default=None, compare=False)  # likewise

    @property
    def text(self) -> str:
        return self.candidates[0].text

    @property
    def score(self) -> float:
        return self.candidates[0].score
