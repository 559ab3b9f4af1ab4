"""What an attention variant is: one definition of its weights, and up to three roles, one for each slot.

An encoder-decoder has three slots. Encoder self-attention *attends*; cross-attention *summarizes* the memory once per
sentence and *reads* it at every step; decoder self-attention *extends* a past. A variant is a mixer: queries, keys and
values come in already projected and split into heads, and it says how they mix.

Shapes: B batch, H heads, G key-value heads (H is a multiple of G), T queries, S keys, K head size, R rows (hypotheses).
A mask is boolean and broadcastable to B H T S (for `summarize`: to B 1 1 S); True means "may look". Every query may
look at one key at least.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor, nn

from mt.attention.reading import FIRST, Reading


class Rows(Protocol):
    """A value with one entry a row; `rows` reorders, repeats or drops entries: a `Summary` or a `Past`."""

    def rows(self, index: Tensor) -> Rows: ...


class Mixer(nn.Module):
    """What every variant defines: its weights, and what happens to the values that they mix.

    `needs_from_source` names fields of `mt.attention.source_facts.SourceFacts`. The mixer takes them as keyword
    arguments (None: not known) of `weights` and `attend`; for cross-attention, of `summarize`.
    """

    needs_from_source: tuple[str, ...] = ()

    takes_rotary = True  # False: rotary positions are left out, even where a model has them
    asks_queries = (
        True  # False: queries are not used, so their projection is not trained (DDP would wait for its gradient)
    )

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """weights_BHTS, rows summing to one, before dropout: this *is* the variant."""
        raise NotImplementedError

    @property
    def is_linear(self) -> bool:
        """Whether the output is linear in the values, the weights and the gate given: each key has its own part."""
        return type(self).activation is Mixer.activation

    def gate(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor | float:
        """Factor for each head (B H T 1) or each of its elements (B H T K); T may be 1. 1 leaves it unchanged."""
        return 1.0

    def activation(self, mixed_BHTK: Tensor) -> Tensor:
        """The function applied to each element of the mixed values; the default is the identity."""
        return mixed_BHTK

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """heads_BHTK = gate * activation(weights @ values). A faster override must give the same; tests check it."""
        mixed_BHTK = self.weights(q_BHTK, k_BGSK, mask) @ repeat_heads(v_BGSK, q_BHTK.shape[1])
        return self.gate(q_BHTK, k_BGSK, mask) * self.activation(mixed_BHTK)


class EncoderMixer(Mixer):
    """Encoder self-attention: `attend`; every query may look at all keys that the mask allows, before and after it."""


class MemoryMixer(Mixer):
    """Cross-attention: the memory is summarized once per sentence and read at every step.

    A summary says by `len` how many sentences it has. The hypotheses of a sentence are more queries to the same keys,
    so that keys are not copied: `read_side_by_side` puts them side by side, so that U = W * T queries of each of N
    sentences come to `read`, those of a hypothesis together.
    `needs_from_decoder` names fields of `mt.attention.reading.Reading`: keyword arguments of `read` and
    `read_weights`.
    """

    needs_from_decoder: tuple[str, ...] = ()

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Any:
        """The Summary of a memory, one entry a sentence: this is cross-attention's cache."""
        raise NotImplementedError

    def read(self, q_NHUK: Tensor, summary: Any) -> Tensor:
        """heads_NHUK."""
        raise NotImplementedError

    def read_weights(self, q_NHUK: Tensor, summary: Any) -> Tensor:
        """weights_NHUS of the same read, before dropout, for the alignment tap."""
        raise NotImplementedError


class CausalMixer(Mixer):
    """Decoder self-attention: new positions are added to a past; each looks at the past and at itself, never ahead."""

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


def read_side_by_side(mixer: MemoryMixer, q_RHTK: Tensor, summary: Any, reading: Reading = FIRST) -> Tensor:
    """heads_RHTK read by the hypotheses of the summary's N sentences: row r belongs to sentence r // (R / N)."""
    return _side_by_side(mixer.read, mixer, q_RHTK, summary, reading)


def weights_side_by_side(mixer: MemoryMixer, q_RHTK: Tensor, summary: Any, reading: Reading = FIRST) -> Tensor:
    """weights_RHTS of the same read."""
    return _side_by_side(mixer.read_weights, mixer, q_RHTK, summary, reading)


def _side_by_side(
    method: Callable[..., Tensor], mixer: MemoryMixer, q_RHTK: Tensor, summary: Any, reading: Reading
) -> Tensor:
    (R, _, T, _), N = q_RHTK.shape, len(summary)
    prior_RTS = reading.prior_RTS
    if R != N and prior_RTS is not None and "prior_RTS" in mixer.needs_from_decoder:
        prior_RTS = gather_hypotheses(prior_RTS[:, None], N)[:, 0]
    known = (
        replace(reading, prior_RTS=prior_RTS, period=T).of(mixer.needs_from_decoder) if mixer.needs_from_decoder else {}
    )
    return scatter_hypotheses(method(gather_hypotheses(q_RHTK, N), summary, **known), R)


ROLES: dict[type[Mixer], str] = {
    EncoderMixer: "encoder self-attention",
    MemoryMixer: "cross-attention",
    CausalMixer: "decoder self-attention",
}


def require_role(mixer: Mixer, role: type[Mixer], slot: str) -> None:
    """Raises ValueError, naming slot and mixer and the mixer's own roles, if it lacks the role of the slot."""
    if not isinstance(mixer, role):
        played = [what for other, what in ROLES.items() if isinstance(mixer, other)]
        raise ValueError(
            f"{slot} ({type(mixer).__name__}) must be attention for {ROLES[role]} ({role.__name__});"
            f" this one is for {' and '.join(played) or 'none of the slots'}"
        )
