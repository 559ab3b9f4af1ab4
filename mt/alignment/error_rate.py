"""Alignment error rate: how far a system's links are from links made by people.

With A the system's links, S the sure and P the possible links (S is part of P), each count summed over the whole set:

    precision = |A and P| / |A|        recall = |A and S| / |S|        F1 = 2 precision recall / (precision + recall)
    AER = 1 - (|A and S| + |A and P|) / (|A| + |S|)                    (Och and Ney 2003)

0 / 0 counts as 1: no link is wrong and none is missing.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from mt.alignment.gold import Gold
from mt.alignment.links import Link


@dataclass(frozen=True)
class ErrorRate:
    """Counts that can be added, and the rates computed from them, from 0 to 1."""

    num_links: int = 0  # |A|
    num_sure: int = 0  # |S|
    num_in_sure: int = 0  # |A and S|
    num_in_possible: int = 0  # |A and P|

    @classmethod
    def of(cls, links: Set[Link], gold: Gold) -> ErrorRate:
        """The counts of one sentence."""
        return cls(len(links), len(gold.sure), len(links & gold.sure), len(links & gold.possible))

    def __add__(self, other: ErrorRate) -> ErrorRate:
        return ErrorRate(
            self.num_links + other.num_links,
            self.num_sure + other.num_sure,
            self.num_in_sure + other.num_in_sure,
            self.num_in_possible + other.num_in_possible,
        )

    @property
    def aer(self) -> float:
        return 1 - _ratio(self.num_in_sure + self.num_in_possible, self.num_links + self.num_sure)

    @property
    def precision(self) -> float:
        return _ratio(self.num_in_possible, self.num_links)

    @property
    def recall(self) -> float:
        return _ratio(self.num_in_sure, self.num_sure)

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        """One line, in percent."""
        return (
            f"AER {100 * self.aer:.2f}  precision {100 * self.precision:.2f}  recall {100 * self.recall:.2f}  "
            f"F1 {100 * self.f1:.2f}  ({self.num_links} links, {self.num_sure} sure)"
        )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
