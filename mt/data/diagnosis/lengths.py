"""How long sentences are, in words, characters and pieces, and how the two sides of a pair compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mt.data.diagnosis.section import Section, table
from mt.data.pair import Pair

PERCENTILES = (1, 50, 95, 99)
OTHER_LENGTH = 2.0  # times longer or shorter
WITHOUT_BLANKS = 8  # mean characters between blanks: from here on blanks do not separate words


@dataclass
class Lengths:
    """Lengths by unit ("words", "characters", "pieces") of the two sides, in the order of the pairs."""

    source: dict[str, np.ndarray] = field(default_factory=dict)
    target: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Lengths:
        """Words (what blanks separate) and characters."""
        return cls(*(_of_side([pair.texts[side] for pair in pairs]) for side in range(2)))

    def section(self, source_language: str, target_language: str) -> Section:
        """A table of percentiles."""
        section = Section("lengths", "how long train sentences are")
        rows = [["", "mean", *(f"{percent} %" for percent in PERCENTILES), "longest"]]
        for language, units in ((source_language, self.source), (target_language, self.target)):
            for unit, lengths in units.items():
                if unit == "words" and units["characters"].mean() > WITHOUT_BLANKS * lengths.mean():
                    continue
                numbers = percentiles(lengths)
                rows.append([f"{language} {unit}", *(_number(number) for number in numbers.values())])
                section.numbers[f"{language} {unit}"] = numbers
        ratio = (self.target["characters"] + 1) / (self.source["characters"] + 1)
        low, middle, high = np.percentile(ratio, (1, 50, 99))
        section.numbers["ratio"] = {"1 %": float(low), "50 %": float(middle), "99 %": float(high)}
        section.lines = [
            *table(rows),
            f"{target_language} characters for one of {source_language}: {middle:.2f}"
            f" (98 of 100 pairs: {low:.2f} to {high:.2f})",
        ]
        return section


def held_out_lengths(section: Section, train: Lengths, name: str, pairs: Sequence[Pair]) -> None:
    """Add a finding if sentences of a held-out set are much longer or shorter than those of train."""
    if not pairs:
        return
    ours, theirs = (lengths.source["characters"].mean() for lengths in (train, Lengths.of(pairs)))
    section.numbers[f"{name} characters"] = float(theirs)
    if not 1 / OTHER_LENGTH < (theirs + 1) / (ours + 1) < OTHER_LENGTH:
        section.but(
            f"source sentences of {name} have {theirs:.0f} characters on average, those of train {ours:.0f}",
            "train on text like the text to be translated",
        )


def percentiles(lengths: np.ndarray) -> Mapping[str, float]:
    """Mean, percentiles and longest, by name."""
    found = np.percentile(lengths, PERCENTILES)
    named = {f"{percent} %": float(number) for percent, number in zip(PERCENTILES, found, strict=True)}
    return {"mean": float(lengths.mean()), **named, "longest": float(lengths.max())}


def _of_side(texts: Sequence[str]) -> dict[str, np.ndarray]:
    words = np.fromiter((len(text.split()) for text in texts), np.int64, count=len(texts))
    return {"words": words, "characters": np.fromiter(map(len, texts), np.int64, count=len(texts))}


def _number(number: float) -> str:
    return f"{number:,.1f}" if number < 10 and number % 1 else f"{number:,.0f}"
