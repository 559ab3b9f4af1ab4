"""The encoder: a source to memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from mt.attention.contract import EncoderMixer, Mixer
from mt.attention.source_facts import UNKNOWN, SourceFacts
from mt.model.layer import MOST_LAYERS, LayerSettings, Residual, checkpointed
from mt.model.memory import Memory
from mt.model.source_embedding import Embed

# B batch, S source length, D model


class SourceEncoder(nn.Module):
    """Reads one kind of source: `Encoder` reads text, other classes other kinds. Built from the shared settings.

    `width` is the width of its memory. If it `reads_pieces`, the model builds an embedding of source pieces for it,
    which the decoder and the output may share; else `embed` is None.
    """

    width: int
    reads_pieces = False

    def forward(self, source: Any, embed: Embed | None, *, recompute: bool = False) -> Memory:
        """The memory of a source; `recompute` saves activation memory by gradient checkpointing."""
        raise NotImplementedError


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each in a residual step."""

    def __init__(self, settings: LayerSettings, self_attention: Callable[..., Mixer]):
        super().__init__()
        self.attention = settings.make_attention(self_attention, EncoderMixer, "encoder.self_attention")
        self.feed_forward = settings.make_feed_forward()
        self.attention_residual, self.feed_forward_residual = Residual(settings), Residual(settings)

    def forward(self, x_BSD: Tensor, mask: Tensor | None, source_facts: SourceFacts = UNKNOWN) -> Tensor:
        residual = self.attention_residual
        x_BSD = residual.after(x_BSD, self.attention.attend(residual.before(x_BSD), mask, source_facts))
        residual = self.feed_forward_residual
        return residual.after(x_BSD, self.feed_forward(residual.before(x_BSD)))


class Encoder(SourceEncoder):
    """The encoder of text.

    It has `num_layers` layers; `self_attention` is a mixer factory for the slot encoder.self_attention, and `layer`
    builds a layer from the settings and that factory.
    """

    reads_pieces = True

    def __init__(
        self,
        *,
        settings: LayerSettings,
        num_layers: int,
        self_attention: Callable[..., Mixer],
        layer: Callable[..., nn.Module] = EncoderLayer,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"encoder.num_layers ({num_layers}) must be at least 1")
        if num_layers > MOST_LAYERS:
            raise ValueError(f"encoder.num_layers ({num_layers}) must be at most {MOST_LAYERS}")
        self.layers = nn.ModuleList(layer(settings, self_attention) for _ in range(num_layers))
        self.norm = settings.make_final_norm()
        self.width = settings.dim

    def forward(self, source: Any, embed: Embed | None, *, recompute: bool = False) -> Memory:
        """The memory of a source of text; `recompute` saves activation memory by gradient checkpointing."""
        assert embed is not None
        x_BSD, mask, source_facts = embed(source)
        for layer in self.layers:
            arguments = (x_BSD, mask, source_facts)
            x_BSD = checkpointed(layer, *arguments) if recompute else layer(*arguments)
        return Memory.of("text", self.norm(x_BSD), mask, source_facts)
