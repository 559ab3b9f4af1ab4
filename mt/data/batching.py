"""Batches of similar length under a budget of padded tokens, in an order that depends on the seed and the place in it.

B sentences, S source length, T target length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from mt.data.images.views import Views
from mt.data.masking import Masking
from mt.data.mixture import Mixture
from mt.data.noise.settings import Noise
from mt.data.pair import Pair
from mt.data.permutation import mix, permuted
from mt.data.plan import Plan, plan_batches
from mt.data.rows import lengths, padded, together
from mt.data.sampling import SubwordSampling
from mt.data.sides import Keys, SideMaker
from mt.data.source import Source, Text, moved
from mt.data.store import Store
from mt.data.tokenizer import BOS, EOS, PAD, TokenizerPair
from mt.data.whole_update import PartOfUpdate

# Pairs that are sorted into batches together. An epoch of a larger corpus is a sequence of such blocks, so that memory
# and the wait for the first batch do not grow with the corpus.
BLOCK_PAIRS = 1 << 20

# (numbers of the pairs in the store, the pairs, the pieces of their sources) -> what the encoder reads of them
MakeSource = Callable[[np.ndarray, Sequence[Pair], Text], Source]


class Guiding(Protocol):
    """Says where each row of a batch's targets should look in its source."""

    def linked(self, number: int, pair: Pair) -> Pair:
        """The pair with that number in the store, with the links that guide it."""

    def __call__(self, pairs: Sequence[Pair], source_BS: np.ndarray, target_BT: np.ndarray) -> np.ndarray:
        """guide_BTS of linked pairs and their pieces."""


@dataclass(frozen=True)
class Batch:
    """One batch of pairs; targets are int64, right-padded with PAD (0).

    `source` is what the encoder reads. target_in_BT starts with BOS, target_out_BT ends with EOS and is target_in_BT
    shifted by one. `num_tokens` counts the real target tokens including EOS. `indices` (B) are the pairs' numbers in
    the store, and stay on the CPU. `keys_B` (int64) seed what an objective draws for a pair (`mt.objective.draws`):
    functions of the seed and the pair's place, whatever part or rank reads it. `guide_BTS` (float32) says where the
    decoder should look, for batches that are guided. `part` says which part of an update this is, where an objective
    relates the pairs of several parts; None: this is the whole update.
    """

    source: Source
    target_in_BT: torch.Tensor
    target_out_BT: torch.Tensor
    num_tokens: int
    indices: torch.Tensor
    keys_B: torch.Tensor
    guide_BTS: torch.Tensor | None = None
    part: PartOfUpdate | None = None

    @cached_property
    def real_N(self) -> torch.Tensor:
        """The places of the real target tokens in B * T."""
        return (self.target_out_BT != PAD).flatten().nonzero().squeeze(1)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device. Copies to a GPU are asynchronous."""
        batch = replace(
            self,
            source=self.source.to(device),
            target_in_BT=moved(self.target_in_BT, device),
            target_out_BT=moved(self.target_out_BT, device),
            keys_B=moved(self.keys_B, device),
            guide_BTS=None if self.guide_BTS is None else moved(self.guide_BTS, device),
        )
        # found before the move: on a GPU, their number would need a synchronization
        vars(batch)["real_N"] = moved(self.real_N, device)
        return batch

    def idle(self) -> Batch:
        """The first sentence with a target of only padding, from which nothing is learned."""
        source = self.source.rows(slice(1))
        guide_BTS = None if self.guide_BTS is None else self.guide_BTS[:1, :, : source.padded_length]
        return Batch(
            source=source,
            target_in_BT=self.target_in_BT[:1],
            target_out_BT=torch.full_like(self.target_out_BT[:1], PAD),
            num_tokens=0,
            indices=self.indices[:1],
            keys_B=self.keys_B[:1],
            guide_BTS=None if guide_BTS is None else torch.zeros_like(guide_BTS),
        )

    @property
    def padded_tokens(self) -> int:
        """B * (S + T)."""
        return len(self.source) * self.source.padded_length + self.target_in_BT.numel()

    def within(self, max_tokens: float) -> list[Batch]:
        """This batch in parts of at most `max_tokens` padded tokens (or one sentence); losses add up."""
        if self.padded_tokens <= max_tokens or len(self.indices) == 1:
            return [self]
        middle = len(self.indices) // 2
        return [part for half in (slice(middle), slice(middle, None)) for part in self._rows(half).within(max_tokens)]

    def _rows(self, rows: slice) -> Batch:
        source, target_out_BT = self.source.rows(rows), self.target_out_BT[rows]
        target_lengths = (target_out_BT != PAD).sum(dim=1)
        target_length = int(target_lengths.max())
        guide_BTS = None if self.guide_BTS is None else self.guide_BTS[rows, :target_length, : source.padded_length]
        return Batch(
            source=source,
            target_in_BT=self.target_in_BT[rows, :target_length],
            target_out_BT=target_out_BT[:, :target_length],
            num_tokens=int(target_lengths.sum()),
            indices=self.indices[rows],
            keys_B=self.keys_B[rows],
            guide_BTS=guide_BTS,
        )


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the training data: the next batch to read, all counted from 0."""

    stage: int = 0  # of the mixture's schedule
    epoch: int = 0
    block: int = 0  # of the epoch
    batch: int = 0  # of the block
    unread: float = 0.0  # total of the epochs' parts that new stages of the schedule cut off


@runtime_checkable
class Shards(Protocol):
    """A corpus in parts that are prepared when they are needed; `mt.data.shards.ShardedStore` is one."""

    @property
    def folder(self) -> str | Path: ...
    @property
    def max_pieces(self) -> int: ...
    def __len__(self) -> int: ...
    def store(self, number: int) -> Store: ...
    def prefetch(self, number: int) -> None: ...


class TokenBatches:
    """The batches of every epoch: each is a function of the settings, the seed and its place (`Cursor`).

    `max_tokens` bounds B * (S + T): padded tokens of both sides, EOS and BOS included. `max_sentences` bounds B too.
    `mixture` says how much of each source of the store is drawn, and when. With `shuffle` false batches come by length,
    each pair once, without the mixture. With subword `sampling` the budget holds for the best segmentation, so that a
    batch has the same pairs with and without; a sentence whose sample exceeds the store's max_pieces is taken
    unsampled. The same holds for `noise` and `masking`. `Batch.within` brings such a batch back under the budget.

    Of `world_size` processes, `rank` reads every world_size-th sentence of each batch, so that their batches together
    are those of one process. One for which no sentence is left reads the first, with a target of nothing but padding.

    A corpus of more than 1,048,576 pairs is read in blocks of that many. One in shards is read shard by shard.

    `extra_places` of each source count with its pieces: the regions of a picture. Captions of one picture share a
    batch, so that it is encoded once; so do all pairs of a group (`mt.data.pair.Pair`).

    `guide` makes the batches' `guide_BTS` from their actual pieces, sampled ones too. `make_source` makes the encoder's
    input from pairs and pieces; without it, the input is the pieces.
    """

    def __init__(
        self,
        store: Store | Shards,
        tokenizers: TokenizerPair,
        *,
        max_tokens: int,
        seed: int,
        sampling: SubwordSampling | None = None,
        noise: Noise | None = None,
        masking: Masking | None = None,
        views: Views | None = None,
        mixture: Mixture | None = None,
        shuffle: bool = True,
        max_sentences: int | None = None,
        guide: Guiding | None = None,
        make_source: MakeSource | None = None,
        extra_places: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if len(store) == 0:
            raise ValueError(f"{store.folder}: no pair to make batches of")
        if max_sentences is not None and max_sentences < 1:
            raise ValueError(f"max_sentences ({max_sentences}) must be at least 1, or null")
        self.mixture = mixture or Mixture()
        if isinstance(store, Shards):
            if not self.mixture.is_plain:
                raise ValueError("batches.mixture: a corpus in shards is read shard by shard, without weights")
            needed = 2 * store.max_pieces + 2
        else:
            self.mixture.check(list(store.sources))
            needed = store.max_pair_pieces + 2  # EOS of the source, BOS or EOS of the target
        needed += extra_places
        if max_tokens < needed:
            raise ValueError(
                f"max_tokens ({max_tokens}) must be at least {needed}, the padded tokens of the longest pair; "
                f"or drop long pairs with data.max_pieces"
            )
        self._store = store
        self.tokenizers = tokenizers
        self.max_tokens = max_tokens
        self.max_sentences = max_sentences
        self.seed = seed
        changes = (sampling or SubwordSampling(), noise or Noise(), masking or Masking(), views or Views())
        self._make_sides = SideMaker(tokenizers, *changes)
        self.shuffle = shuffle
        self.guide, self.make_source, self.extra_places = guide, make_source, extra_places
        self.rank, self.world_size = rank, world_size
        self._block: tuple[tuple[int, int, int], _Block] | None = None  # only the current one
        self._short: dict[tuple[int, str], np.ndarray] = {}

    def read(self, cursor: Cursor, *, step: int = 0) -> tuple[Batch, Cursor]:
        """The batch at `cursor`, and the place after it; nothing before it is read.

        `step` counts the updates done: where that begins another stage of the mixture's schedule, a new epoch begins.
        """
        cursor = self.entered(cursor, step)
        block = self._open(cursor)
        if not 0 <= cursor.batch < block.plan.num_batches:
            raise IndexError(f"batch ({cursor.batch}) must be below {block.plan.num_batches}, the batches of its block")
        return self._batch(block, cursor), self._after(cursor, block)

    def pairs(self, cursor: Cursor, *, step: int = 0) -> np.ndarray:
        """The store numbers of the pairs of the whole batch at `cursor`, without making it."""
        cursor = self.entered(cursor, step)
        block = self._open(cursor)
        return block.pairs[block.plan.batch(cursor.batch)]

    def once(self, epoch: int = 0) -> Iterator[Batch]:
        """All batches of one epoch."""
        cursor = Cursor(epoch=epoch)
        while cursor.epoch == epoch:
            batch, cursor = self.read(cursor)
            yield batch

    def epochs(self, cursor: Cursor) -> float:
        """The number of epochs before `cursor`, with fraction."""
        if cursor.block == cursor.batch == 0:
            return cursor.epoch - cursor.unread
        share = cursor.batch / self._open(cursor).plan.num_batches
        return cursor.epoch - cursor.unread + (cursor.block + share) / self._num_blocks(cursor.stage)

    def texts(self, cursor: Cursor, numbers: np.ndarray) -> list:
        """The sentences (`Pair`) of the store numbers of a batch at `cursor`."""
        store = self._open(cursor).store
        return [store.text(int(number)) for number in numbers]

    def entered(self, cursor: Cursor, step: int) -> Cursor:
        """`cursor` itself, or the beginning of another epoch where `step` begins another stage of the schedule."""
        stage = self.mixture.stage(step)
        if stage == cursor.stage:
            return cursor
        epoch = math.ceil(self.epochs(cursor) + cursor.unread)
        return Cursor(stage=stage, epoch=epoch, unread=epoch - self.epochs(cursor))

    def _after(self, cursor: Cursor, block: _Block) -> Cursor:
        if cursor.batch + 1 < block.plan.num_batches:
            return replace(cursor, batch=cursor.batch + 1)
        if cursor.block + 1 < self._num_blocks(cursor.stage):
            return replace(cursor, block=cursor.block + 1, batch=0)
        return replace(cursor, epoch=cursor.epoch + 1, block=0, batch=0)

    def _num_blocks(self, stage: int) -> int:
        if isinstance(self._store, Shards):
            return len(self._store)
        return -(-sum(self._draws(self._store, stage).values()) // BLOCK_PAIRS) if self.shuffle else 1

    def _draws(self, store: Store, stage: int) -> dict[str, int]:
        return self.mixture.draws(stage, {name: len(self._open_to(store, stage, name)) for name in store.sources})

    def _open_to(self, store: Store, stage: int, name: str) -> range | np.ndarray:
        """The numbers of a source's pairs that a stage may draw, in rising order."""
        longest, numbers = self.mixture.longest(stage), store.sources[name]
        if longest is None:
            return numbers
        if (longest, name) not in self._short:
            is_short = store.target_lengths[numbers.start : numbers.stop] <= longest
            self._short[longest, name] = numbers.start + np.flatnonzero(is_short)
        return self._short[longest, name]

    def _open(self, cursor: Cursor) -> _Block:
        place = (cursor.stage, cursor.epoch, cursor.block) if self.shuffle else (0, 0, 0)
        if self._block is None or self._block[0] != place:
            self._block = None  # free the old one before the new one is allocated
            self._block = (place, self._made(*place))
        return self._block[1]

    def _made(self, stage: int, epoch: int, number: int) -> _Block:
        if isinstance(self._store, Shards):
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self._store))
            store = self._store.store(int(order[number]))
            if number + 1 < len(order):
                self._store.prefetch(int(order[number + 1]))
            pairs = np.arange(len(store))
        else:
            store = self._store
            pairs = self._drawn(store, stage, epoch, number) if self.shuffle else np.arange(len(store))
        plan = plan_batches(
            lengths(store.source_index, pairs) + 1 + self.extra_places,  # EOS
            lengths(store.target_index, pairs) + 1,  # BOS going in, EOS coming out
            max_tokens=self.max_tokens,
            max_sentences=self.max_sentences,
            rng=np.random.default_rng([self.seed, stage, epoch, number]) if self.shuffle else None,
            together=together(store, pairs),
        )
        return _Block(store, pairs, plan)

    def _drawn(self, store: Store, stage: int, epoch: int, block: int) -> np.ndarray:
        """The pairs of a block, in rising order: its part of what the epoch draws from each source."""
        num_blocks, chosen = self._num_blocks(stage), []
        for source, (name, draws) in enumerate(self._draws(store, stage).items()):
            numbers = self._open_to(store, stage, name)
            first, last = (epoch * draws + draws * part // num_blocks for part in (block, block + 1))
            drawn = np.arange(first, last)
            for time in range(first // len(numbers), -(-last // len(numbers))):  # another order each time
                places = drawn[drawn // len(numbers) == time] - time * len(numbers)
                is_all = len(places) == len(numbers)  # order does not matter: they are sorted below
                key = (self.seed, stage, source, time)
                places = places if is_all else permuted(places, len(numbers), key)
                chosen.append(numbers.start + places if isinstance(numbers, range) else numbers[places])
        return np.sort(np.concatenate(chosen))

    def _batch(self, block: _Block, cursor: Cursor) -> Batch:
        places = block.plan.batch(cursor.batch)
        rows = np.arange(self.rank, len(places), self.world_size)
        is_idle = len(rows) == 0
        rows = np.zeros(1, dtype=np.int64) if is_idle else rows
        numbers = block.pairs[places[rows]]
        keys = self._keys(rows, cursor)
        linked = None if self.guide is None else self.guide.linked
        needs_texts = self.guide is not None or self.make_source is not None
        source, target, pairs = self._make_sides(block.store, numbers, keys, needs_texts=needs_texts, linked=linked)
        source_BS, target_out_BT = padded(*source, last=EOS), padded(*target, last=EOS)
        pieces = Text(torch.from_numpy(source_BS))
        guide = None if self.guide is None else torch.from_numpy(self.guide(pairs, source_BS, target_out_BT))
        read = pieces if self.make_source is None else self.make_source(numbers, pairs, pieces)
        batch = Batch(
            source=read,
            target_in_BT=torch.from_numpy(padded(*target, first=BOS)),
            target_out_BT=torch.from_numpy(target_out_BT),
            num_tokens=int(target.lengths_B.sum()) + len(numbers),
            indices=torch.from_numpy(numbers.astype(np.int64)),
            keys_B=torch.from_numpy(keys.objective_B.view(np.int64)),
            guide_BTS=guide,
        )
        return batch.idle() if is_idle else batch

    def _keys(self, rows: np.ndarray, cursor: Cursor) -> Keys:
        place = (self.seed, cursor.stage, cursor.epoch, cursor.block, cursor.batch)
        keys = np.random.SeedSequence(place).generate_state(len(Keys._fields), dtype=np.uint64)
        of_pairs = [mix(key + mix(rows.astype(np.uint64))) for key in keys[:-1]]
        return Keys._make([*of_pairs, np.full(len(rows), keys[-1])])


@dataclass(frozen=True)
class _Block:
    """Pairs of a store that were planned together; the plan counts places in `pairs`."""

    store: Store
    pairs: np.ndarray
    plan: Plan
