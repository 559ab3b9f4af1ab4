"""The position-wise feed-forward part of a layer."""

from collections.abc import Callable

from torch import Tensor, nn

from mt.attention.dropout import Dropout
from mt.kernels.gate import gated
from mt.kernels.linear import Linear


def unchanged(x: Tensor) -> Tensor:
    """The activation after a product that contains relu."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": unchanged,
    "gelu": nn.functional.gelu,
    "swish": nn.functional.silu,  # that of Marian's models
    "swiglu": nn.functional.silu,
}


class FeedForward(nn.Module):
    """down(dropout(activation(up(x)))), or down(dropout(silu(gate(x)) * up(x))) for SwiGLU (Shazeer 2020).

    For SwiGLU `hidden_dim` is the width of both gate and up, so it has 1.5 times the parameters of the others.
    """

    def __init__(self, dim: int, hidden_dim: int, *, activation: str = "relu", dropout: float = 0.0):
        super().__init__()
        self.is_gated = activation == "swiglu"
        self.activation = ACTIVATIONS[activation]
        self.up = Linear(dim, hidden_dim * (2 if self.is_gated else 1), relu=activation == "relu")
        self.down = Linear(hidden_dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        hidden = self.up(x_BTD)
        if self.is_gated:
            return self.down(self.dropout(gated(hidden)))
        return self.down(self.dropout(self.activation(hidden)))
