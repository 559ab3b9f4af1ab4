"""From weights to links, and links as text.

A link is a pair (source position, target position), both from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

# T target tokens, S source tokens

Link = tuple[int, int]
LinkRule = Callable[[np.ndarray], "set[Link]"]

METHODS = ("argmax", "threshold", "mutual")
THRESHOLD = 0.3  # share of a row


def argmax_links(weights_TS: np.ndarray) -> set[Link]:
    """For each target token the source token with most weight (the first of equals); none for a row without mass."""
    if weights_TS.shape[1] == 0:
        return set()
    best_T = weights_TS.argmax(axis=1)
    return {(int(source), target) for target, source in enumerate(best_T) if weights_TS[target, source] > 0}


def threshold_links(weights_TS: np.ndarray, threshold: float) -> set[Link]:
    """Every pair whose weight is at least `threshold` (a share of the row, above 0)."""
    return {(int(source), int(target)) for target, source in np.argwhere(weights_TS >= threshold)}


def mutual_links(weights_TS: np.ndarray) -> set[Link]:
    """The pairs that are the largest of their row and of their column."""
    column_best = {(source, target) for target, source in argmax_links(weights_TS.T)}
    return argmax_links(weights_TS) & column_best


def link_rule(method: str = "argmax", threshold: float = THRESHOLD) -> LinkRule:
    """The rule weights_TS -> links of that name. Raises ValueError for another name or a threshold outside (0, 1]."""
    if method not in METHODS:
        raise ValueError(f"method ({method}) must be one of {', '.join(METHODS)}")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold ({threshold}) must be above 0 and at most 1")
    if method == "threshold":
        return lambda weights_TS: threshold_links(weights_TS, threshold)
    return {"argmax": argmax_links, "mutual": mutual_links}[method]


def to_pharaoh(links: Iterable[Link]) -> str:
    """ "0-0 1-2": source-target, sorted; an empty line when there are none."""
    return " ".join(f"{source}-{target}" for source, target in sorted(links))
