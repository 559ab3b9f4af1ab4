"""The model of the statistical aligner: one step of its training, as formulas in numpy.

In each direction, given words make the words of the other side. p(new word | given word) is the number of times that
both were linked, smoothed by a Dirichlet prior. Its base is the same of their stems; the base of that is the share of
the new word among all, times how much more often pairs with such a spelling are linked than others:

    p(t | s) = (n(s, t) + a p(t | stem of s)) / (n(s) + a)
    p(t | stem of s) = (n(stem of s, stem of t) p(t | stem of t) + b p(t) r(spelling of s and t)) / (n(stem of s) + b)

So larger classes help where there is little text, and priors weigh less the more text there is. The cell's own part of
each count is left out, as a Gibbs sampler leaves it out (collapsed variational inference of order 0, Asuncion et al.
2009): no rare word believes in a link because of that link.

Positions are an HMM (Vogel et al. 1996) with empty words (Och and Ney 2003): a word that comes from no word keeps the
position of the word before it. Fertility (Brown et al. 1993; Östling and Tiedemann 2016) is the number k of words that
come from s. By mean field, a link's probability is multiplied by exp E[log p(k + 1 | s) / p(k | s)], k being the number
of links that the given word has with other words.

Counts are shared by both directions. They are the product of both probabilities, p(link | forward) p(link | backward),
so the directions are trained to agree (Liang et al. 2006).

mt/kernels/word_aligner.c does the same a pair of sentences at a time, and is fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mt.alignment.word_pairs import Side, WordPairs
from mt.kernels import word_aligner

# B pairs of sentences of the same lengths, R new words, C given words, F classes of fertility, V given words, K kinds

FERTILITIES = 5  # 0, 1, 2, 3, and 4 or more
WORD_PRIOR, STEM_PRIOR = 1.0, 2.0  # a and b above
NULL = 0.1  # share of words that come from no word
JUMP_PRIOR = 20.0  # jumps that are taken to be seen, of exp(-|distance - 1| / 2) each
FERTILITY_PRIOR = 1.0  # given words that are taken to be seen, of the fertilities of all words
SPELLING_PRIOR = 5.0  # links that are taken to be seen, of each class of spelling
LEAST = np.float32(1e-30)


@dataclass(eq=False)
class Direction:
    """The parameters of one direction, and the probability of each cell's link."""

    given: Side
    new: Side
    longest: int
    posterior: np.ndarray  # of each cell
    jump: np.ndarray = field(init=False)  # weight of each distance, from -longest - 1
    null: np.ndarray = field(init=False)  # p(new word | no word)
    fertility_VF: np.ndarray = field(init=False)  # how often a given word has had k links
    fertility_prior: np.ndarray = field(init=False)  # the same of words that were never seen
    given_count: np.ndarray = field(init=False)  # links of each given word
    given_stem_count: np.ndarray = field(init=False)  # links of all words of its stem

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Sets all parameters to what they are before any text is read."""
        self.posterior[:] = 0
        self.jump = np.ones(2 * self.longest + 3, dtype=np.float32)
        self.null = self.new.share.astype(np.float32)
        self.fertility_VF = np.zeros((len(self.given.forms), FERTILITIES), dtype=np.float32)
        self.fertility_prior = np.full(FERTILITIES, FERTILITY_PRIOR / FERTILITIES, dtype=np.float32)

    def count(self, links_K: np.ndarray, given_K: np.ndarray) -> None:
        """Takes the number of links of each kind."""
        counts = np.bincount(given_K, links_K, minlength=len(self.given.forms))
        self.given_count = counts.astype(np.float32)
        self.given_stem_count = self.given.by_stem(counts)[self.given.stem].astype(np.float32)

    def learn(self, sums: Sums) -> None:
        """Takes what a step has summed."""
        self.null = ((sums.null + self.new.share) / (sums.null.sum() + 1)).astype(np.float32)
        if sums.jump.any():
            distance = np.arange(len(sums.jump)) - self.longest - 1
            jump = sums.jump + JUMP_PRIOR * np.exp(-np.abs(distance - 1) / 2) + 1e-2 + 1e-4 * sums.jump.mean()
            self.jump = (jump / jump.sum()).astype(np.float32)
        # a probability a little above 1 by rounding makes the number of words without links a little negative
        of_all = np.maximum(sums.fertility_VF.sum(axis=0), 0) + 1e-3
        self.fertility_prior = (FERTILITY_PRIOR * of_all / of_all.sum()).astype(np.float32)
        self.fertility_VF = sums.fertility_VF.astype(np.float32)


@dataclass(eq=False)
class Sums:
    """What a step sums for one direction."""

    jump: np.ndarray
    null: np.ndarray
    fertility_VF: np.ndarray
    log_likelihood: float = 0.0

    @classmethod
    def empty(cls, direction: Direction) -> Sums:
        fertility_VF = np.zeros((len(direction.given.forms), FERTILITIES))
        return cls(np.zeros(len(direction.jump)), np.zeros(len(direction.new.forms)), fertility_VF)


@dataclass(frozen=True, eq=False)
class Counts:
    """Numbers of links: of pairs of words, and of pairs of stems; and what a pair's class of spelling is worth."""

    of_pair_K: np.ndarray
    of_stems: np.ndarray
    spelling_ratio: np.ndarray


def step(
    pairs: WordPairs,
    counts: Counts,
    forward: Direction,
    backward: Direction,
    weight_P: np.ndarray,
    *,
    has_jumps: bool,
    has_fertility: bool,
) -> tuple[np.ndarray, Sums, Sums]:
    """`step_in_numpy`, by the kernel where there is one."""
    how = {"has_jumps": has_jumps, "has_fertility": has_fertility}
    if not word_aligner.is_there():
        return step_in_numpy(pairs, counts, forward, backward, weight_P, **how)
    sums = Sums.empty(forward), Sums.empty(backward)
    of_kind_K4 = np.zeros((len(pairs.kind_source_K), 4), dtype=np.float32)  # beside each other: read together
    of_kind_K4[:, 0] = counts.of_pair_K
    of_kind_K4[:, 1] = counts.of_stems[pairs.stem_kind_K]
    of_kind_K4[:, 2] = counts.spelling_ratio[pairs.spelling_K]
    corpus = word_aligner.filled(
        word_aligner.Corpus,
        num_pairs=len(pairs), longest=forward.longest, source_start=pairs.source.starts,
        target_start=pairs.target.starts, cell_start=pairs.cell_start, source=pairs.source.ids, target=pairs.target.ids,
        kind=pairs.kind, weight=weight_P, of_kind=of_kind_K4,
        word_prior=WORD_PRIOR, stem_prior=STEM_PRIOR, null_share=NULL,
    )  # fmt: skip
    directions = (
        word_aligner.filled(
            word_aligner.Direction,
            given_count=each.given_count, given_stem_count=each.given_stem_count,
            share=each.new.share.astype(np.float32),
            share_in_stem=each.new.share_in_stem.astype(np.float32), null=each.null,
            fertility=each.fertility_VF, fertility_prior=each.fertility_prior, jump=each.jump, posterior=each.posterior,
            jump_sum=sum_.jump, null_sum=sum_.null, fertility_sum=sum_.fertility_VF,
        )
        for each, sum_ in zip((forward, backward), sums, strict=True)
    )  # fmt: skip
    likelihoods = word_aligner.align_step(
        corpus, *directions, longest=forward.longest, has_jumps=has_jumps, has_fertility=has_fertility
    )
    for sum_, likelihood in zip(sums, likelihoods, strict=True):
        sum_.log_likelihood = likelihood
    return of_kind_K4[:, 3].astype(np.float64), *sums


def step_in_numpy(
    pairs: WordPairs,
    counts: Counts,
    forward: Direction,
    backward: Direction,
    weight_P: np.ndarray,
    *,
    has_jumps: bool,
    has_fertility: bool,
) -> tuple[np.ndarray, Sums, Sums]:
    """New posteriors in both directions, in place. Returns the new number of links of each kind, and the sums."""
    links_K, sums = np.zeros(len(pairs.kind_source_K)), (Sums.empty(forward), Sums.empty(backward))
    for numbers_B, S, T in _groups(pairs):
        cells_BTS = pairs.cell_start[numbers_B][:, None, None] + np.arange(T * S).reshape(T, S)
        source_BS = pairs.source.ids[pairs.source.starts[numbers_B][:, None] + np.arange(S)]
        target_BT = pairs.target.ids[pairs.target.starts[numbers_B][:, None] + np.arange(T)]
        weight_B = weight_P[numbers_B]
        own_BTS = forward.posterior[cells_BTS] * backward.posterior[cells_BTS] * weight_B[:, None, None]
        views = ((forward, cells_BTS, source_BS, target_BT), (backward, cells_BTS.swapaxes(1, 2), target_BT, source_BS))
        for (direction, cells_BRC, given_BC, new_BR), own, sum_ in zip(
            views, (own_BTS, own_BTS.swapaxes(1, 2)), sums, strict=True
        ):
            kinds_BRC = pairs.kind[cells_BRC]
            emission_BRC = _emission(pairs, counts, direction, kinds_BRC, own, given_BC, new_BR)
            if has_fertility:
                emission_BRC *= _fertility_factor(direction, direction.posterior[cells_BRC], given_BC, weight_B)
            null_BR = NULL * direction.null[new_BR]
            found_BRC = (_hmm if has_jumps else _model1)(direction, emission_BRC, null_BR, weight_B, sum_)
            direction.posterior[cells_BRC] = found_BRC
            np.add.at(sum_.null, new_BR, weight_B[:, None] * np.maximum(1 - found_BRC.sum(axis=2), 0))
            np.add.at(sum_.fertility_VF, given_BC, weight_B[:, None, None] * _column_counts(found_BRC)[0][-1])
        agreed_BTS = forward.posterior[cells_BTS] * backward.posterior[cells_BTS] * weight_B[:, None, None]
        links_K += np.bincount(pairs.kind[cells_BTS].ravel(), agreed_BTS.ravel(), minlength=len(links_K))
    return links_K, *sums


def _groups(pairs: WordPairs) -> Iterator[tuple[np.ndarray, int, int]]:
    """(numbers of pairs, S, T): pairs of the same lengths, a bounded number of cells together."""
    S_P, T_P = pairs.source.lengths, pairs.target.lengths
    order = np.lexsort((T_P, S_P))
    order = order[(S_P[order] > 0) & (T_P[order] > 0)]
    ends = np.flatnonzero(np.diff(S_P[order]) | np.diff(T_P[order])) + 1
    for group in np.split(order, ends) if len(order) else []:
        S, T = int(S_P[group[0]]), int(T_P[group[0]])
        most = max(1, (1 << 20) // (S * T))
        for start in range(0, len(group), most):
            yield group[start : start + most], S, T


def _emission(pairs, counts, direction, kinds_BRC, own_BRC, given_BC, new_BR) -> np.ndarray:
    """(1 - NULL) p(new word | given word) of each cell, its own part left out of the counts."""

    def others(count: np.ndarray) -> np.ndarray:
        return np.maximum(count - own_BRC, 0)

    share_BR1 = direction.new.share.astype(np.float32)[new_BR][:, :, None]
    in_stem_BR1 = direction.new.share_in_stem.astype(np.float32)[new_BR][:, :, None]
    stems_BRC = others(counts.of_stems[pairs.stem_kind_K[kinds_BRC]]) * in_stem_BR1
    base_BRC = np.float32(STEM_PRIOR) * share_BR1 * counts.spelling_ratio[pairs.spelling_K[kinds_BRC]]
    of_stem_BRC = others(direction.given_stem_count[given_BC][:, None, :]) + np.float32(STEM_PRIOR)
    back_off_BRC = (stems_BRC + base_BRC) / of_stem_BRC
    count_BRC = others(counts.of_pair_K[kinds_BRC]) + np.float32(WORD_PRIOR) * back_off_BRC
    total_BRC = others(direction.given_count[given_BC][:, None, :]) + np.float32(WORD_PRIOR)
    return np.float32(1 - NULL) * count_BRC / total_BRC


def _column_counts(posterior_BRC: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each row the probabilities of k links (B, C, F) of a column with rows before it, and with the others."""

    def with_row(sum_BCF: np.ndarray, p_BC1: np.ndarray) -> np.ndarray:
        more_BCF = sum_BCF * (1 - p_BC1)
        more_BCF[..., 1:] += sum_BCF[..., :-1] * p_BC1
        more_BCF[..., -1] += sum_BCF[..., -1] * p_BC1[..., 0]
        return more_BCF

    B, R, C = posterior_BRC.shape
    none_BCF = np.zeros((B, C, FERTILITIES), dtype=np.float32)
    none_BCF[..., 0] = 1
    before, after = [none_BCF], [none_BCF]
    for j in range(R):
        before.append(with_row(before[-1], posterior_BRC[:, j, :, None]))
        after.append(with_row(after[-1], posterior_BRC[:, R - 1 - j, :, None]))
    return before, after[::-1]


def _fertility_factor(
    direction: Direction, posterior_BRC: np.ndarray, given_BC: np.ndarray, weight_B: np.ndarray
) -> np.ndarray:
    """exp E[log p(k + 1) / p(k)] of each cell, k being the number of links of its column in other rows.

    What the pair of sentences itself adds to p(k) is left out.
    """
    before, after = _column_counts(posterior_BRC)
    others_BCF = (
        np.maximum(direction.fertility_VF[given_BC] - weight_B[:, None, None] * before[-1], 0)
        + direction.fertility_prior
    )
    ratio_BCF = np.diff(np.log(others_BCF), axis=2)
    ratio_BCF = np.concatenate([ratio_BCF, ratio_BCF[..., -1:]], axis=2)
    factor_BRC = np.empty_like(posterior_BRC)
    for j in range(posterior_BRC.shape[1]):
        x_BCF, y_BCF = before[j], after[j + 1]
        rest_BC, mean_BC = np.float32(1), np.float32(0)
        for k in range(FERTILITIES - 1):
            p_BC = (x_BCF[..., : k + 1] * y_BCF[..., k::-1]).sum(axis=-1)
            rest_BC, mean_BC = rest_BC - p_BC, mean_BC + p_BC * ratio_BCF[..., k]
        factor_BRC[:, j] = np.exp(mean_BC + np.maximum(rest_BC, 0) * ratio_BCF[..., -1])
    return factor_BRC


def _model1(
    direction: Direction, emission_BRC: np.ndarray, null_BR: np.ndarray, weight_B: np.ndarray, sums: Sums
) -> np.ndarray:
    """p(link) where all positions are equally likely (IBM Model 1)."""
    C = emission_BRC.shape[2]
    total_BR = np.maximum(emission_BRC.sum(axis=2) / C + null_BR, LEAST)
    sums.log_likelihood += float(np.log(total_BR).sum())
    return emission_BRC / (C * total_BR)[:, :, None]


def _hmm(
    direction: Direction, emission_BRC: np.ndarray, null_BR: np.ndarray, weight_B: np.ndarray, sums: Sums
) -> np.ndarray:
    """p(link) of the HMM, by passes forward and backward; sums the jumps."""
    B, R, C = emission_BRC.shape
    middle, places = direction.longest + 1, np.arange(C)
    next_CC = direction.jump[middle + places[None, :] - places[:, None]]
    next_CC = next_CC / next_CC.sum(axis=1, keepdims=True)
    first_C = direction.jump[middle + 1 + places]
    first_C = first_C / first_C.sum()
    word_BRC, none_BRC = np.empty_like(emission_BRC), np.empty_like(emission_BRC)
    scale_BR = np.empty((B, R), dtype=np.float32)
    for j in range(R):
        if j:
            last_BC = word_BRC[:, j - 1] + none_BRC[:, j - 1]
            word_BC, none_BC = last_BC @ next_CC * emission_BRC[:, j], last_BC * null_BR[:, j, None]
        else:
            word_BC, none_BC = first_C * emission_BRC[:, 0], first_C * null_BR[:, 0, None]
        total_B = np.maximum((word_BC + none_BC).sum(axis=1), LEAST)
        sums.log_likelihood += float(np.log(total_B).sum())
        scale_BR[:, j] = 1 / total_B
        word_BRC[:, j], none_BRC[:, j] = word_BC * scale_BR[:, j, None], none_BC * scale_BR[:, j, None]
    back_BC = np.ones((B, C), dtype=np.float32)
    found_BRC = np.empty_like(emission_BRC)
    jumps_CC = np.zeros((C, C))
    for j in range(R - 1, -1, -1):
        found_BRC[:, j] = word_BRC[:, j] * back_BC
        if j:
            ahead_BC = emission_BRC[:, j] * back_BC * scale_BR[:, j, None]
            last_BC = word_BRC[:, j - 1] + none_BRC[:, j - 1]
            jumps_CC += (weight_B[:, None] * last_BC).T @ ahead_BC * next_CC
            back_BC = ahead_BC @ next_CC.T + (null_BR[:, j] * scale_BR[:, j])[:, None] * back_BC
    distances = middle + places[None, :] - places[:, None]
    sums.jump += np.bincount(distances.ravel(), jumps_CC.ravel(), minlength=len(sums.jump))
    sums.jump[middle + 1 + places] += weight_B @ found_BRC[:, 0]
    return found_BRC
