"""What an attention variant is: one definition of its weights, and the three roles that a slot may ask of it.

An encoder-decoder has three slots. Encoder self-attention *attends*; cross-attention *summarizes* the memory once per
sentence and *reads* it at every step; decoder self-attention *extends* a past. A variant is a mixer: queries, keys and
values come in already projected and split into heads, and it says how they mix.

Shapes: B batch, H heads, G key-value heads (H is a multiple of G), T queries, S keys, K head size, R rows (hypotheses).
A mask is boolean, broadcastable to B H T S, and True means "may look"; of a memory that is summarized, to B 1 1 S.
Every query may look at one key at least.
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn


class Rows(Protocol):
    """A value with one entry a row that can be reordered, repeated and thinned out: `Summary` and `Past` are such."""

    def rows(self, index: Tensor) -> Rows: ...


class Mixer(nn.Module):
    """What every variant says of itself: its weights, and what it makes of the values that they mix.

    `needs_from_source` names fields of `mt.attention.source_facts.SourceFacts`. The mixer takes them as keyword
    arguments (None: not known) of `weights` and `attend`; for cross-attention, of `summarize`.
    """

    needs_from_source: tuple[str, ...] = ()

    asks_queries = True  # False: the projection of queries is not learned, and several processes wait for no gradient

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """weights_BHTS, rows summing to one, before dropout: this *is* the variant."""
        raise NotImplementedError

    def gate(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor | float:
        """How much of each head, or of each of its elements, is let through: B H T or 1, 1 or K; 1 is all of it."""
        return 1.0

    def activation(self, mixed_BHTK: Tensor) -> Tensor:
        """What becomes of the mixed values, element by element: they stay as they are."""
        return mixed_BHTK

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """heads_BHTK = gate * activation(weights @ values). A fast kernel may override it; the tests hold it equal."""
        mixed_BHTK = self.weights(q_BHTK, k_BGSK, mask) @ repeat_heads(v_BGSK, q_BHTK.shape[1])
        return self.gate(q_BHTK, k_BGSK, mask) * self.activation(mixed_BHTK)


class EncoderMixer(Mixer):
    """Encoder self-attention: every query looks at the keys that the mask leaves, before it and after it; `attend`."""


class MemoryMixer(Mixer):
    """Cross-attention: the memory is summarized once per sentence and read at every step.

    `read` takes more rows than the summary has sentences: with R = N * width rows, row r belongs to sentence
    r // width. The hypotheses of a sentence are then just more queries to the same keys, which are never repeated.
    `needs_from_decoder` names fields of `mt.attention.reading.Reading`: the mixer takes them by name in `read` and
    `read_weights`.
    """

    needs_from_decoder: tuple[str, ...] = ()

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Any:
        """The Summary of a memory, one entry a sentence: this is cross-attention's cache."""
        raise NotImplementedError

    def read(self, q_RHTK: Tensor, summary: Any) -> Tensor:
        """heads_RHTK."""
        raise NotImplementedError

    def read_weights(self, q_RHTK: Tensor, summary: Any) -> Tensor:
        """weights_RHTS of the same read, before dropout, for the alignment tap."""
        raise NotImplementedError


class CausalMixer(Mixer):
    """Decoder self-attention: new positions are added to a past and look at it and at each other, never ahead."""

    def start(self) -> Any:
        """The Past before the first position."""
        raise NotImplementedError

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: Any) -> tuple[Tensor, Any]:
        """heads_BHTK of the T new positions, and the past that includes them."""
        raise NotImplementedError


def repeat_heads(x_BGSK: Tensor, num_heads: int) -> Tensor:
    """x_BHSK: key-value heads repeated for the query heads that share them (grouped queries, Ainslie et al. 2023)."""
    groups = x_BGSK.shape[1]
    return x_BGSK if groups == num_heads else x_BGSK.repeat_interleave(num_heads // groups, dim=1)


def gather_hypotheses(q_RHTK: Tensor, num_sentences: int) -> Tensor:
    """R H T K -> N H (W T) K, W = R / N: a sentence's hypotheses become queries side by side."""
    rows, heads, length, size = q_RHTK.shape
    if rows == num_sentences:
        return q_RHTK
    width = rows // num_sentences
    q = q_RHTK.view(num_sentences, width, heads, length, size).transpose(1, 2)
    return q.reshape(num_sentences, heads, width * length, size)


def scatter_hypotheses(x_NHUK: Tensor, rows: int) -> Tensor:
    """N H (W T) K -> R H T K, the way back from `gather_hypotheses`; K may be any last size."""
    sentences, heads, queries, size = x_NHUK.shape
    if rows == sentences:
        return x_NHUK
    width = rows // sentences
    x = x_NHUK.view(sentences, heads, width, queries // width, size).transpose(1, 2)
    return x.reshape(rows, heads, queries // width, size)


ROLES: dict[type[Mixer], str] = {
    EncoderMixer: "encoder self-attention",
    MemoryMixer: "cross-attention",
    CausalMixer: "decoder self-attention",
}


def require_role(mixer: Mixer, role: type[Mixer], slot: str) -> None:
    """Raises ValueError naming slot and mixer, and what it is for, when it cannot play the role that the slot needs."""
    if not isinstance(mixer, role):
        played = [what for other, what in ROLES.items() if isinstance(mixer, other)]
        raise ValueError(
            f"{slot} ({type(mixer).__name__}) must be attention for {ROLES[role]} ({role.__name__});"
            f" this one is for {' and '.join(played) or 'none of the slots'}"
        )
