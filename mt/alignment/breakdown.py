"""Error rates by source length, and by the direction that the links come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import Gold
from mt.alignment.links import Link

LONGEST = (10, 20, 30)  # upper limits of the buckets, in source words; the last bucket has none
RATES = {"aer": "AER", "precision": "precision", "recall": "recall", "f1": "F1"}
LABEL = 19  # columns of text: as wide as the longest name of a symmetrisation


@dataclass
class Part:
    """Some of the sentences, or the links of one direction."""

    num_sentences: int = 0
    rate: ErrorRate = field(default_factory=ErrorRate)

    def add(self, links: Set[Link], gold: Gold) -> None:
        self.num_sentences += 1
        self.rate += ErrorRate.of(links, gold)


class Breakdown:
    """The error rate of a set of sentences, added one by one, and of its parts."""

    def __init__(self) -> None:
        self.total = Part()
        self.by_length: dict[str, Part] = {}
        self.by_direction: dict[str, Part] = {}

    def add(
        self, links: Set[Link], gold: Gold, num_source_words: int, directions: Mapping[str, Set[Link]] | None = None
    ) -> None:
        """Counts a sentence; `directions`: the links of each direction by name, if there are several."""
        self.total.add(links, gold)
        if num_source_words:  # a blank line has no link to find
            self.by_length.setdefault(length_bucket(num_source_words), Part()).add(links, gold)
        for name, alone in (directions or {}).items():
            self.by_direction.setdefault(name, Part()).add(alone, gold)

    def to_json(self) -> dict:
        """Plain values, rates from 0 to 1: those of all, `by_length` and, where there are several, `by_direction`."""
        parts = {"by_length": self._lengths(), "by_direction": self.by_direction}
        return _rates(self.total.rate) | {
            name: {label: {"sentences": part.num_sentences, **_rates(part.rate)} for label, part in parts.items()}
            for name, parts in parts.items()
            if parts
        }

    def __str__(self) -> str:
        """The line of all sentences, and a table of each kind of parts; rates in percent."""
        tables = {"source words": self._lengths(), "direction": self.by_direction}
        return "\n".join([str(self.total.rate), *(_table(title, parts) for title, parts in tables.items() if parts)])

    def _lengths(self) -> dict[str, Part]:
        return {label: self.by_length[label] for label in _labels() if label in self.by_length}


def length_bucket(num_words: int) -> str:
    """ "1-10", "11-20", "21-30" or "31+", for a number of words that is not 0."""
    return [*_labels()][sum(num_words > longest for longest in LONGEST)]


def _labels() -> Iterator[str]:
    for before, longest in zip((0, *LONGEST), LONGEST, strict=False):
        yield f"{before + 1}-{longest}"
    yield f"{LONGEST[-1] + 1}+"


def _rates(rate: ErrorRate) -> dict[str, float]:
    return {name: round(getattr(rate, name), 6) for name in RATES}


def _table(title: str, parts: Mapping[str, Part]) -> str:
    rows = [f"{title:<{LABEL}}  sentences     AER  precision  recall      F1"]
    for label, part in parts.items():
        aer, precision, recall, f1 = (f"{100 * getattr(part.rate, name):.2f}" for name in RATES)
        rows.append(f"{label:<{LABEL}}  {part.num_sentences:>9}  {aer:>6}  {precision:>9}  {recall:>6}  {f1:>6}")
    return "\n".join(rows)
