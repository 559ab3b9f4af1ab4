"""A statistical word aligner: learns from the pairs of sentences that it aligns, without a translation model.

`mt/alignment/expectation.py` explains the model: translation probabilities smoothed by stems, spelling and priors, an
HMM of positions, fertility, and both directions trained to agree.

A small corpus is learned from several times, each time with other weights of its pairs of sentences (the Bayesian
bootstrap of Rubin 1981), and the probabilities of links are the mean of all. What only some of the samples believe is
unsure. The same seed gives the same weights, and the same text the same links.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, zip_longest

import numpy as np

from mt.alignment.certainty import Certainty
from mt.alignment.expectation import SPELLING_PRIOR, Counts, Direction, step
from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.links import Link, argmax_links, threshold_links
from mt.alignment.word_forms import FIRST_RATIO, NUM_SPELLINGS
from mt.alignment.word_pairs import Side, WordPairs
from mt.kernels.word_aligner import VECTOR

LONGEST = 200  # words of a side
ITERATIONS = 5  # of each model
UNITS_OF_WORD = 2  # so many times as many characters of scripts without blanks may stand on a side
MOST_SAMPLES = 8
CELLS_OF_SAMPLES = 12_000_000  # pairs of words in sentences, of all samples together: a corpus of more has one sample
AT_ONCE = 10_000  # pairs of sentences whose links are found together
JUDGED = 20_000  # pairs of sentences from which threshold and expected error rate are estimated

# T target words, S source words, K kinds of pairs of words


class StatisticalAligner:
    """Learns from the pairs that it aligns.

        aligner = StatisticalAligner(sources, targets).fit()
        for links in aligner.links(): ...

    `sources` and `targets`: the words of each sentence; they are read once. Sentences with a blank side have no links;
    pairs of more than `longest` words on a side are left out, too; `num_left_out` counts both. `priors`: what other
    text or a dictionary says; `num_priors` pairs of words of this text are known from them. `has_spelling` is False
    for numbers of words, whose digits say nothing. Raises ValueError for different numbers of sources and targets, and
    if no pair is left.
    """

    def __init__(
        self,
        sources: Iterable[Sequence[str]],
        targets: Iterable[Sequence[str]],
        *,
        priors: LexiconPriors | None = None,
        longest: int = LONGEST,
        has_spelling: bool = True,
    ):
        source, target = (Side(has_spelling=has_spelling) for _ in range(2))
        self.lengths: list[tuple[int, int]] = []
        self.num_left_out = 0
        for words, others in _pairs(sources, targets):
            self.lengths.append((len(words), len(others)))
            is_left_out = any(
                not 0 < len(side) <= longest or Side.num_units(side) > UNITS_OF_WORD * longest
                for side in (words, others)
            )
            self.num_left_out += is_left_out
            source.add([] if is_left_out else words)
            target.add([] if is_left_out else others)
        if self.num_left_out == len(self.lengths):
            raise ValueError(f"sentence pairs with 1 to {longest} words on each side (0) must be at least 1")
        source.finish()
        target.finish()
        self.pairs = WordPairs.of(source, target)
        most = int(max(source.lengths.max(), target.lengths.max()))
        longest = -(-most // VECTOR) * VECTOR  # whole vectors for the kernel
        posteriors = np.zeros((2, len(self.pairs.kind)), dtype=np.float32)
        self._forward = Direction(source, target, longest, posteriors[0])
        self._backward = Direction(target, source, longest, posteriors[1])
        self._cells_K = np.bincount(self.pairs.kind, minlength=len(self.pairs.kind_source_K))
        self._links_K = np.zeros(len(self._cells_K))
        self._prior_K = np.zeros(len(self._cells_K))
        self._certainty: Certainty | None = None
        if priors is not None:
            self._prior_K = priors.counts(self.pairs)
        self.num_priors = int(np.count_nonzero(self._prior_K))

    def fit(
        self,
        *,
        model1_iterations: int = ITERATIONS,
        hmm_iterations: int = ITERATIONS,
        fertility_iterations: int = ITERATIONS,
        samples: int | None = None,
        seed: int = 1,
        tell: Callable[[str], None] | None = None,
    ) -> StatisticalAligner:
        """Learns; `tell` is called with a line for every sample. `samples`: None takes as many as the size needs."""
        models = (
            (model1_iterations, {"has_jumps": False, "has_fertility": False}),
            (hmm_iterations, {"has_jumps": True, "has_fertility": False}),
            (fertility_iterations, {"has_jumps": True, "has_fertility": True}),
        )
        samples, random = samples or num_samples(len(self.pairs.kind)), np.random.default_rng(seed)
        directions, links_K = (self._forward, self._backward), np.zeros_like(self._links_K)
        means = [np.zeros_like(direction.posterior) for direction in directions] if samples > 1 else []
        for number in range(1, samples + 1):
            weight_P = random.exponential(size=len(self.pairs)) if samples > 1 else np.ones(len(self.pairs))
            self._links_K[:] = 0
            for direction in directions:
                direction.forget()
            for iterations, model in models:
                for _ in range(iterations):
                    self._step(weight_P.astype(np.float32), **model)
            links_K += self._links_K / samples
            for mean, direction in zip(means, directions, strict=False):
                mean += direction.posterior / np.float32(samples)
            if tell:
                tell(f"sample {number} of {samples}")
        self._links_K = links_K
        for mean, direction in zip(means, directions, strict=False):
            direction.posterior = mean
        self._certainty = None
        return self

    def posteriors(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(forward_TS, backward_ST) of every pair, in order: the probability that a word comes from each other word.

        Rows sum to at most one: the rest is the probability of no word. Pairs that were left out have zeros.
        """
        start = self.pairs.cell_start
        for number, (S, T) in enumerate(self.lengths):
            if start[number] == start[number + 1]:
                yield np.zeros((T, S), dtype=np.float32), np.zeros((S, T), dtype=np.float32)
                continue
            cells, lengths = (
                slice(start[number], start[number + 1]),
                (self.pairs.target.lengths, self.pairs.source.lengths),
            )
            shape = tuple(int(side[number]) for side in lengths)
            forward_TS = self._forward.posterior[cells].reshape(shape)
            backward_ST = self._backward.posterior[cells].reshape(shape).T
            words_T, words_S = (_first_units(side, number) for side in (self.pairs.target, self.pairs.source))
            yield _of_words(forward_TS, words_T, words_S), _of_words(backward_ST, words_S, words_T)

    def links(self, threshold: float | None = None) -> Iterator[set[Link]]:
        """Links (source, target) of every pair: those that are at least as probable as `threshold`.

        A link's probability is the mean of both directions'. None takes the threshold whose links have the least
        expected error rate.
        """
        least = self.certainty.threshold if threshold is None else threshold
        if self.pairs.source.word_of is not None or self.pairs.target.word_of is not None:
            yield from (soft_links(posteriors, least) for posteriors in self.posteriors())
            return
        start = self.pairs.cell_start
        for first in range(0, len(self.pairs), AT_ONCE):
            last = min(first + AT_ONCE, len(self.pairs))
            some = slice(start[first], start[last])
            mean = (self._forward.posterior[some] + self._backward.posterior[some]) / 2
            cells = np.flatnonzero(mean >= least) + start[first]
            number = np.searchsorted(start, cells, side="right") - 1
            target, source = np.divmod(cells - start[number], self.pairs.source.lengths[number])
            ends = np.searchsorted(number, np.arange(first, last), side="right").tolist()
            both = list(zip(source.tolist(), target.tolist(), strict=True))
            yield from (set(both[begin:end]) for begin, end in zip([0, *ends[:-1]], ends, strict=True))

    @property
    def certainty(self) -> Certainty:
        """The threshold for links, and the error rate that is to be expected of them."""
        if self._certainty is None:
            self._certainty = self.certainty_of(JUDGED)
        return self._certainty

    def certainty_of(self, count: int, threshold: float | None = None) -> Certainty:
        """The same of the first `count` pairs, and of links of at least `threshold`, if one is given."""
        count = min(count, len(self.pairs))
        if self.pairs.source.word_of is None and self.pairs.target.word_of is None:
            last = int(self.pairs.cell_start[count])
            mean = (self._forward.posterior[:last] + self._backward.posterior[:last]) / 2
            num_words = int(self.pairs.source.starts[count] + self.pairs.target.starts[count])
        else:
            both = [(forward, backward) for forward, backward in islice(self.posteriors(), count) if forward.any()]
            num_words = sum(sum(forward.shape) for forward, _ in both)
            mean = np.concatenate([np.zeros(0), *((one + other.T).ravel() / 2 for one, other in both)])
        return Certainty.of(mean, num_words, threshold)

    def priors(self) -> LexiconPriors:
        """What was learned, for other text of the same languages."""
        forms = self.pairs.source.forms, self.pairs.target.forms
        return LexiconPriors.of(*forms, self.pairs.kind_source_K, self.pairs.kind_target_K, self._links_K)

    def _step(self, weight_P: np.ndarray, *, has_jumps: bool, has_fertility: bool) -> None:
        """One step of both directions."""
        pairs, directions = self.pairs, (self._forward, self._backward)
        links_K = self._links_K + self._prior_K
        for direction, kind_K in zip(directions, (pairs.kind_source_K, pairs.kind_target_K), strict=True):
            direction.count(links_K, kind_K)
        of_stems = np.bincount(pairs.stem_kind_K, links_K, minlength=pairs.num_stem_kinds)
        counts = Counts(links_K.astype(np.float32), of_stems.astype(np.float32), self._spelling_ratio())
        self._links_K, *sums = step(
            pairs, counts, *directions, weight_P, has_jumps=has_jumps, has_fertility=has_fertility
        )
        for direction, sum_ in zip(directions, sums, strict=True):
            direction.learn(sum_)

    def _spelling_ratio(self) -> np.ndarray:
        """How many times more of the links than of all other pairs of words are of each class of spelling."""
        links = np.bincount(self.pairs.spelling_K, self._links_K, minlength=NUM_SPELLINGS)
        cells = np.bincount(self.pairs.spelling_K, self._cells_K, minlength=NUM_SPELLINGS)
        others = np.maximum(cells - links, 0)
        expected = others * (links.sum() / max(others.sum(), 1))
        return np.clip((links + SPELLING_PRIOR * FIRST_RATIO) / (expected + SPELLING_PRIOR), 0.05, 1000).astype(
            np.float32
        )


def num_samples(num_cells: int) -> int:
    """How many samples a corpus of so many pairs of words in sentences needs: more if it is small."""
    return int(np.clip(CELLS_OF_SAMPLES // max(num_cells, 1), 1, MOST_SAMPLES))


def links_of(posteriors: tuple[np.ndarray, np.ndarray]) -> tuple[set[Link], set[Link]]:
    """(forward, backward) links (source, target) of a pair: each word's most likely, unless no word is more likely."""
    forward_TS, backward_ST = posteriors
    backward = _likeliest(backward_ST)
    return _likeliest(forward_TS), {(source, target) for target, source in backward}


def soft_links(posteriors: tuple[np.ndarray, np.ndarray], threshold: float) -> set[Link]:
    """Links (source, target) of a pair whose mean probability in both directions is at least `threshold`."""
    forward_TS, backward_ST = posteriors
    return threshold_links((forward_TS + backward_ST.T) / 2, threshold)


def _first_units(side: Side, number: int) -> np.ndarray | None:
    """Where each word of a sentence begins among its units; None where words are units."""
    if side.word_of is None:
        return None
    return np.flatnonzero(np.diff(side.word_of[side.starts[number] : side.starts[number + 1]], prepend=-1))


def _of_words(share: np.ndarray, rows: np.ndarray | None, columns: np.ndarray | None) -> np.ndarray:
    """From the links of units to those of words: the mean over a row's units of the sums over a column's."""
    if columns is not None:
        share = np.add.reduceat(share, columns, axis=1)
    if rows is not None:
        counts = np.diff(rows, append=len(share))
        share = np.add.reduceat(share, rows, axis=0) / counts[:, None].astype(np.float32)
    return share


def _likeliest(share: np.ndarray) -> set[Link]:
    rest = 1.0 - share.sum(axis=1)
    return {(place, row) for place, row in argmax_links(share) if share[row, place] > rest[row]}


def _pairs(
    sources: Iterable[Sequence[str]], targets: Iterable[Sequence[str]]
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Pairs of sentences. Raises ValueError for different numbers of them."""
    missing = object()
    for number, (source, target) in enumerate(zip_longest(sources, targets, fillvalue=missing)):
        if source is missing or target is missing:
            raise ValueError(f"sources and targets must be equally many sentences; one side has only {number}")
        yield source, target  # type: ignore[misc]  # neither is missing
