"""The encoder: source embeddings to memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from mt.attention.contract import EncoderMixer, Mixer
from mt.attention.structure import UNKNOWN, Structure
from mt.model.layer import MOST_LAYERS, LayerSettings, Residual, checkpointed

# B batch, S source length, D model


@dataclass(frozen=True)
class Memory:
    """What the decoder attends to: states and a mask (True means "may look"; None when nothing is padded).

    `structure` is what is known of the source beside them.
    """

    states_BSD: Tensor
    mask_B11S: Tensor | None
    structure: Structure = UNKNOWN


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each in a residual step."""

    def __init__(self, settings: LayerSettings, self_attention: Callable[..., Mixer]):
        super().__init__()
        self.attention = settings.make_attention(self_attention, EncoderMixer, "encoder.self_attention")
        self.feed_forward = settings.make_feed_forward()
        self.attention_residual, self.feed_forward_residual = Residual(settings), Residual(settings)

    def forward(self, x_BSD: Tensor, mask: Tensor | None, structure: Structure = UNKNOWN) -> Tensor:
        residual = self.attention_residual
        x_BSD = residual.after(x_BSD, self.attention.attend(residual.before(x_BSD), mask, structure))
        residual = self.feed_forward_residual
        return residual.after(x_BSD, self.feed_forward(residual.before(x_BSD)))


class Encoder(nn.Module):
    """`num_layers` layers; `self_attention` is a mixer factory for the slot encoder.self_attention.

    `layer` makes a layer of the settings and that factory.
    """

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

    def forward(
        self, x_BSD: Tensor, mask: Tensor | None, structure: Structure = UNKNOWN, *, recompute: bool = False
    ) -> Memory:
        """The memory of embedded sources; `recompute` saves activation memory by gradient checkpointing."""
        for layer in self.layers:
            arguments = (x_BSD, mask, structure)
            x_BSD = checkpointed(layer, *arguments) if recompute else layer(*arguments)
        return Memory(self.norm(x_BSD), mask, structure)
