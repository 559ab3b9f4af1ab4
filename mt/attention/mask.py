"""Boolean masks; True means "may look"."""

import torch
from torch import Tensor


def padding_mask(ids_BS: Tensor, pad: int) -> Tensor | None:
    """mask_B11S that hides padding, or None when nothing is padded, so that the kernels need no mask at all.

    A GPU is not asked, since the answer would be waited for: there it is always a mask.
    """
    real_BS = ids_BS != pad
    return None if ids_BS.device.type == "cpu" and bool(real_BS.all()) else real_BS[:, None, None, :]


def causal_mask(num_new: int, num_past: int, device: torch.device) -> Tensor | None:
    """mask_11TS for `num_new` positions after `num_past`: each sees the past and itself. None when it hides nothing."""
    if num_new == 1:
        return None
    return torch.ones(num_new, num_past + num_new, dtype=torch.bool, device=device).tril(num_past)[None, None]
