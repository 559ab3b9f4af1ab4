"""How often a model gives the right translation a higher probability than wrong ones, by kind of error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KindResult:
    """Of one kind: how many sources, in how many the right target is likelier than every wrong one, and by how much.

    `margin_nats` is the mean difference of log-probability between the right target and the likeliest wrong one.
    """

    kind: str
    num_pairs: int
    num_right: int
    margin_nats: float

    @property
    def right_percent(self) -> float:
        """In how many of the sources, in %."""
        return 100 * self.num_right / self.num_pairs


def by_kind(scored: Iterable[tuple[str, Sequence[float]]]) -> list[KindResult]:
    """The result of each kind, in order of appearance; log-probabilities of the right target first, then wrong ones.

    Equal probabilities count as wrong.
    """
    margins: dict[str, list[float]] = {}
    for kind, (right, *wrong) in scored:
        margins.setdefault(kind, []).append(right - max(wrong))
    return [
        KindResult(kind, len(of_kind), int(np.sum(np.array(of_kind) > 0)), float(np.mean(of_kind)))
        for kind, of_kind in margins.items()
    ]


def contrast_table(results: Sequence[KindResult]) -> str:
    """A row for each kind, and one for all pairs."""
    num_pairs = sum(one.num_pairs for one in results)
    margin = sum(one.margin_nats * one.num_pairs for one in results) / num_pairs
    total = KindResult("all", num_pairs, sum(one.num_right for one in results), margin)
    rows = [("kind", "pairs", "right, %", "margin, nats")]
    rows += [
        (one.kind, str(one.num_pairs), f"{one.right_percent:.1f}", f"{one.margin_nats:.2f}")
        for one in (*results, total)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in rows
    )
