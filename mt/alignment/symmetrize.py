"""Combines the links of two models, one of each direction.

`forward` holds the links of the model source -> target, `backward` those of the model target -> source, both already as
(source position, target position). Grown and final links: Och and Ney 2003; Koehn et al. 2003, 2005.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

import numpy as np

from mt.alignment.links import Link

# T target tokens, S source tokens

SOFT_PRODUCT = "soft-product"  # the name of the rule that multiplies weights, beside SYMMETRIZATIONS, which join links
NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
Symmetrization = Callable[["Set[Link]", "Set[Link]"], "set[Link]"]


def intersection(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """Links of both: few, with high precision."""
    return set(forward & backward)


def union(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """Links of either: many, with high recall."""
    return set(forward | backward)


def grow_diag(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """The intersection, grown by neighbouring links of the union whose source or target has no link yet."""
    links, either = intersection(forward, backward), union(forward, backward)
    sources, targets = {source for source, _ in links}, {target for _, target in links}
    is_growing = True
    while is_growing:
        is_growing = False
        for source, target in sorted(links):
            for down, right in NEIGHBOURS:
                new = (source + down, target + right)
                if new in either and new not in links and (new[0] not in sources or new[1] not in targets):
                    links.add(new)
                    sources.add(new[0])
                    targets.add(new[1])
                    is_growing = True
    return links


def grow_diag_final(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """`grow_diag`, then any link whose source or target has no link yet."""
    return _final(grow_diag(forward, backward), forward, backward, lambda source, target: source or target)


def grow_diag_final_and(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """`grow_diag`, then any link whose source and target both have no link yet."""
    return _final(grow_diag(forward, backward), forward, backward, lambda source, target: source and target)


def _final(
    links: set[Link], forward: Iterable[Link], backward: Iterable[Link], is_wanted: Callable[[bool, bool], bool]
) -> set[Link]:
    sources, targets = {source for source, _ in links}, {target for _, target in links}
    for source, target in [*sorted(forward), *sorted(backward)]:
        if is_wanted(source not in sources, target not in targets):
            links.add((source, target))
            sources.add(source)
            targets.add(target)
    return links


SYMMETRIZATIONS: dict[str, Symmetrization] = {
    "forward": lambda forward, backward: set(forward),
    "backward": lambda forward, backward: set(backward),
    "intersection": intersection,
    "union": union,
    "grow-diag": grow_diag,
    "grow-diag-final": grow_diag_final,
    "grow-diag-final-and": grow_diag_final_and,
}


def soft_product(forward_TS: np.ndarray, backward_ST: np.ndarray) -> np.ndarray:
    """weights_TS = the geometric mean of both directions' weights of a pair of words, 0 to 1 (Liang et al. 2006).

    forward_TS: rows sum to one over the source; backward_ST: rows sum to one over the target. A threshold
    on the product trades precision for recall, which is not possible after links are chosen.
    """
    return np.sqrt(forward_TS * backward_ST.T)
