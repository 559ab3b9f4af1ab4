"""What encoder and decoder layers share: their settings, norms, and the residual connection around every sublayer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, overload

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from mt.attention.contract import Mixer
from mt.attention.dropout import DROPPED, Dropout
from mt.attention.multi_head import MultiHead
from mt.kernels.norm import LayerNorm, RMSNorm
from mt.model.feed_forward import ACTIVATIONS, FeedForward

NORMS = {"layer": LayerNorm, "rms": RMSNorm}
MOST_LAYERS = 1000  # of encoder and decoder each; a larger number is surely a mistake, and would be built for hours
POSITIONS = ("sinusoidal", "learned", "rotary", "randomized")

Result = TypeVar("Result")
Layer = TypeVar("Layer", bound=nn.Module)

if TYPE_CHECKING:

    class Layers(nn.ModuleList, Generic[Layer]):
        """A list of modules that are all layers of one kind; torch's own says only that they are modules."""

        def __iter__(self) -> Iterator[Layer]: ...

        @overload
        def __getitem__(self, idx: slice) -> Layers[Layer]: ...

        @overload
        def __getitem__(self, idx: int) -> Layer: ...

        def __getitem__(self, idx: int | slice) -> Layer | Layers[Layer]: ...

else:
    Layers = nn.ModuleList


@dataclass(frozen=True, kw_only=True)
class LayerSettings:
    """Sizes and choices that all layers of a model share. Raises ValueError naming the setting, its rule and value."""

    dim: int  # width of the states between layers
    num_heads: int
    num_kv_heads: int  # key-value heads; fewer than num_heads shares them (grouped-query attention)
    feed_forward_dim: int
    head_size: int | None = None  # width of a head's queries, keys and values; None: dim / num_heads
    activation: str = "relu"
    norm: str = "layer"
    norm_position: str = "pre"
    positions: str = "sinusoidal"
    dropout: float = 0.1  # on the output of every sublayer and on the embeddings
    attention_dropout: float = 0.0
    attention_dropout_of: str = "weights"
    activation_dropout: float = 0.0  # inside the feed-forward part

    def __post_init__(self):
        for name in ("dim", "num_heads", "num_kv_heads", "feed_forward_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} ({getattr(self, name)}) must be at least 1")
        if self.head_size is not None and self.head_size < 1:
            raise ValueError(f"head_size ({self.head_size}) must be at least 1, or null for dim / num_heads")
        if self.head_size is None and self.dim % self.num_heads:
            raise ValueError(f"dim ({self.dim}) must be a multiple of num_heads ({self.num_heads})")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads ({self.num_heads}) must be a multiple of num_kv_heads ({self.num_kv_heads})")
        for name, known in (
            ("activation", ACTIVATIONS),
            ("norm", NORMS),
            ("norm_position", ("pre", "post")),
            ("positions", POSITIONS),
            ("attention_dropout_of", DROPPED),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} ({getattr(self, name)}) must be one of {', '.join(known)}")

    def make_norm(self) -> nn.Module:
        return NORMS[self.norm](self.dim, eps=1e-5, before_product=self.norm_position == "pre")

    def make_final_norm(self) -> nn.Module:
        """The norm after the last layer: needed by pre-norm layers, whose sum is not normalized."""
        return self.make_norm() if self.norm_position == "pre" else nn.Identity()

    def make_feed_forward(self) -> FeedForward:
        return FeedForward(self.dim, self.feed_forward_dim, activation=self.activation, dropout=self.activation_dropout)

    @property
    def attention_dropout_rates(self) -> dict[str, float]:
        """Dropout rates of the parts of attention, by their names in DROPPED."""
        return dict.fromkeys(DROPPED, 0.0) | {self.attention_dropout_of: self.attention_dropout}

    def make_attention(
        self, mixer: Callable[..., Mixer], role: type[Mixer], slot: str, *, memory_dim: int | None = None
    ) -> MultiHead:
        """The attention of `slot`; `memory_dim` is the width of the memory that cross-attention reads, if not `dim`.

        Rotary positions apply to self-attention only: positions of memory and target are not comparable.
        """
        rates = self.attention_dropout_rates
        return MultiHead(
            self.dim,
            num_heads=self.num_heads,
            num_kv_heads=self.num_kv_heads,
            mixer=partial(mixer, dropout=rates["weights"]),
            role=role,
            slot=slot,
            head_size=self.head_size,
            memory_dim=memory_dim,
            rotary=self.positions == "rotary" and not slot.endswith("cross_attention"),
            key_dropout=rates["keys"],
            head_dropout=rates["heads"],
        )


class Residual(nn.Module):
    """x + dropout(f(norm(x))) for pre-norm layers, norm(x + dropout(f(x))) for post-norm ones.

    Used in two halves, so that a sublayer may also return a cache: `y = f(residual.before(x))`, then
    `x = residual.after(x, y)`.
    """

    def __init__(self, settings: LayerSettings):
        super().__init__()
        self.norm = settings.make_norm()
        self.dropout = Dropout(settings.dropout)
        self.is_pre = settings.norm_position == "pre"

    def before(self, x_BTD: Tensor) -> Tensor:
        return self.norm(x_BTD) if self.is_pre else x_BTD

    def after(self, x_BTD: Tensor, y_BTD: Tensor) -> Tensor:
        x_BTD = self.dropout.added_to(x_BTD, y_BTD) if self.training else x_BTD + y_BTD
        return x_BTD if self.is_pre else self.norm(x_BTD)


def init_weights(module: nn.Module) -> None:
    """Xavier-uniform matrices and zero biases (Vaswani et al. 2017 as tensor2tensor and fairseq have it)."""
    if isinstance(module, MultiHead):
        # key and value matrices separately: stacked, their fan-out would count twice
        with torch.no_grad():
            for part in module.key_value.weight.chunk(2):
                nn.init.xavier_uniform_(part)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def checkpointed(function: Callable[..., Result], *args: object) -> Result:
    """Gradient checkpointing (Chen et al. 2016): recomputes the activations of `function` in the backward pass."""
    return torch.utils.checkpoint.checkpoint(function, *args, use_reentrant=False)
