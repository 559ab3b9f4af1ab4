"""Erasure: how much less probable each target piece becomes when a source word is taken out.

The source is read without the pieces of the word, and the given target is decoded by force again: the fall of a piece's
log-probability is what the whole model, not one head, has taken from that word (leave-one-out, Li et al. 2016,
"Understanding Neural Networks through Representation Erasure").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mt.alignment.alignment import SPECIAL_PIECES, RawAttention
from mt.alignment.words import words_of
from mt.data.source import Text
from mt.inference.scorer import Scorer
from mt.inference.translator import Translator

# T target pieces with </s>, S source pieces with </s>, P source pieces without it


def with_erasure(
    translator: Translator,
    raws: Sequence[RawAttention],
    texts: Sequence[str],
    sources: Sequence[object],
    target_ids: Sequence[Sequence[int]],
    *,
    batch_tokens: int | None = None,
) -> list[RawAttention]:
    """The same attention, each with `erasure_TS`: nats that each target piece loses without the word of a source piece.

    A word's nats are divided among its pieces; what becomes more probable counts as 0. `texts` are the sources without
    a tag, `sources` what the model reads, `target_ids` the targets without </s>. Takes a forward pass for each source
    word. Raises ValueError for a model that reads trees or a source with a picture.
    """
    if translator.trees is not None:
        raise ValueError("signal (erasure) needs a model without trees: a tree does not fit a source without a word")
    word_of_piece, erased, targets = [], [], []
    for raw, text, source, target in zip(raws, texts, sources, target_ids, strict=True):
        if not isinstance(source, Text):
            raise ValueError("signal (erasure) needs sources of text alone")
        ids = source.pieces()[0][:-1]
        words_P = _words(raw, text)
        num_tags = len(ids) - len(words_P)
        word_of_piece.append(words_P)
        for word in [None, *sorted(set(words_P))]:
            kept = [id_ for id_, of in zip(ids[num_tags:], words_P, strict=True) if of != word]
            erased.append(Text.of([[*ids[:num_tags], *kept]]))
            targets.append(target)
    log_probs = iter(Scorer(translator).log_probs(erased, targets, batch_tokens))
    return [
        replace(raw, erasure_TS=_losses(words_P, log_probs)) for raw, words_P in zip(raws, word_of_piece, strict=True)
    ]


def _words(raw: RawAttention, text: str) -> list[int]:
    """The word of each source piece: of a piece that spans several, the one with most of its characters."""
    pieces = [piece for piece in raw.source_pieces if piece not in SPECIAL_PIECES]
    share_PW = words_of(pieces, text).share_PW
    return share_PW.argmax(axis=1).tolist() if share_PW.size else []


def _losses(words_P: Sequence[int], log_probs: Iterator[tuple[float, ...]]) -> np.ndarray:
    whole_T = np.array(next(log_probs))
    found_TS = np.zeros((len(whole_T), len(words_P) + 1))
    for word in sorted(set(words_P)):
        places = [place for place, of in enumerate(words_P) if of == word]
        loss_T = np.maximum(whole_T - np.array(next(log_probs)), 0.0)
        found_TS[:, places] = loss_T[:, None] / len(places)
    return found_TS
