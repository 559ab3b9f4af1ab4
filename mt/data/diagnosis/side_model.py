"""Which side a sentence belongs to, learned from the corpus itself, so that it works for any two languages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from mt.data.pair import Pair

LEARN_FROM = 5_000  # pairs
NUM_FEATURES = 4_000
FEWEST_TIMES = 10  # a rarer feature would only identify single lines


class SideModel:
    """Log-odds of the commonest pairs and triples of characters: naive Bayes, source against target."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        step = max(1, -(-len(pairs) // LEARN_FROM))
        counts = [Counter[str](), Counter[str]()]
        for pair in pairs[::step]:
            for side in range(2):
                counts[side].update(_features(pair.texts[side]))
        common = [
            feature for feature, count in (counts[0] + counts[1]).most_common(NUM_FEATURES) if count >= FEWEST_TIMES
        ]
        totals = [sum(side[feature] for feature in common) + len(common) for side in counts]
        self._odds = {
            feature: math.log((counts[0][feature] + 1) / totals[0]) - math.log((counts[1][feature] + 1) / totals[1])
            for feature in common
        }

    def odds(self, text: str) -> float:
        """How much more likely, in nats, a text is on the source side: below 0 it is more likely on the target side."""
        return sum(self._odds.get(feature, 0.0) for feature in _features(text))


def _features(text: str) -> Iterable[str]:
    text = f" {' '.join(text.lower().split())} "
    yield from map("".join, pairwise(text))
    yield from map("".join, zip(text, text[1:], text[2:], strict=False))
