"""Learns a shortlist from a parallel corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mt.alignment.link_counts import LinkCounts
from mt.alignment.statistical_aligner import StatisticalAligner
from mt.inference.shortlist import MOST_BEST, Shortlist


def learned(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    source_size: int,
    target_size: int,
    best: int = 50,
    frequent: int = 200,
) -> Shortlist:
    """Makes a shortlist from encoded pairs, whose pieces the statistical aligner links.

    `best` pieces at most for each source piece, and the `frequent` pieces that targets have most often. Raises
    ValueError where there is no pair, or for numbers below 1.
    """
    for name, value in (("best", best), ("frequent", frequent)):
        if value < 1:
            raise ValueError(f"{name} ({value}) must be at least 1")
    if best > MOST_BEST:
        raise ValueError(f"best ({best}) must be at most {MOST_BEST}")
    words = ([[str(id_) for id_ in ids] for ids in side] for side in (sources, targets))
    counts = LinkCounts(source_size, target_size)
    found = StatisticalAligner(*words, has_spelling=False).fit().links()
    for source, target, links in zip(sources, targets, found, strict=True):
        counts.add([source[s] for s, _ in links], [target[t] for _, t in links])
    starts, pieces, _ = counts.best(best)
    seen = np.bincount(np.concatenate([np.asarray(ids, dtype=np.int64) for ids in targets]), minlength=target_size)
    common = np.argsort(-seen, kind="stable")[:frequent]
    return Shortlist(starts, pieces, np.sort(common))
