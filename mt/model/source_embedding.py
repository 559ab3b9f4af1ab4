"""Turns a source of text into states, a mask, and the facts about its pieces that attention may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mt.attention.mask import padding_mask
from mt.attention.source_facts import SourceFacts
from mt.model.embedding import Embedding
from mt.model.layer import LayerSettings

# B batch, S source length, D model


class Pieces(Protocol):
    """A source of text; see `mt.data.source.Text`."""

    @property
    def ids_BS(self) -> Tensor: ...

    @property
    def tree_distance_BSS(self) -> Tensor | None: ...


class Embedded(NamedTuple):
    """The input of an encoder's layers; the mask is None when nothing is padded."""

    states_BSD: Tensor
    mask_B11S: Tensor | None
    source_facts: SourceFacts


Embed = Callable[[Any], Embedded]  # of a source of text


class SourceEmbedding(Embedding):
    """The embedding of source pieces, which a decoder may share, and the facts about them.

    `separator` is the id of the piece that ends each context sentence before the one to translate, and
    `separator_after` the id of the piece that begins each one after it. With `keeps_pieces` the decoder also gets the
    ids.
    """

    def __init__(
        self,
        vocab_size: int,
        settings: LayerSettings,
        *,
        pad: int,
        max_positions: int = 1024,
        separator: int | None = None,
        separator_after: int | None = None,
        keeps_pieces: bool = False,
    ):
        super().__init__(vocab_size, settings, pad=pad, max_positions=max_positions)
        for name, piece in (("separator", separator), ("separator_after", separator_after)):
            if piece is not None and not 0 <= piece < vocab_size:
                raise ValueError(f"model.{name} ({piece}) must be from 0 to {vocab_size - 1}, or null")
        self.pad, self.keeps_pieces = pad, keeps_pieces
        self.separator, self.separator_after = separator, separator_after

    @property
    def sees_sentences(self) -> bool:
        """Whether attention can see that a source has more than one sentence."""
        return self.separator is not None or self.separator_after is not None

    def read(self, source: Pieces, places_BS: Tensor | None = None) -> Embedded:
        """The embedded pieces of a source, at the positions `places_BS` (randomized positions; None: 0, 1, 2, …)."""
        ids_BS = source.ids_BS
        source_facts = SourceFacts(
            pieces_BS=ids_BS if self.keeps_pieces else None,
            segments_BS=self._segments(ids_BS),
            tree_distance_BSS=source.tree_distance_BSS,
        )
        return Embedded(self(ids_BS, places_BT=places_BS), padding_mask(ids_BS, self.pad), source_facts)

    def _segments(self, ids_BS: Tensor) -> Tensor | None:
        """The sentence of each piece, numbered from the one to translate; a separator belongs to the context."""
        if not self.sees_sentences:
            return None
        segments_BS = torch.zeros_like(ids_BS)
        if self.separator is not None:
            ends_BS = (ids_BS == self.separator).long()
            segments_BS -= ends_BS.flip(1).cumsum(dim=1).flip(1)  # number of sentences that end here or later
        if self.separator_after is not None:
            segments_BS += (ids_BS == self.separator_after).long().cumsum(dim=1)
        return segments_BS
