"""Batches of similar length under a budget of padded tokens, in an order that the seed and the epoch decide.

B sentences, S source length, T target length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from mt.data.sampling import SubwordSampling
from mt.data.store import Store
from mt.data.tokenizer import BOS, EOS, PAD, TokenizerPair

# Tokens of noise on each length before sorting. Without it the same sentences of a small corpus meet in every epoch: on
# 29,000 pairs and 8,192 tokens 63 % of a sentence's neighbours return in the next one; with it 22 %, for 1.5 % more
# padding.
LENGTH_NOISE = 1.5


@dataclass(frozen=True)
class Batch:
    """One batch of pairs, right-padded with PAD (0); all tensors are int64.

    source_BS ends each sentence with EOS; target_in_BT starts with BOS, target_out_BT ends with EOS and is target_in_BT
    moved by one. `num_tokens` counts the real target tokens including EOS. `indices` (B) are the pairs' numbers in the
    store, and stay on the CPU.
    """

    source_BS: torch.Tensor
    target_in_BT: torch.Tensor
    target_out_BT: torch.Tensor
    num_tokens: int
    indices: torch.Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return replace(
            self,
            source_BS=self.source_BS.to(device, non_blocking=True),
            target_in_BT=self.target_in_BT.to(device, non_blocking=True),
            target_out_BT=self.target_out_BT.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class EpochPlan:
    """The pairs of an epoch in reading order, and where batches start: batch i is order[starts[i] : starts[i + 1]]."""

    order: np.ndarray
    starts: np.ndarray

    @property
    def num_batches(self) -> int:
        """Batches in the epoch."""
        return len(self.starts) - 1

    def batch(self, number: int) -> np.ndarray:
        """The store numbers of the pairs of one batch."""
        return self.order[self.starts[number] : self.starts[number + 1]]


def plan_epoch(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    max_tokens: int,
    max_sentences: int | None,
    rng: np.random.Generator | None,
) -> EpochPlan:
    """Every pair in exactly one batch, B * (S + T) <= max_tokens, neighbours in length together.

    Lengths count EOS (or BOS). With `rng`, pairs of nearly equal length meet by chance and the batches come in random
    order; without, the order is by length.
    """
    order = _by_length(source_lengths, target_lengths, rng)
    starts = _batch_starts(source_lengths[order], target_lengths[order], max_tokens, max_sentences)
    if rng is None:
        return EpochPlan(order, starts)
    shuffled = rng.permutation(len(starts) - 1)
    sizes = np.diff(starts)[shuffled]
    new_starts = np.concatenate([[0], sizes.cumsum()])
    # position p of the new order lies in a batch that started at starts[shuffled] and now starts at new_starts
    moved = np.arange(len(order)) + np.repeat(starts[:-1][shuffled] - new_starts[:-1], sizes)
    return EpochPlan(order[moved], new_starts)


def _by_length(source_lengths: np.ndarray, target_lengths: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Pairs sorted by source length, and within one by target length, up and down in turn so that no step is wide."""
    source_key, target_key = source_lengths, target_lengths
    if rng is not None:
        source_key = np.floor(source_lengths + rng.random(len(source_lengths)) * LENGTH_NOISE)
        target_key = target_lengths + rng.random(len(target_lengths)) * LENGTH_NOISE
    return np.lexsort((np.where(source_key % 2 == 1, -target_key, target_key), source_key))


def _batch_starts(
    source_lengths: np.ndarray, target_lengths: np.ndarray, max_tokens: int, max_sentences: int | None
) -> np.ndarray:
    starts = [0]
    while (start := starts[-1]) < len(source_lengths):
        # no more sentences than these can fit, because none of them is padded below the first one's length
        window = slice(start, start + max_tokens // int(source_lengths[start] + target_lengths[start]))
        longest_source = np.maximum.accumulate(source_lengths[window])
        longest_target = np.maximum.accumulate(target_lengths[window])
        padded_tokens = np.arange(1, len(longest_source) + 1) * (longest_source + longest_target)
        fitting = int(np.searchsorted(padded_tokens, max_tokens, side="right"))
        starts.append(start + (fitting if max_sentences is None else min(fitting, max_sentences)))
    return np.asarray(starts)


class TokenBatches:
    """The batches of every epoch; batch i of epoch e is a function of the settings, the seed, e and i.

    The one exception is subword sampling, whose draws repeat within one process only (`Tokenizer.sample_many`).

    `max_tokens` bounds B * (S + T): padded tokens of both sides, EOS and BOS included. `max_sentences` bounds B too.
    With `shuffle` false batches come by length and are the same in every epoch.

    With subword `sampling` the budget holds for the best segmentation, so that a batch has the same pairs with and
    without: a sampled batch is larger, its sentences on average 1.1 times at unigram alpha 0.3, 1.3 times at 0.2 or at
    BPE dropout 0.1, its padding more. A sentence whose sample exceeds the store's max_pieces is taken unsampled.
    """

    def __init__(
        self,
        store: Store,
        tokenizers: TokenizerPair,
        *,
        max_tokens: int,
        seed: int,
        sampling: SubwordSampling | None = None,
        shuffle: bool = True,
        max_sentences: int | None = None,
    ) -> None:
        if len(store) == 0:
            raise ValueError(f"{store.folder}: no pair to make batches of")
        if max_sentences is not None and max_sentences < 1:
            raise ValueError(f"max_sentences ({max_sentences}) must be at least 1, or null")
        self.source_lengths = store.source_lengths.astype(np.int64) + 1  # EOS
        self.target_lengths = store.target_lengths.astype(np.int64) + 1  # BOS going in, EOS coming out
        longest = int(np.argmax(self.source_lengths + self.target_lengths))
        needed = int(self.source_lengths[longest] + self.target_lengths[longest])
        if max_tokens < needed:
            raise ValueError(
                f"max_tokens ({max_tokens}) must be at least {needed}, the padded tokens of the longest pair; "
                f"or drop long pairs with data.max_pieces"
            )
        self.store = store
        self.tokenizers = tokenizers
        self.max_tokens = max_tokens
        self.max_sentences = max_sentences
        self.seed = seed
        self.sampling = sampling
        self.shuffle = shuffle
        self._plans: dict[int, EpochPlan] = {}

    def num_batches(self, epoch: int) -> int:
        """Batches in this epoch; epochs differ by a few."""
        return self._plan(epoch).num_batches

    def indices(self, epoch: int, number: int) -> np.ndarray:
        """The store numbers of the pairs in one batch, without making it."""
        return self._plan(epoch).batch(number)

    def batch(self, epoch: int, number: int) -> Batch:
        """Batch `number` of `epoch`, both from 0."""
        plan = self._plan(epoch)
        if not 0 <= number < plan.num_batches:
            raise IndexError(f"batch ({number}) must be below {plan.num_batches}, the batches of epoch {epoch}")
        indices = plan.batch(number)
        source, target = self._sides(indices, epoch, number)
        target_out_BT = _padded(*target, last=EOS)
        return Batch(
            source_BS=torch.from_numpy(_padded(*source, last=EOS)),
            target_in_BT=torch.from_numpy(_padded(*target, first=BOS)),
            target_out_BT=torch.from_numpy(target_out_BT),
            num_tokens=int(target[1].sum()) + len(indices),
            indices=torch.from_numpy(indices.astype(np.int64)),
        )

    def iterate(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on; what lies before is not read."""
        for number in range(start, self.num_batches(epoch)):
            yield self.batch(epoch, number)

    def _plan(self, epoch: int) -> EpochPlan:
        key = epoch if self.shuffle else 0
        if key not in self._plans:
            rng = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
            plan = plan_epoch(
                self.source_lengths,
                self.target_lengths,
                max_tokens=self.max_tokens,
                max_sentences=self.max_sentences,
                rng=rng,
            )
            self._plans = {key: plan}  # one epoch at a time is enough
        return self._plans[key]

    def _sides(self, indices: np.ndarray, epoch: int, number: int) -> tuple[tuple, tuple]:
        source = _gathered(self.store.source_ids, self.store.source_index, indices)
        target = _gathered(self.store.target_ids, self.store.target_index, indices)
        sampling = self.sampling
        if sampling is None or not sampling.is_on:
            return source, target
        texts = [self.store.text(index) for index in indices]
        source_seed, target_seed = np.random.SeedSequence([self.seed, epoch, number]).generate_state(2)
        if sampling.source is not None:
            ids = self.tokenizers.source.sample_many([p.source for p in texts], sampling.source, int(source_seed))
            source = _sampled(ids, source, self.store.max_pieces)
        if sampling.target is not None:
            ids = self.tokenizers.target.sample_many([p.target for p in texts], sampling.target, int(target_seed))
            target = _sampled(ids, target, self.store.max_pieces)
        return source, target


def _gathered(ids: np.ndarray, index: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ids of some sentences one after the other, and their lengths."""
    starts = index[indices]
    lengths = index[indices + 1] - starts
    places = np.arange(lengths.sum()) + np.repeat(starts - (lengths.cumsum() - lengths), lengths)
    return ids[places].astype(np.int64), lengths


def _sampled(
    sampled: list[list[int]], best: tuple[np.ndarray, np.ndarray], max_pieces: int
) -> tuple[np.ndarray, np.ndarray]:
    flat, lengths = best
    ends = lengths.cumsum()
    chosen = [
        np.asarray(ids, dtype=np.int64) if len(ids) <= max_pieces else flat[end - length : end]
        for ids, length, end in zip(sampled, lengths, ends, strict=True)
    ]
    return np.concatenate(chosen), np.asarray([len(ids) for ids in chosen], dtype=np.int64)


def _padded(flat: np.ndarray, lengths: np.ndarray, *, first: int | None = None, last: int | None = None) -> np.ndarray:
    """Rows of ids, right-padded, each with one more id at its start (`first`) or at its end (`last`)."""
    rows = np.full((len(lengths), int(lengths.max()) + 1), PAD, dtype=np.int64)
    is_real = np.arange(rows.shape[1]) < lengths[:, None]
    if first is not None:
        rows[:, 0] = first
        rows[:, 1:][is_real[:, :-1]] = flat
    else:
        rows[is_real] = flat
        rows[np.arange(len(lengths)), lengths] = last
    return rows
