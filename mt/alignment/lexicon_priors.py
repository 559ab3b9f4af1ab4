"""What is known of a pair of languages before a corpus is aligned: from a larger corpus, or from a dictionary.

A file of priors is text: a line has a source word, a target word and the number of links that they are taken to have,
separated by tabs. A line without a number is an entry of a dictionary, which may have several words on a side. Words
are compared without case and surrounding punctuation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mt.alignment.word_forms import form_of
from mt.alignment.word_pairs import WordPairs
from mt.words import split_words

OF_ENTRY = 2.0  # links that an entry of a dictionary stands for
LEAST = 0.5  # links that a pair of words must have to be kept
MOST = 1e9  # links; more cannot be told apart


@dataclass(frozen=True)
class LexiconPriors:
    """The number of links of pairs of words (source form, target form), beside those of the corpus that is aligned."""

    links: dict[tuple[str, str], float]

    @classmethod
    def of(
        cls,
        sources: Sequence[str],
        targets: Sequence[str],
        source_K: np.ndarray,
        target_K: np.ndarray,
        links_K: np.ndarray,
    ) -> LexiconPriors:
        """What an aligner learned: the links of each kind that has enough."""
        kept = np.flatnonzero(links_K >= LEAST)
        return cls({(sources[source_K[kind]], targets[target_K[kind]]): float(links_K[kind]) for kind in kept})

    def counts(self, pairs: WordPairs) -> np.ndarray:
        """The number of links of each kind of a corpus."""
        source, target = pairs.source.number_of, pairs.target.number_of
        size = len(pairs.target.forms)
        known = [
            (source[left] * size + target[right], links)
            for (left, right), links in self.links.items()
            if left in source and right in target
        ]
        found_K = np.zeros(len(pairs.kind_source_K))
        if known:
            keys_K = pairs.kind_source_K.astype(np.int64) * size + pairs.kind_target_K
            order = np.argsort(keys_K)
            keys, links = (np.array(column) for column in zip(*known, strict=True))
            places = np.minimum(np.searchsorted(keys_K, keys, sorter=order), len(order) - 1)
            is_there = keys_K[order[places]] == keys
            found_K[order[places[is_there]]] = links[is_there]
        return found_K

    def lines(self) -> Iterator[str]:
        """The lines of a file, most links first."""
        for (left, right), links in sorted(self.links.items(), key=lambda row: (-row[1], row[0])):
            yield f"{left}\t{right}\t{links:.3f}\n"

    @classmethod
    def read(cls, lines: Iterable[str], path: str) -> LexiconPriors:
        """Reads the lines of a file. Raises ValueError, naming the line, for one that is none of priors."""
        found: dict[tuple[str, str], float] = {}
        for number, line in enumerate(lines, start=1):
            if line.strip():
                for pair, links in _entries(line, f"{path}, line {number}"):
                    found[pair] = found.get(pair, 0.0) + links
        if not found:
            raise ValueError(f"{path}: there are no words")
        return cls(found)

    def __add__(self, other: LexiconPriors) -> LexiconPriors:
        links = dict(self.links)
        for pair, more in other.links.items():
            links[pair] = links.get(pair, 0.0) + more
        return LexiconPriors(links)


def _entries(line: str, place: str) -> Iterator[tuple[tuple[str, str], float]]:
    parts = line.rstrip("\r\n").split("\t")
    if len(parts) not in (2, 3) or not all(split_words(part) for part in parts[:2]):
        raise ValueError(f"{place}: must be a source word, a target word and perhaps a number, separated by tabs")
    lefts, rights = ([form_of(word) for word in split_words(part)] for part in parts[:2])
    links = OF_ENTRY
    if len(parts) == 3:
        try:
            links = float(parts[2])
        except ValueError:
            links = math.nan
        if not 0 < links <= MOST:
            raise ValueError(f"{place}: the number of links ({parts[2].strip()}) must be above 0 and at most {MOST:g}")
    share = links / max(len(lefts), len(rights))  # every word of a phrase may come from each of the other
    for left in lefts:
        for right in rights:
            yield (left, right), share
