"""Gated attention units: one part replaces self-attention and feed-forward (Hua et al. 2022, "Transformer Quality in
Linear Time", arXiv 2202.10447).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer, Mixer, require_role
from mt.attention.dropout import Dropout, WholeDropout
from mt.attention.mask import causal_mask
from mt.attention.reading import Reading
from mt.attention.rotary import NoRotary, Rotary
from mt.attention.source_facts import UNKNOWN, SourceFacts
from mt.kernels.linear import Linear
from mt.model.decoder import AttentionTap, DecoderLayer
from mt.model.layer import LayerSettings, Residual

# B batch, R rows (hypotheses), T queries, S keys, D model, E values (inner width), K shared size


@dataclass(frozen=True)
class GatedPast:
    """Keys and values of the positions so far; None before the first."""

    k_B1SK: Tensor | None = None
    v_B1SE: Tensor | None = None

    def rows(self, index: Tensor) -> GatedPast:
        if self.k_B1SK is None or self.v_B1SE is None:
            return self
        return GatedPast(self.k_B1SK[index], self.v_B1SE[index])


class GatedUnit(nn.Module):
    """(u * A v) W_o with u = silu(x W_u), v = silu(x W_v), A the slot's weights with one head of `shared_size`.

    Queries and keys are z = silu(x W_z) with separate scales and offsets. The paper's A is relu(q kᵀ + b)²,
    not normalized, with a bias b for each distance, which is left out here: positions are the model's, rotary ones
    rotate queries and keys. The mixer Rectified with power 2 divides each row by its sum. Any mixer of the slot's role
    gives A, as long as its output is only its weights times the values; all T x S weights are computed, and the past
    grows with the positions for every mixer. Dropout: activation_dropout on u * A v; attention_dropout on the weights,
    the keys, or the one head.

    Raises ValueError, naming slot and mixer, for a mixer without the role or with its own gate or activation,
    and for an expansion or a shared_size below 1.
    """

    def __init__(
        self,
        settings: LayerSettings,
        mixer: Callable[..., Mixer],
        *,
        role: type[Mixer],
        slot: str,
        expansion: int,
        shared_size: int,
    ):
        super().__init__()
        for name, value in (("expansion", expansion), ("shared_size", shared_size)):
            if value < 1:
                raise ValueError(f"{name} ({value}) must be at least 1")
        self.mixer = mixer(1, shared_size)
        require_role(self.mixer, role, slot)
        if not is_weights_alone(self.mixer):
            raise ValueError(
                f"{slot} ({type(self.mixer).__name__}) must have no gate or activation: a gated unit has its own gate"
            )
        inner = expansion * settings.dim
        self.gate, self.value = Linear(settings.dim, inner), Linear(settings.dim, inner)
        self.shared, self.output = Linear(settings.dim, shared_size), Linear(inner, settings.dim)
        self.scales_2K = nn.Parameter(torch.ones(2, shared_size))  # of queries and of keys
        self.offsets_2K = nn.Parameter(torch.zeros(2, shared_size))
        self.rotary = Rotary(shared_size) if settings.positions == "rotary" else NoRotary()
        rates = settings.attention_dropout_rates
        self.weight_dropout = Dropout(rates["weights"])
        self.key_dropout = WholeDropout(rates["keys"], dims=1)  # of B 1 S E
        self.head_dropout = WholeDropout(rates["heads"], dims=2)  # of B 1 T E
        self.dropout = Dropout(settings.activation_dropout)

    def attend(self, x_BSD: Tensor, mask: Tensor | None, source_facts: SourceFacts = UNKNOWN) -> Tensor:
        """out_BSD: every position looks at all positions that the mask allows."""
        return self._out(
            x_BSD, *self._queries_keys_values(x_BSD, 0), mask, **source_facts.of(self.mixer.needs_from_source)
        )

    def start(self) -> GatedPast:
        """The Past before the first position."""
        return GatedPast()

    def extend(self, x_BTD: Tensor, past: GatedPast, position: int) -> tuple[Tensor, GatedPast]:
        """out_BTD of new positions, the first of which has position `position`, and the new past."""
        q, k, v = self._queries_keys_values(x_BTD, position)
        if past.k_B1SK is not None and past.v_B1SE is not None:
            k, v = torch.cat((past.k_B1SK, k), dim=2), torch.cat((past.v_B1SE, v), dim=2)
        mask = causal_mask(q.shape[2], k.shape[2] - q.shape[2], q.device)
        return self._out(x_BTD, q, k, v, mask), GatedPast(k, v)

    def _queries_keys_values(self, x_BTD: Tensor, position: int) -> tuple[Tensor, Tensor, Tensor]:
        z_B1TK = nn.functional.silu(self.shared(x_BTD)).unsqueeze(1)
        q, k = (z_B1TK * scale_K + offset_K for scale_K, offset_K in zip(self.scales_2K, self.offsets_2K, strict=True))
        v = self.key_dropout(nn.functional.silu(self.value(x_BTD)).unsqueeze(1))
        return self.rotary(q, position), self.rotary(k, position), v

    def _out(
        self, x_BTD: Tensor, q_B1TK: Tensor, k_B1SK: Tensor, v_B1SE: Tensor, mask: Tensor | None, **known: Tensor | None
    ) -> Tensor:
        weights_B1TS = self.weight_dropout(self.mixer.weights(q_B1TK, k_B1SK, mask, **known).to(v_B1SE.dtype))
        mixed_BTE = self.head_dropout(weights_B1TS @ v_B1SE).squeeze(1)
        return self.output(self.dropout(nn.functional.silu(self.gate(x_BTD)) * mixed_BTE))


def is_weights_alone(mixer: Mixer) -> bool:
    """Whether the variant's output is only its weights times the values."""
    return type(mixer).gate is Mixer.gate and type(mixer).activation is Mixer.activation


class GatedEncoderLayer(nn.Module):
    """A gated unit in a residual step."""

    def __init__(
        self,
        settings: LayerSettings,
        self_attention: Callable[..., Mixer],
        *,
        expansion: int,
        shared_size: int,
    ):
        super().__init__()
        self.attention = GatedUnit(
            settings,
            self_attention,
            role=EncoderMixer,
            slot="encoder.self_attention",
            expansion=expansion,
            shared_size=shared_size,
        )
        self.attention_residual = Residual(settings)

    def forward(self, x_BSD: Tensor, mask: Tensor | None, source_facts: SourceFacts = UNKNOWN) -> Tensor:
        residual = self.attention_residual
        return residual.after(x_BSD, self.attention.attend(residual.before(x_BSD), mask, source_facts))


class GatedDecoderLayer(DecoderLayer):
    """A gated unit over the past, then cross-attention to the memory, each in a residual step."""

    def __init__(
        self,
        settings: LayerSettings,
        self_attention: Callable[..., Mixer],
        cross_attention: Callable[..., Mixer],
        *,
        expansion: int,
        shared_size: int,
        memory_dim: int | None = None,
    ):
        nn.Module.__init__(self)  # skips the parts of the parent class, which this layer does not use
        self.self_attention = GatedUnit(
            settings,
            self_attention,
            role=CausalMixer,
            slot="decoder.self_attention",
            expansion=expansion,
            shared_size=shared_size,
        )
        self.cross_attention = settings.make_attention(
            cross_attention, MemoryMixer, "decoder.cross_attention", memory_dim=memory_dim
        )
        self.self_residual, self.cross_residual = Residual(settings), Residual(settings)

    def forward(
        self, x_RTD: Tensor, summary: Any, past: GatedPast, reading: Reading, layer: int, tap: AttentionTap
    ) -> tuple[Tensor, GatedPast]:
        return self.attend(x_RTD, summary, past, reading, layer, tap)


@dataclass(frozen=True, kw_only=True)
class GatedLayers:
    """Builds layers with a gated unit: decoder layers where there is cross-attention, else encoder layers.

    `expansion` is the width of gate and values divided by the model's, `shared_size` the width of queries and keys.
    """

    expansion: int = 2
    shared_size: int = 128

    def __call__(
        self,
        settings: LayerSettings,
        self_attention: Callable[..., Mixer],
        cross_attention: Callable[..., Mixer] | None = None,
        *,
        memory_dim: int | None = None,
    ) -> GatedEncoderLayer | GatedDecoderLayer:
        if cross_attention is None:
            return GatedEncoderLayer(settings, self_attention, expansion=self.expansion, shared_size=self.shared_size)
        return GatedDecoderLayer(
            settings,
            self_attention,
            cross_attention,
            memory_dim=memory_dim,
            expansion=self.expansion,
            shared_size=self.shared_size,
        )
