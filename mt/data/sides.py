"""Both sides of a batch's pairs in pieces: as they are stored, sampled in another way, or with noise in their texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mt.data.images.views import Views
from mt.data.masking import Masking
from mt.data.noise.settings import Noise
from mt.data.pair import Pair
from mt.data.sampling import SubwordSampling
from mt.data.store import Store
from mt.data.tokenizer import Tokenizer, TokenizerPair

# B pairs, N pieces of all of them


class Side(NamedTuple):
    """The pieces of one side of some pairs, one pair after the other."""

    ids_N: np.ndarray
    lengths_B: np.ndarray

    def rows(self) -> list[np.ndarray]:
        """The pieces of each pair."""
        return np.split(self.ids_N, self.lengths_B.cumsum()[:-1])

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | np.ndarray]) -> Side:
        """The side of these pieces."""
        arrays = [np.asarray(row, dtype=np.int64) for row in rows]
        return cls(np.concatenate(arrays), np.asarray([len(row) for row in arrays], dtype=np.int64))


class Keys(NamedTuple):
    """What is drawn for each pair of a batch depends on its own keys alone, whatever part or rank reads the others."""

    source_B: np.ndarray  # uint64: its source's segmentation
    target_B: np.ndarray
    noise_B: np.ndarray
    objective_B: np.ndarray  # for the objective
    masking_B: np.ndarray  # its hidden words
    views_B: np.ndarray  # its picture's view: the same for all pairs, since some share a picture


class Sides(NamedTuple):
    """Both sides, and the pairs' texts where they were needed."""

    source: Side
    target: Side
    pairs: list[Pair]  # [] where nothing needs them


@dataclass(frozen=True)
class SideMaker:
    """Makes both sides of a batch.

    A sampled, noisy or masked pair that exceeds the store's max_pieces is taken as it is.
    """

    tokenizers: TokenizerPair
    sampling: SubwordSampling
    noise: Noise
    masking: Masking
    views: Views

    def __call__(
        self,
        store: Store,
        numbers: np.ndarray,
        keys: Keys,
        *,
        needs_texts: bool,
        linked: Callable[[int, Pair], Pair] | None,
    ) -> Sides:
        """The sides of the pairs with these numbers; `linked` gives a pair, by its number, the links that guide it."""
        sides = [
            _stored(store.source_ids, store.source_index, numbers),
            _stored(store.target_ids, store.target_index, numbers),
        ]
        if not (needs_texts or self.sampling.is_on or self.noise.is_on or self.masking.is_on):
            return Sides(sides[0], sides[1], [])
        pairs = [store.text(int(number)) for number in numbers]
        if linked is not None:
            pairs = [linked(int(number), pair) for number, pair in zip(numbers, pairs, strict=True)]
        if self.views.is_on:
            pairs = self.views(pairs, keys.views_B)
        new = pairs
        if self.masking.is_on:
            new = self._masked(new, self.masking.among(store.sources, numbers), keys.masking_B)
        if self.noise.is_on:
            new = self._noisy(new, keys.noise_B)
        if new is not pairs:
            sides, pairs = self._changed(sides, pairs, new, store.max_pieces)
        tokenizers = (self.tokenizers.source, self.tokenizers.target)
        for place, strength in enumerate((self.sampling.source, self.sampling.target)):
            if strength is not None:
                texts_B = [pair.texts[place] for pair in pairs]
                sides[place] = _sampled(
                    tokenizers[place], texts_B, strength, keys[place], sides[place], store.max_pieces
                )
        return Sides(sides[0], sides[1], pairs)

    def _masked(self, pairs: list[Pair], is_among_B: np.ndarray, keys_B: np.ndarray) -> list[Pair]:
        fixed = set(self.tokenizers.source.reserved_symbols)
        rows = zip(pairs, is_among_B, keys_B, strict=True)
        return [self.masking(pair, int(key), fixed) if is_among else pair for pair, is_among, key in rows]

    def _noisy(self, pairs: list[Pair], keys_B: np.ndarray) -> list[Pair]:
        fixed = set(self.tokenizers.source.reserved_symbols)
        return [self.noise(pair, int(key), fixed) for pair, key in zip(pairs, keys_B, strict=True)]

    def _changed(
        self, sides: list[Side], pairs: list[Pair], new_pairs: list[Pair], max_pieces: int
    ) -> tuple[list[Side], list[Pair]]:
        """Sides and pairs with those new pairs whose pieces are not too many."""
        changed = [place for place, (pair, new) in enumerate(zip(pairs, new_pairs, strict=True)) if new is not pair]
        rows = [side.rows() for side in sides]
        pieces = [
            tokenizer.encode_many([new_pairs[place].texts[side] for place in changed])
            for side, tokenizer in enumerate((self.tokenizers.source, self.tokenizers.target))
        ]
        for place, *new in zip(changed, *pieces, strict=True):
            if all(0 < len(ids) <= max_pieces for ids in new):
                pairs[place] = new_pairs[place]
                for of_side, ids in zip(rows, new, strict=True):
                    of_side[place] = np.asarray(ids, dtype=np.int64)
        return [Side.of(of_side) for of_side in rows], pairs


def _stored(ids: np.ndarray, index: np.ndarray, numbers: np.ndarray) -> Side:
    starts = index[numbers]
    lengths = index[numbers + 1] - starts
    places = np.arange(lengths.sum()) + np.repeat(starts - (lengths.cumsum() - lengths), lengths)
    return Side(ids[places].astype(np.int64), lengths)


def _sampled(
    tokenizer: Tokenizer, texts: Sequence[str], strength: float, seeds_B: np.ndarray, best: Side, max_pieces: int
) -> Side:
    """Sampled pieces of the texts, where they are not too many; else the best segmentation."""
    sampled = tokenizer.sample(list(texts), strength, seeds_B)
    return Side.of([ids if len(ids) <= max_pieces else row for ids, row in zip(sampled, best.rows(), strict=True)])
