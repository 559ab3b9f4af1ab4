"""How surely each target word is aligned: strongly, weakly, or not.

The rule, for a target word: the share of its weight that lies on the source words it is linked to is

    strong   at least half: more than on all other words together
    weak     at least a fifth
    none     less, or the word has no link
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mt.alignment.links import Link

# T target tokens, S source tokens

STRONG, WEAK = 0.5, 0.2  # of a row's weight; page/weights.js has the same numbers


def strengths(weights_TS: np.ndarray, links: Iterable[Link]) -> list[str]:
    """ "strong", "weak" or "none" for each target token; rows of `weights_TS` sum to one or are all zero."""
    linked_T = np.zeros(weights_TS.shape[0])
    for source, target in links:
        linked_T[target] += weights_TS[target, source]
    return ["strong" if share >= STRONG else "weak" if share >= WEAK else "none" for share in linked_T.tolist()]
