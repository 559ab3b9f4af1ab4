"""What is known of a pair of languages before a corpus is aligned: from a larger corpus, or from a dictionary.

A file of priors is text: a line has a source word, a target word and the number of links that they are taken to have,
separated by tabs. A line without a number is an entry of a dictionary, which may have several words on a side. Words
are compared without case and surrounding punctuation. A checkpoint carries the same as arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mt.alignment.word_forms import form_of
from mt.alignment.word_pairs import WordPairs
from mt.words import split_words

OF_ENTRY = 2.0  # links that an entry of a dictionary stands for
LEAST = 0.5  # links that a pair of words must have to be kept
MOST = 1e9  # links; more cannot be told apart
MOST_ARRAYS = 200_000  # pairs of words that arrays hold: some 4 MB with their words


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
        for (left, right), links in self._best_first():
            yield f"{left}\t{right}\t{links:.3f}\n"

    def _best_first(self) -> list[tuple[tuple[str, str], float]]:
        """Most links first, without words that have a tab or another blank in them: they separate words in a file."""
        plain = ((pair, links) for pair, links in self.links.items() if not any(map(_has_blank, pair)))
        return sorted(plain, key=lambda row: (-row[1], row[0]))

    def arrays(self, most: int = MOST_ARRAYS) -> dict[str, np.ndarray]:
        """The `most` pairs with most links as rows of numbers, see `of_arrays`."""
        kept = self._best_first()[:most]
        sides = [list(dict.fromkeys(pair[side] for pair, _ in kept)) for side in (0, 1)]
        places = [{word: place for place, word in enumerate(words)} for words in sides]
        texts = [np.frombuffer("".join(f"{word}\n" for word in words).encode("utf-8"), np.uint8) for words in sides]
        numbers = [np.array([at[pair[side]] for pair, _ in kept], np.int32) for side, at in enumerate(places)]
        links = np.array([links for _, links in kept], np.float32)
        return {
            "source_words": texts[0], "target_words": texts[1],
            "source": numbers[0], "target": numbers[1], "links": links,
        }  # fmt: skip

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], path: str) -> LexiconPriors:
        """From `source_words` and `target_words` (UTF-8, a word a line), and for each pair of words both places and
        the number of links.

        Raises ValueError, beginning with `path`, for arrays that do not go together.
        """
        try:
            sides = [
                arrays[f"{side}_words"].tobytes().decode("utf-8").split("\n")[:-1] for side in ("source", "target")
            ]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: its words are not UTF-8: {error}") from None
        links = arrays["links"]
        if not len(links):
            raise ValueError(f"{path}: there are no words")
        for side, words in zip(("source", "target"), sides, strict=True):
            numbers = arrays[side]
            if len(numbers) != len(links) or not (numbers.min() >= 0 and numbers.max() < len(words)):
                raise ValueError(f"{path}: {side} must have {len(links)} places from 0 to {len(words) - 1}")
        if not ((links > 0) & (links <= MOST)).all():
            raise ValueError(f"{path}: numbers of links must be above 0 and at most {MOST:g}")
        rows = zip(arrays["source"].tolist(), arrays["target"].tolist(), links.tolist(), strict=True)
        return cls({(sides[0][left], sides[1][right]): number for left, right, number in rows})

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


def _has_blank(word: str) -> bool:
    return any(c.isspace() for c in word)


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
