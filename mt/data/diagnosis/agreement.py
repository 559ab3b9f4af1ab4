"""Whether the lines of both sides belong together: lengths of translations correlate, unless files are misaligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mt.data.diagnosis.section import Section

FEWEST_PAIRS = 100  # for one correlation
MOST_PARTS = 20
UNRELATED = 0.2  # a correlation below this means unrelated lines; translations have 0.5 to 0.98
RELATED = 0.4
SHIFTS = (1, -1, 2, -2, 3, -3)  # offsets in lines between the files that are tried


@dataclass(frozen=True)
class Agreement:
    """Correlation of the logarithms of both sides' lengths: of all pairs, and of consecutive parts.

    `starts` are the numbers of the first pairs of the parts, and at the end the number after the last pair.
    """

    overall: float | None  # None: too few pairs
    parts: list[float]
    starts: list[int]
    shift: int | None = None  # pairs agree if targets are taken so many lines later; None: unknown

    @classmethod
    def of(cls, source: np.ndarray, target: np.ndarray, numbers: Sequence[int]) -> Agreement:
        """From the lengths of pairs in characters and the numbers of these pairs in the corpus."""
        count = len(numbers)
        if count < FEWEST_PAIRS:
            return cls(None, [], [])
        edges = np.linspace(0, count, min(MOST_PARTS, count // FEWEST_PAIRS) + 1).astype(int)
        ranges = [slice(start, end) for start, end in pairwise(edges)]
        parts = [_correlation(source[part], target[part]) for part in ranges]
        is_gapless = numbers[-1] - numbers[0] == count - 1
        worst = ranges[int(np.argmin(parts))]
        shift = _shift(source[worst], target[worst]) if is_gapless and min(parts) < UNRELATED else None
        starts = [*(numbers[part.start] for part in ranges), numbers[-1] + 1]
        return cls(_correlation(source, target), parts, starts, shift)

    def section(self) -> Section:
        """The correlations as a section of the report."""
        section = Section("agreement", "do the lines of both sides go together")
        section.numbers = {
            "correlation": self.overall, "parts": self.parts, "part starts": self.starts, "shift": self.shift
        }  # fmt: skip
        if self.overall is None:
            section.lines = [f"too few pairs to measure (under {FEWEST_PAIRS})"]
            return section
        section.lines = [
            f"correlation of their lengths: {self.overall:.2f} (0 for misaligned lines, 0.5 to 0.98 for translations)"
        ]
        bad = [number for number, part in enumerate(self.parts) if part < UNRELATED]
        if bad and max(self.parts) > RELATED:
            section.stop(
                self._where(bad), self._remedy("a line is missing, or is one too many, in one of the files there")
            )
        elif self.overall < UNRELATED:
            section.stop(
                f"source and target lines do not correspond: their lengths have a correlation of {self.overall:.2f}",
                self._remedy("is one of the files sorted, shuffled, or of another text?"),
            )
        return section

    def _where(self, bad: list[int]) -> str:
        good = [part for part in self.parts if part >= UNRELATED]
        numbers = f"(correlation {np.mean([self.parts[part] for part in bad]):.2f}, elsewhere {np.mean(good):.2f})"
        first = bad[0]
        if bad == list(range(first, len(self.parts))) and first > 0:
            between = f"from somewhere between pair {self.starts[first - 1] + 1:,} and {self.starts[first + 1]:,} on"
            return f"{between} the lines do not correspond {numbers}"
        places = f"from about pair {self.starts[first] + 1:,} to {self.starts[bad[-1] + 1]:,}"
        return f"{len(bad)} of {len(self.parts)} parts of train do not correspond, {places} {numbers}"

    def _remedy(self, otherwise: str) -> str:
        if self.shift is None:
            return otherwise
        count = f"{abs(self.shift)} line{'s' if abs(self.shift) > 1 else ''}"
        first, second = ("source", "target") if self.shift > 0 else ("target", "source")
        why = f"{first} lacks {count}, or {second} has {count} too many"
        return f"there each {first} goes with the {second} {count} further down: {why}"


def _correlation(source: np.ndarray, target: np.ndarray) -> float:
    logarithms = np.log1p(source), np.log1p(target)
    if min(side.std() for side in logarithms) == 0:  # all lengths are equal
        return 0.0
    return float(np.corrcoef(*logarithms)[0, 1])


def _shift(source: np.ndarray, target: np.ndarray) -> int | None:
    found = {
        shift: _correlation(source[:-shift], target[shift:])
        if shift > 0
        else _correlation(source[-shift:], target[:shift])
        for shift in SHIFTS
    }
    best = max(found, key=found.__getitem__)
    return best if found[best] > RELATED else None
