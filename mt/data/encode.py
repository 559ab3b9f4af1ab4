"""Encodes a text store into the store of ids that training reads, on several cores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mt.data.block import Block
from mt.data.ledger import Ledger
from mt.data.mapped import RunWriter
from mt.data.progress import Progress
from mt.data.store import FORMAT
from mt.data.text_store import TextStore
from mt.data.tokenizer import TokenizerPair
from mt.data.word_encoder import WordEncoder
from mt.data.workers import map_in_order

SIDES = ("source", "target")


def encode_train(
    clean: Path, encoded: Path, tokenizers: TokenizerPair, *, max_pieces: int, num_processes: int
) -> Ledger:
    """Encodes the text store clean/train into encoded/train; returns the ledger of cleaning and encoding together.

    Raises ValueError if every pair is longer than `max_pieces`.
    """
    text = TextStore(clean / "train")
    total = Ledger.load(clean / "ledger.json")
    ledgers = total.sources or dict.fromkeys(text.sources, total)
    (encoded / "train").mkdir()
    write_store(
        encoded / "train", text, tokenizers, max_pieces=max_pieces, ledgers=ledgers, num_processes=num_processes
    )
    ledger = Ledger.total("train", ledgers)
    if ledger.num_kept == 0:
        raise ValueError(f"data.max_pieces ({max_pieces}) must be larger: every pair is longer than that")
    ledger.save(encoded / "ledger.json")
    return ledger


@dataclass(frozen=True)
class Encoded:
    """The ids of the pairs of a block that are short enough, and which ones; `text` if some are too long."""

    ids: dict[str, bytes]
    lengths: dict[str, np.ndarray]
    is_kept: np.ndarray
    text: Block | None


class Encoder:
    """Encodes text as ids; runs in other processes."""

    def __init__(self, tokenizers: TokenizerPair, max_pieces: int) -> None:
        self._tokenizers = tokenizers
        self._max_pieces = max_pieces
        self._sides: dict[str, WordEncoder] | None = None
        self.dtype = np.dtype(np.uint16 if max(tokenizers.source.size, tokenizers.target.size) <= 2**16 else np.int32)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_sides": None}  # each process has tables of its own

    def __call__(self, block: Block) -> Encoded:
        if self._sides is None:
            self._sides = {side: WordEncoder(getattr(self._tokenizers, side)) for side in SIDES}
        ids, lengths = {}, {}
        for side, encode in self._sides.items():
            ids[side], lengths[side] = encode(block.lines(side))
        is_kept = np.maximum(*lengths.values()) <= self._max_pieces
        if not is_kept.all():
            ids = {side: of_side[np.repeat(is_kept, lengths[side])] for side, of_side in ids.items()}
        return Encoded(
            {side: of_side.astype(self.dtype).tobytes() for side, of_side in ids.items()},
            {side: of_side[is_kept] for side, of_side in lengths.items()},
            is_kept,
            None if is_kept.all() else block,
        )


def write_store(
    folder: str | Path,
    text: TextStore,
    tokenizers: TokenizerPair,
    *,
    max_pieces: int,
    ledgers: Mapping[str, Ledger],
    num_processes: int = 1,
) -> None:
    """Encodes a text store into `folder`; a pair with a side of more than `max_pieces` is counted as dropped."""
    folder = Path(folder)
    encoder = Encoder(tokenizers, max_pieces)
    reason = f"too long (over {max_pieces} pieces)"
    sources: dict[str, list[int]] = {}
    num_pairs = max_pair_pieces = 0
    with ExitStack() as files, Progress("encoding", len(text)) as progress:
        writers = {
            side: files.enter_context(RunWriter(folder / f"{side}.ids", folder / f"{side}.index")) for side in SIDES
        }
        lines_file = files.enter_context(open(folder / "lines.index", "wb"))
        for name, lines in text.sources.items():
            sources[name] = [num_pairs, num_pairs]
            line = lines.start
            for encoded in map_in_order(encoder, text.blocks(lines), num_processes):
                for side, writer in writers.items():
                    writer.write(encoded.ids[side], encoded.lengths[side].cumsum())
                kept = np.flatnonzero(encoded.is_kept)
                lines_file.write((line + kept).astype(np.int64).tobytes())
                num_pairs += len(kept)
                both = encoded.lengths["source"] + encoded.lengths["target"]
                max_pair_pieces = max(max_pair_pieces, int(both.max(initial=0)))
                if encoded.text is not None:
                    for pair, is_kept in zip(encoded.text.pairs(), encoded.is_kept, strict=True):
                        if not is_kept:
                            ledgers[name].drop_kept(reason, pair)
                line += len(encoded.is_kept)
                progress.add(len(encoded.is_kept))
            sources[name][1] = num_pairs
    description = {
        "format": FORMAT,
        "dtype": encoder.dtype.name,
        "num_pairs": num_pairs,
        "max_pieces": max_pieces,
        "max_pair_pieces": max_pair_pieces,
        "sources": sources,
    }
    (folder / "store.json").write_text(json.dumps(description) + "\n", encoding="utf-8")
