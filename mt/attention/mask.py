"""Boolean masks; True means "may look"."""

import torch
from torch import Tensor


def padding_mask(ids_BS: Tensor, pad: int) -> Tensor | None:
    """mask_B11S that hides padding, or None when nothing is padded: kernels are faster without a mask.

    On a GPU it is always a mask: to check for padding would wait for the GPU.
    """
    real_BS = ids_BS != pad
    return None if ids_BS.device.type == "cpu" and bool(real_BS.all()) else real_BS[:, None, None, :]


def mask_of_keys(mask: Tensor | None, k_BGSK: Tensor) -> Tensor | None:
    """The mask expanded to mask_B11S, one row for each sentence of the keys.

    Raises ValueError for a mask that differs between queries or heads: a summary is the same for all of them.
    """
    if mask is None:
        return None
    if any(size != 1 for size in mask.shape[-3:-1]):
        shape = " x ".join(map(str, mask.shape))
        raise ValueError(
            f"mask ({shape}) must be B x 1 x 1 x S: a summary of keys is the same for all queries and heads"
        )
    return mask.expand(len(k_BGSK), 1, 1, k_BGSK.shape[2])


def real_keys(mask: Tensor | None, k_BGSK: Tensor) -> Tensor:
    """real_BS: True for the keys that the mask allows (no padding)."""
    mask = mask_of_keys(mask, k_BGSK)
    if mask is None:
        return torch.ones(len(k_BGSK), k_BGSK.shape[2], dtype=torch.bool, device=k_BGSK.device)
    return mask[:, 0, 0]


def causal_mask(num_new: int, num_past: int, device: torch.device) -> Tensor | None:
    """mask_11TS for `num_new` positions after `num_past`: each sees the past and itself. None when it hides nothing."""
    if num_new == 1:
        return None
    return torch.ones(num_new, num_past + num_new, dtype=torch.bool, device=device).tril(num_past)[None, None]
