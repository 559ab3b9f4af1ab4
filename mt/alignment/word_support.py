"""What counted links say of the support of a target word: whether it comes from any of the source words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.word_forms import form_of, stem_of
from mt.words import split_words

UNKNOWN = 0.5  # the support of a word of which nothing is known
DOUBT = 1.0  # links that it is taken to have had with what its stem says

# W target words


class WordSupport:
    """The links of target words by their forms, and by their stems, for forms that had few."""

    def __init__(self, links: Mapping[tuple[str, str], float]):
        self._forms, self._stems = (
            _Counts(links.items()),
            _Counts(((stem_of(source), stem_of(target)), count) for (source, target), count in links.items()),
        )

    @classmethod
    def of(cls, priors: LexiconPriors) -> WordSupport:
        return cls(priors.links)

    def __call__(self, source: str, target: str) -> np.ndarray:
        """support_W of the words (`mt.words`) of a target, 0 to 1.

        The largest share of a word's links that it has with one word of the source; words that are spelled alike are
        taken to be linked.
        """
        forms = {form_of(word) for word in split_words(source)}
        stems = {stem_of(form) for form in forms}
        found = []
        for word in split_words(target):
            form = form_of(word)
            by_stem = self._stems.share(stem_of(form), stems, UNKNOWN)
            found.append(1.0 if form in forms else self._forms.share(form, forms, by_stem))
        return np.array(found, dtype=float)


class _Counts:
    def __init__(self, links: Iterable[tuple[tuple[str, str], float]]):
        self._of: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for (source, target), count in links:
            self._of[target][source] += count
        self._total = {target: sum(of.values()) for target, of in self._of.items()}

    def share(self, target: str, sources: Iterable[str], otherwise: float) -> float:
        """Of the links of the target, the largest share with one of the sources, drawn towards `otherwise`."""
        of = self._of.get(target, {})
        most = max((of.get(source, 0.0) for source in sources), default=0.0)
        return (most + DOUBT * otherwise) / (self._total.get(target, 0.0) + DOUBT)
