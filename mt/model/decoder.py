"""The decoder: teacher forcing is one long step, decoding many short ones, by the same code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from mt.attention.contract import CausalMixer, MemoryMixer, Mixer
from mt.attention.reading import Reading
from mt.model.layer import MOST_LAYERS, Layers, LayerSettings, Residual, checkpointed
from mt.model.memory import Memory

if TYPE_CHECKING:
    from mt.model.alignment_head import AlignmentHead  # that module imports this one

# B batch, R rows (hypotheses), N sentences, T target positions, S source length, D model, H heads


@dataclass(frozen=True)
class DecoderState:
    """The state of decoding, held by the caller: cross-attention summaries, self-attention pasts, position.

    Summaries have one entry per sentence, pasts one per row; the rows of a sentence are adjacent, equally many for
    every sentence. `pieces_NS` are the source's ids for models that need them.
    """

    summaries: tuple[Any, ...]
    pasts: tuple[Any, ...]
    position: int
    device: torch.device
    pieces_NS: Tensor | None = None

    def rows(self, index_R: Tensor, sentences_N: Tensor | None = None) -> DecoderState:
        """Rows reordered, repeated or dropped; `sentences_N` selects the sentences that stay; None keeps all."""
        summaries, pieces_NS = self.summaries, self.pieces_NS
        if sentences_N is not None:
            summaries = tuple(summary.rows(sentences_N) for summary in summaries)
            pieces_NS = None if pieces_NS is None else pieces_NS[sentences_N]
        pasts = tuple(past.rows(index_R) for past in self.pasts)
        return replace(self, summaries=summaries, pasts=pasts, pieces_NS=pieces_NS)


class AttentionTap(Protocol):
    """Receives cross-attention weights of the layers that it needs, computed apart from the kernel, before dropout."""

    def needs(self, layer: int) -> bool: ...

    def record(self, layer: int, weights_RHTS: Tensor) -> None: ...


class NoTap:
    """Needs nothing."""

    def needs(self, layer: int) -> bool:
        return False

    def record(self, layer: int, weights_RHTS: Tensor) -> None:
        raise AssertionError("a tap that needs nothing was given weights")


class SelfAttention(Protocol):
    """Self-attention of a decoder layer, with a past that it makes and extends."""

    def start(self) -> Any: ...

    def extend(self, x_BTD: Tensor, past: Any, position: int, /) -> tuple[Tensor, Any]: ...


class DecoderLayer(nn.Module):
    """Self-attention over the past, cross-attention to the memory, feed-forward, each in a residual step."""

    def __init__(
        self,
        settings: LayerSettings,
        self_attention: Callable[..., Mixer],
        cross_attention: Callable[..., Mixer],
        *,
        memory_dim: int | None = None,
    ):
        super().__init__()
        self.self_attention: SelfAttention = settings.make_attention(
            self_attention, CausalMixer, "decoder.self_attention"
        )
        self.cross_attention = settings.make_attention(
            cross_attention, MemoryMixer, "decoder.cross_attention", memory_dim=memory_dim
        )
        self.feed_forward = settings.make_feed_forward()
        self.self_residual, self.cross_residual = Residual(settings), Residual(settings)
        self.feed_forward_residual = Residual(settings)

    def forward(
        self, x_RTD: Tensor, summary: Any, past: Any, reading: Reading, layer: int, tap: AttentionTap
    ) -> tuple[Tensor, Any]:
        x_RTD, past = self.attend(x_RTD, summary, past, reading, layer, tap)
        residual = self.feed_forward_residual
        return residual.after(x_RTD, self.feed_forward(residual.before(x_RTD))), past

    def attend(
        self, x_RTD: Tensor, summary: Any, past: Any, reading: Reading, layer: int, tap: AttentionTap
    ) -> tuple[Tensor, Any]:
        """states_RTD after both attentions, and the past that includes them."""
        y_RTD, past = self.self_attention.extend(self.self_residual.before(x_RTD), past, reading.position)
        x_RTD = self.self_residual.after(x_RTD, y_RTD)
        query_RTD = self.cross_residual.before(x_RTD)
        if tap.needs(layer):
            tap.record(layer, self.cross_attention.read_weights(query_RTD, summary, reading))
        y_RTD = self.cross_attention.read(query_RTD, summary, reading)
        return self.cross_residual.after(x_RTD, y_RTD), past


class Decoder(nn.Module):
    """`num_layers` layers; the two slots are filled by mixer factories.

    `layer` builds a layer from the settings, those factories and `memory_dim`, the width of the memory (None: `dim`).
    """

    def __init__(
        self,
        *,
        settings: LayerSettings,
        num_layers: int,
        self_attention: Callable[..., Mixer],
        cross_attention: Callable[..., Mixer],
        memory_dim: int | None = None,
        layer: Callable[..., DecoderLayer] = DecoderLayer,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"decoder.num_layers ({num_layers}) must be at least 1")
        if num_layers > MOST_LAYERS:
            raise ValueError(f"decoder.num_layers ({num_layers}) must be at most {MOST_LAYERS}")
        self.layers: Layers[DecoderLayer] = Layers(
            layer(settings, self_attention, cross_attention, memory_dim=memory_dim) for _ in range(num_layers)
        )
        self.norm = settings.make_final_norm()
        self.alignment_head: AlignmentHead | None = None  # see mt.model.alignment_head

    @property
    def num_maps(self) -> int:
        """Layers that a tap can read: those of the decoder, then the alignment head, if there is one."""
        return len(self.layers) + (self.alignment_head is not None)

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first token: the memory summarized once for every layer."""
        arguments = (memory.states_BSD, memory.mask_B11S, memory.source_facts)
        summaries = (layer.cross_attention.summarize(*arguments) for layer in self.layers)
        pasts = (layer.self_attention.start() for layer in self.layers)
        return DecoderState(
            tuple(summaries), tuple(pasts), 0, memory.states_BSD.device, pieces_NS=memory.source_facts.pieces_BS
        )

    def extend(
        self,
        x_RTD: Tensor,
        state: DecoderState,
        reading: Reading,
        *,
        tap: AttentionTap | None = None,
        recompute: bool = False,
    ) -> tuple[Tensor, DecoderState]:
        """states_RTD after the T embedded tokens `x_RTD`, and the new state; `reading` has positions and pieces."""
        tap, pasts = tap or NoTap(), []
        for index, layer in enumerate(self.layers):
            arguments = (x_RTD, state.summaries[index], state.pasts[index], reading, index, tap)
            x_RTD, past = checkpointed(layer, *arguments) if recompute else layer(*arguments)
            pasts.append(past)
            head = self.alignment_head
            if head is not None and head.layer == index and tap.needs(len(self.layers)):
                tap.record(len(self.layers), head(x_RTD, layer.cross_attention, state.summaries[index], reading))
        return self.norm(x_RTD), replace(state, pasts=tuple(pasts), position=state.position + x_RTD.shape[1])
