"""Where attention keeps the precision of its numbers, whatever autocast would make of matrix products."""

import torch
from torch import Tensor


def full_precision(x: Tensor) -> torch.autocast:
    """A context in which autocast rounds no product to bfloat16, which has 8 bits: too few for places among thousands,
    and for what becomes an exponent.
    """
    return torch.autocast(x.device.type, enabled=False)
