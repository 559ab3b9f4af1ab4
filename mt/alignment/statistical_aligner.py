"""A statistical word aligner in numpy: IBM Model 1, then an HMM, with both directions trained to agree.

Model 1 (Brown et al. 1993): every target word comes from one source word or from none, all equally likely. HMM (Vogel
et al. 1996, with the empty words of Och and Ney 2003): the source position also depends on that of the word before:
p(t | s) * p(jump). Agreement (Liang et al. 2006): the expectations of both directions are multiplied,
p(link) = p(link | source -> target) * p(link | target -> source), and both learn from the product. Translation
probabilities have a sparse Dirichlet prior (variational Bayes, Riley and Gildea 2012).

Words are compared without case and surrounding punctuation. Training takes 12 bytes for each pair of words in each pair
of sentences, and 32 for a short time before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mt.alignment.links import Link, argmax_links, threshold_links
from mt.alignment.symmetrize import soft_product

# B pairs of sentences of S source and T target words; K distinct pairs of words; "from" and "into": the given and the
# generated words of a direction

NULL = 0.1  # share of words that come from no word
PRIOR = 0.2  # of the Dirichlet distribution: below 1 is sparse; chosen on 37 sentences of the Hansards
UNIFORM = 0.05  # share of jumps that are uniform over positions
THRESHOLD = 0.4  # of the soft product of both directions, above which there is a link
PUNCTUATION = ".,;:!?…\"'„“”»«()[]"
AT_ONCE = 1 << 24  # word pairs that are counted at once


@dataclass(frozen=True)
class _Group:
    """Pairs of sentences of the same lengths, and where their word pairs lie among all (B * T * S, in that order)."""

    numbers_B: np.ndarray
    source_BS: np.ndarray
    target_BT: np.ndarray
    place: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.numbers_B), self.target_BT.shape[1], self.source_BS.shape[1]


class StatisticalAligner:
    """Learns from the pairs that it aligns.

        aligner = StatisticalAligner(sources, targets).fit()
        for forward_TS, backward_ST in aligner.posteriors(): ...

    `sources` and `targets`: the words of each sentence. Sentences with a blank side have no links; pairs of more than
    `longest` words on a side are left out, too; `num_left_out` counts both. Raises ValueError for different numbers of
    sources and targets, and if no pair is left.
    """

    def __init__(self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]], *, longest: int = 200):
        if len(sources) != len(targets):
            raise ValueError(f"sources ({len(sources)}) and targets ({len(targets)}) must be equally many sentences")
        self.lengths = [(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
        source_ids, self._num_sources = _numbered(sources)
        target_ids, self._num_targets = _numbered(targets)
        members: dict[tuple[int, int], list[int]] = {}
        for number, (S, T) in enumerate(self.lengths):
            if 0 < S <= longest and 0 < T <= longest:
                members.setdefault((S, T), []).append(number)
        if not members:
            raise ValueError(f"sentence pairs with 1 to {longest} words on each side (0) must be at least 1")
        self.num_left_out = len(sources) - sum(map(len, members.values()))
        self._groups, start = [], 0
        for (S, T), numbers in sorted(members.items()):
            place = slice(start, start + len(numbers) * S * T)
            self._groups.append(
                _Group(
                    np.array(numbers),
                    np.array([source_ids[number] for number in numbers], dtype=np.int32),
                    np.array([target_ids[number] for number in numbers], dtype=np.int32),
                    place,
                )
            )
            start = place.stop
        self._kinds, keys_K = self._word_pairs(start)
        self._source_K = (keys_K // self._num_targets).astype(np.int32)
        self._target_K = (keys_K % self._num_targets).astype(np.int32)
        self._forward = _Direction(self._source_K, self._num_sources, self._num_targets, longest)
        self._backward = _Direction(self._target_K, self._num_targets, self._num_sources, longest)
        self._links_forward = np.empty(start, dtype=np.float32)
        self._links_backward = np.empty(start, dtype=np.float32)

    def fit(
        self,
        *,
        model1_iterations: int = 5,
        hmm_iterations: int = 5,
        tell: Callable[[str], None] | None = None,
    ) -> StatisticalAligner:
        """Learns; `tell` is called with a line for every iteration. Posteriors are those of the last model."""
        for model, iterations in ((_model1, model1_iterations), (_hmm, hmm_iterations)):
            for number in range(1, iterations + 1):
                self._expect(model)
                self._learn()
                if tell:
                    tell(f"{model.__name__.strip('_')} {number}/{iterations}")
        self._expect(_hmm if hmm_iterations else _model1)
        return self

    def posteriors(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(forward_TS, backward_ST) of every pair, in order: the probability that a word comes from each other word.

        Rows sum to at most one: the rest is the probability of no word. Pairs that were left out have zeros.
        """
        of_pair = {int(number): (group, row) for group in self._groups for row, number in enumerate(group.numbers_B)}
        for number, (S, T) in enumerate(self.lengths):
            if number not in of_pair:
                yield np.zeros((T, S), dtype=np.float32), np.zeros((S, T), dtype=np.float32)
                continue
            group, row = of_pair[number]
            forward_BTS = self._links_forward[group.place].reshape(group.shape)
            backward_BTS = self._links_backward[group.place].reshape(group.shape)
            yield forward_BTS[row], backward_BTS[row].T

    def _word_pairs(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """For every pair of words in every sentence pair the number of its kind, and the key of each kind."""
        keys = np.empty(count, dtype=np.int64)
        for group in self._groups:
            both_BTS = group.source_BS[:, None, :].astype(np.int64) * self._num_targets + group.target_BT[:, :, None]
            keys[group.place] = both_BTS.ravel()
        order = np.argsort(keys)
        keys = keys[order]
        is_new = np.empty(count, dtype=bool)
        is_new[0] = True
        np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
        kinds = np.empty(count, dtype=np.int32)
        kinds[order] = np.cumsum(is_new, dtype=np.int32) - 1
        return kinds, keys[is_new]

    def _expect(self, model: Callable) -> None:
        forward, backward = self._forward, self._backward
        for direction in (forward, backward):
            direction.jumps.forget()
        for group in self._groups:
            kinds_BTS = self._kinds[group.place].reshape(group.shape)
            found_BTS = model(forward, forward.table_K[kinds_BTS], forward.null[group.target_BT])
            back_BST = model(backward, backward.table_K[kinds_BTS].transpose(0, 2, 1), backward.null[group.source_BS])
            self._links_forward[group.place] = found_BTS.ravel()
            self._links_backward[group.place] = back_BST.transpose(0, 2, 1).ravel()

    def _learn(self) -> None:
        counts_K = np.zeros(len(self._source_K))
        for start in range(0, len(self._kinds), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            agreed = self._links_forward[some] * self._links_backward[some]
            counts_K += np.bincount(self._kinds[some], agreed, minlength=len(counts_K))
        nulls_forward, nulls_backward = np.zeros(self._num_targets), np.zeros(self._num_sources)
        for group in self._groups:
            agreed_BTS = (self._links_forward[group.place] * self._links_backward[group.place]).reshape(group.shape)
            for nulls, words, axis in ((nulls_forward, group.target_BT, 2), (nulls_backward, group.source_BS, 1)):
                rest = np.maximum(1.0 - agreed_BTS.sum(axis=axis), 0.0)
                np.add.at(nulls, words.ravel(), rest.ravel())
        self._forward.learn(counts_K, nulls_forward)
        self._backward.learn(counts_K, nulls_backward)


def links_of(posteriors: tuple[np.ndarray, np.ndarray]) -> tuple[set[Link], set[Link]]:
    """(forward, backward) links (source, target) of a pair: each word's most likely, unless no word is more likely."""
    forward_TS, backward_ST = posteriors
    backward = _likeliest(backward_ST)
    return _likeliest(forward_TS), {(source, target) for target, source in backward}


def soft_links(posteriors: tuple[np.ndarray, np.ndarray], threshold: float = THRESHOLD) -> set[Link]:
    """Links (source, target) of a pair whose soft product of both directions is at least `threshold`."""
    return threshold_links(soft_product(*posteriors), threshold)


def _likeliest(share: np.ndarray) -> set[Link]:
    rest = 1.0 - share.sum(axis=1)
    return {(place, row) for place, row in argmax_links(share) if share[row, place] > rest[row]}


class _Direction:
    """The parameters of one direction: p(into | from) by word pair, p(into | none), and p(jump)."""

    def __init__(self, from_K: np.ndarray, num_from: int, num_into: int, longest: int):
        self.from_K, self.num_from, self.num_into = from_K, num_from, num_into
        self.table_K = np.full(len(from_K), 1.0 / num_into, dtype=np.float32)
        self.null = np.full(num_into, 1.0 / num_into, dtype=np.float32)
        self.jumps = _Jumps(longest)

    def learn(self, counts_K: np.ndarray, null_counts: np.ndarray) -> None:
        kinds_of_from = np.bincount(self.from_K, minlength=self.num_from)
        totals = np.bincount(self.from_K, counts_K, minlength=self.num_from) + PRIOR * kinds_of_from
        self.table_K = (_exp_digamma(counts_K + PRIOR) / _exp_digamma(totals)[self.from_K]).astype(np.float32)
        self.null = ((null_counts + PRIOR) / (null_counts.sum() + PRIOR * self.num_into)).astype(np.float32)
        self.jumps.learn()


class _Jumps:
    """p(jump): the distance from the source of a word to the source of the next (first word: from position -1)."""

    def __init__(self, longest: int) -> None:
        self.share = np.ones(2 * longest + 3)
        self.forget()

    def forget(self) -> None:
        self.counts = np.zeros(len(self.share))

    def learn(self) -> None:
        if self.counts.any():
            self.share = (self.counts + 1e-3) / (self.counts.sum() + 1e-3 * len(self.counts))

    def of(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """(first_S, next_SS from row to column), each a distribution over `length` words."""
        middle = len(self.share) // 2
        places = np.arange(length)
        jumps = self.share[middle + places[None, :] - places[:, None]]
        first = self.share[middle + places + 1]
        jumps = jumps / jumps.sum(axis=1, keepdims=True)
        first = first / first.sum()
        return (
            ((1 - UNIFORM) * first + UNIFORM / length).astype(np.float32),
            ((1 - UNIFORM) * jumps + UNIFORM / length).astype(np.float32),
        )

    def count(self, first_S: np.ndarray, next_SS: np.ndarray) -> None:
        middle, length = len(self.share) // 2, len(first_S)
        places = np.arange(length)
        self.counts[middle + 1 : middle + 1 + length] += first_S
        distances = (places[None, :] - places[:, None]).ravel() + middle
        self.counts += np.bincount(distances, next_SS.ravel(), minlength=len(self.counts))


def _model1(_direction: _Direction, table_BTS: np.ndarray, null_BT: np.ndarray) -> np.ndarray:
    """p(target word comes from source word) of Model 1."""
    likely_BTS = table_BTS * ((1 - NULL) / table_BTS.shape[2])
    return likely_BTS / (likely_BTS.sum(axis=2) + NULL * null_BT)[:, :, None]


def _hmm(direction: _Direction, table_BTS: np.ndarray, null_BT: np.ndarray) -> np.ndarray:
    """The same of the HMM, by forward and backward passes; counts the jumps.

    A word that comes from no word keeps the position of the word before it (Och and Ney 2003).
    """
    B, T, S = table_BTS.shape
    first_S, next_SS = direction.jumps.of(S)
    likely_BTS = np.ascontiguousarray(table_BTS) * (1 - NULL)
    none_BT1 = (null_BT * NULL)[:, :, None]
    real_BTS, null_BTS = np.empty_like(likely_BTS), np.empty_like(likely_BTS)
    scale_BT1 = np.empty((B, T, 1), dtype=np.float32)
    for t in range(T):
        if t:
            before_BS = real_BTS[:, t - 1] + null_BTS[:, t - 1]
            real_BS, null_BS = before_BS @ next_SS * likely_BTS[:, t], before_BS * none_BT1[:, t]
        else:
            real_BS, null_BS = first_S * likely_BTS[:, 0], np.repeat(none_BT1[:, 0] / S, S, axis=1)
        scale_BT1[:, t, 0] = (real_BS + null_BS).sum(axis=1)
        real_BTS[:, t], null_BTS[:, t] = real_BS / scale_BT1[:, t], null_BS / scale_BT1[:, t]
    after_BS = np.ones((B, S), dtype=np.float32)
    ahead_BTS = np.empty_like(likely_BTS)  # probability of word t at each position and of all later words
    found_BTS = np.empty_like(likely_BTS)
    for t in range(T - 1, -1, -1):
        found_BTS[:, t] = real_BTS[:, t] * after_BS
        ahead_BTS[:, t] = likely_BTS[:, t] * after_BS / scale_BT1[:, t]
        if t:
            after_BS = ahead_BTS[:, t] @ next_SS.T + none_BT1[:, t] / scale_BT1[:, t] * after_BS
    if T > 1:
        before = (real_BTS + null_BTS)[:, :-1].reshape(-1, S)
        jumps_SS = before.T @ ahead_BTS[:, 1:].reshape(-1, S) * next_SS
    else:
        jumps_SS = np.zeros((S, S), dtype=np.float32)
    direction.jumps.count(found_BTS[:, 0].sum(axis=0), jumps_SS)
    return found_BTS


def _numbered(sentences: Sequence[Sequence[str]]) -> tuple[list[list[int]], int]:
    """Words as numbers from 0, and how many there are."""
    known: dict[str, int] = {}
    numbered = [[known.setdefault(_folded(word), len(known)) for word in sentence] for sentence in sentences]
    return numbered, max(1, len(known))


def _folded(word: str) -> str:
    return word.casefold().strip(PUNCTUATION) or word


def _exp_digamma(x: np.ndarray) -> np.ndarray:
    """exp(digamma(x)) for x > 0 to four digits: exp(digamma(x + 2)) ~ x + 1.5, moved down by the recurrence."""
    further = x + 2.0
    digamma = np.log(further) - 0.5 / further - 1.0 / (12.0 * further * further)
    return np.exp(np.maximum(digamma - 1.0 / x - 1.0 / (x + 1.0), -80.0))
