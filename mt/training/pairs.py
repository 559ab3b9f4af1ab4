"""Batches of a few pairs that come from files, for tools that look at a finished model or teach it a little."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from mt.data.batching import TokenBatches
from mt.data.encode import write_store
from mt.data.ledger import Ledger
from mt.data.pair import Pair
from mt.data.store import Store
from mt.data.text_store import TextStore, write_text_store
from mt.data.tokenizer import TokenizerPair
from mt.training.word_links import LinkGuide

log = logging.getLogger(__name__)

MAX_PIECES = 200  # of a side: longer pairs are left out


def batches_of(
    pairs: Sequence[Pair],
    tokenizers: TokenizerPair,
    folder: Path,
    *,
    max_tokens: int,
    seed: int = 0,
    shift: int | None = None,
    shuffle: bool = True,
) -> TokenBatches:
    """Batches of the pairs, stored in files in `folder`; with `shift`, guided by the links of the pairs."""
    for name in ("text", "encoded"):
        (folder / name).mkdir()
    write_text_store(folder / "text", pairs)
    text, counts = TextStore(folder / "text"), Ledger("pairs", len(pairs), len(pairs))
    write_store(folder / "encoded", text, tokenizers, max_pieces=MAX_PIECES, ledgers={"train": counts})
    if counts.num_dropped:
        log.warning("%d of %d pairs are over %d pieces and left out", counts.num_dropped, len(pairs), MAX_PIECES)
    return TokenBatches(
        Store(folder / "encoded", text),
        tokenizers,
        max_tokens=max_tokens,
        seed=seed,
        shuffle=shuffle,
        guide=None if shift is None else LinkGuide(tokenizers, shift=shift),
    )
