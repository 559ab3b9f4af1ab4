"""Prepared pairs as ids: flat memory-mapped arrays of both sides with an index of where each sentence starts.

Files: store.json; source.ids and target.ids (uint16 when the vocabulary allows, else int32), source.index and
target.index (int64, one offset per sentence and one for the end), and lines.index (int64): the line of each pair in the
text store, which also holds the pairs that were too long in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from mt.data.mapped import map_array
from mt.data.pair import Pair
from mt.data.text_store import TextStore

FORMAT = 2


class Store:
    """Random access to prepared pairs. Ids carry no BOS and no EOS."""

    def __init__(self, folder: str | Path, text: TextStore) -> None:
        self.folder = Path(folder)
        description = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise ValueError(f"{folder}: store format ({description['format']}) must be {FORMAT}; prepare it again")
        dtype = np.dtype(description["dtype"])
        self.max_pieces: int = description["max_pieces"]  # no side of a pair is longer, in pieces
        self.max_pair_pieces: int = description["max_pair_pieces"]  # of both sides of the longest pair together
        self.sources = {name: range(*pairs) for name, pairs in description["sources"].items()}  # the pairs of each
        self.source_ids = map_array(self.folder / "source.ids", dtype)
        self.target_ids = map_array(self.folder / "target.ids", dtype)
        self.source_index = map_array(self.folder / "source.index", np.int64)
        self.target_index = map_array(self.folder / "target.index", np.int64)
        self._lines = map_array(self.folder / "lines.index", np.int64)
        self._text = text

    def __len__(self) -> int:
        return len(self._lines)

    @cached_property
    def source_lengths(self) -> np.ndarray:
        """Pieces of every source, without EOS."""
        return np.diff(self.source_index).astype(np.int32)

    @cached_property
    def target_lengths(self) -> np.ndarray:
        """Pieces of every target, without BOS and EOS."""
        return np.diff(self.target_index).astype(np.int32)

    @cached_property
    def together(self) -> np.ndarray | None:
        """Equal numbers for pairs that share a batch, as `TextStore.together`."""
        numbers = self._text.together()
        return None if numbers is None else numbers[self._lines]

    def pair(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Source ids and target ids of one pair."""
        source = slice(self.source_index[number], self.source_index[number + 1])
        target = slice(self.target_index[number], self.target_index[number + 1])
        return self.source_ids[source], self.target_ids[target]

    def text(self, number: int) -> Pair:
        """The sentences that `pair(number)` was encoded from."""
        return self._text.pair(int(self._lines[number]))

    def sample(self, most: int) -> Iterator[Pair]:
        """The sentences of at most this many pairs, evenly spread over all; so are the first ones of them."""
        numbers = np.arange(0, len(self), max(1, -(-len(self) // most)))
        return (self.text(number) for number in np.random.default_rng(1).permutation(numbers).tolist())
