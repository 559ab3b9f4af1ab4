"""Dropout from random bytes: on the CPU, comparing bytes with a threshold is far cheaper than Bernoulli draws.

Attention can drop one of DROPPED, in training only; what is kept is scaled:
weights  single weights (Vaswani et al. 2017); only for mixers that compute weights
keys     the value of a key, for all queries of a head (DropAttention by columns, Zehui et al. 2019)
heads    a head of the whole sentence (DropHead, Zhou et al. 2020)
"""

from torch import Tensor, nn

from mt.kernels.dropout import add_dropped, dropped

DROPPED = ("weights", "keys", "heads")


class Dropout(nn.Module):
    """In training sets values to zero with probability `rate` and scales the rest to keep the expectation.

    On the CPU the rate is rounded to a multiple of 1/256 and the scale follows the rounded rate.
    """

    def __init__(self, rate: float):
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"dropout ({rate}) must be at least 0 and below 1")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        if x.device.type != "cpu":
            return nn.functional.dropout(x, self.rate)
        return dropped(x, self.rate)

    def added_to(self, x: Tensor, y: Tensor) -> Tensor:
        """x + self(y), on a CPU in one pass."""
        if self.training and y.device.type == "cpu":
            return add_dropped(x, y, self.rate)
        return x + self(y)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class WholeDropout(Dropout):
    """Dropout of whole slices over the last `dims` dimensions: a slice is set to zero or scaled as one."""

    def __init__(self, rate: float, *, dims: int):
        super().__init__(rate)
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        return x * super().forward(x.new_ones((*x.shape[: -self.dims], *[1] * self.dims)))


def refuse_weight_dropout(rate: float, name: str) -> None:
    """Raises ValueError for a `rate` above 0, for a mixer (`name`) that never computes its weights."""
    if rate:
        raise ValueError(f"attention_dropout ({rate}) must be 0, or of keys or heads: {name} has no weights to drop")
