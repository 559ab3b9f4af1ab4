"""Word links that need no gold: pairs of words that keep company all over a corpus.

They cover some words of a sentence only, but rightly: enough to tell a head that aligns from one that does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mt.alignment.links import Gold, Link

MOST_PAIRS = 5_000_000  # of words counted, which bounds time (seconds) and memory (some hundred MB)
LEAST_SEEN = 3  # times together, below which company is chance
LEAST_DICE = 0.3


class Anchors:
    """Dice coefficients 2 n(s, t) / (n(s) + n(t)) of words, n counting sentences (Dice 1945; Melamed 2000).

    Words are blank-separated, without case and the punctuation around them.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]):
        """Counts sentence pairs (source, target), until enough words have been seen together."""
        self._sources: Counter[str] = Counter()
        self._targets: Counter[str] = Counter()
        self._both: Counter[tuple[str, str]] = Counter()
        counted = 0
        for source, target in pairs:
            sources, targets = set(_words(source)), set(_words(target))
            self._sources.update(sources)
            self._targets.update(targets)
            self._both.update((s, t) for s in sources for t in targets)
            counted += len(sources) * len(targets)
            if counted >= MOST_PAIRS:
                break

    def dice(self, source: str, target: str) -> float:
        """The coefficient of two folded words, 0 to 1; 0 where they met too seldom to tell."""
        both = self._both.get((source, target), 0)
        return 2 * both / (self._sources[source] + self._targets[target]) if both >= LEAST_SEEN else 0.0

    def links(self, source: str, target: str) -> Gold:
        """The anchors of a pair, as sure links: words that are each other's best and stand once in their sentence."""
        sources, targets = _words(source), _words(target)
        found: set[Link] = set()
        for j, word in enumerate(targets):
            scores = [self.dice(other, word) for other in sources]
            best = max(scores, default=0.0)
            if best < LEAST_DICE:
                continue
            i = scores.index(best)
            is_mutual = best >= max(self.dice(sources[i], other) for other in targets)
            if is_mutual and targets.count(word) == 1 and sources.count(sources[i]) == 1:
                found.add((i, j))
        return Gold(frozenset(found), frozenset(found))


def _words(text: str) -> list[str]:
    return [word.casefold().strip(".,;:!?…\"'„“”»«()[]") or word for word in text.split()]
