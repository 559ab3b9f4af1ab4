"""Prepared pairs as ids: flat memory-mapped arrays of both sides with an index of where each sentence starts.

Files: store.json; source.ids and target.ids (uint16 when the vocabulary allows, else int32), source.index and
target.index (int64, one offset a sentence and one for the end), and lines.index (int64): the line of each pair in the
text store, which also holds the pairs that were too long in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from mt.data.ledger import Ledger
from mt.data.mapped import map_array
from mt.data.pair import Pair
from mt.data.text_store import TextStore
from mt.data.tokenizer import TokenizerPair

FORMAT = 1
CHUNK_PAIRS = 16384  # encoded at a time: enough for sentencepiece's threads, little in memory


class Store:
    """Random access to prepared pairs. Ids carry no BOS and no EOS."""

    def __init__(self, folder: str | Path, text: TextStore) -> None:
        self.folder = Path(folder)
        description = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise ValueError(f"{folder}: store format ({description['format']}) must be {FORMAT}; prepare it again")
        dtype = np.dtype(description["dtype"])
        self.max_pieces: int = description["max_pieces"]  # no side of a pair is longer, in pieces
        self.source_ids = map_array(self.folder / "source.ids", dtype)
        self.target_ids = map_array(self.folder / "target.ids", dtype)
        self.source_index = map_array(self.folder / "source.index", np.int64)
        self.target_index = map_array(self.folder / "target.index", np.int64)
        self.source_lengths = np.diff(self.source_index).astype(np.int32)  # pieces, without BOS and EOS
        self.target_lengths = np.diff(self.target_index).astype(np.int32)
        self._lines = map_array(self.folder / "lines.index", np.int64)
        self._text = text

    def __len__(self) -> int:
        return len(self.source_lengths)

    def pair(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Source ids and target ids of one pair."""
        source = slice(self.source_index[number], self.source_index[number + 1])
        target = slice(self.target_index[number], self.target_index[number + 1])
        return self.source_ids[source], self.target_ids[target]

    def text(self, number: int) -> Pair:
        """The sentences that `pair(number)` was encoded from."""
        return self._text.pair(int(self._lines[number]))


def write_store(
    folder: str | Path,
    text: TextStore,
    tokenizers: TokenizerPair,
    *,
    max_pieces: int,
    ledger: Ledger,
    num_threads: int = 1,
) -> None:
    """Encode a text store into `folder`; a pair with a side of more than `max_pieces` goes to the ledger instead."""
    folder = Path(folder)
    dtype = np.dtype(np.uint16 if max(tokenizers.source.size, tokenizers.target.size) <= 2**16 else np.int32)
    reason = f"too long (over {max_pieces} pieces)"
    kept_lines: list[np.ndarray] = []
    lengths: dict[str, list[np.ndarray]] = {"source": [], "target": []}
    first = 0
    with open(folder / "source.ids", "wb") as source_file, open(folder / "target.ids", "wb") as target_file:
        for sources, targets in _chunks(text):
            source_ids = tokenizers.source.encode_many(sources, num_threads=num_threads)
            target_ids = tokenizers.target.encode_many(targets, num_threads=num_threads)
            is_kept = np.fromiter(
                (max(len(s), len(t)) <= max_pieces for s, t in zip(source_ids, target_ids, strict=True)), dtype=bool
            )
            for line in np.flatnonzero(~is_kept):
                ledger.drop_kept(reason, Pair(sources[line], targets[line]))
            for side, file, ids in (("source", source_file, source_ids), ("target", target_file, target_ids)):
                kept = ids if is_kept.all() else [one for one, keep in zip(ids, is_kept, strict=True) if keep]
                lengths[side].append(np.fromiter(map(len, kept), dtype=np.int64, count=len(kept)))
                file.write(np.fromiter(chain.from_iterable(kept), dtype=dtype).tobytes())
            kept_lines.append(first + np.flatnonzero(is_kept))
            first += len(sources)
    for side, parts in lengths.items():
        index = np.concatenate([np.zeros(1, dtype=np.int64), *parts]).cumsum()
        (folder / f"{side}.index").write_bytes(index.tobytes())
    lines = np.concatenate([np.zeros(0, dtype=np.int64), *kept_lines])
    (folder / "lines.index").write_bytes(lines.astype(np.int64).tobytes())
    description = {"format": FORMAT, "dtype": dtype.name, "num_pairs": len(lines), "max_pieces": max_pieces}
    (folder / "store.json").write_text(json.dumps(description) + "\n", encoding="utf-8")


def _chunks(text: TextStore) -> Iterator[tuple[list[str], list[str]]]:
    sources, targets = text.lines("source"), text.lines("target")
    while chunk := list(islice(sources, CHUNK_PAIRS)):
        yield chunk, list(islice(targets, CHUNK_PAIRS))
