"""Full precision for the few products of attention that bfloat16 would spoil."""

import torch
from torch import Tensor


def full_precision(x: Tensor) -> torch.autocast:
    """A context without autocast: the 8 bits of bfloat16 are too few for large positions and for exponents."""
    return torch.autocast(x.device.type, enabled=False)
