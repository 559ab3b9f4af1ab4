"""Optimizers as factories: settings first, parameters when the model is built."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

ADAM_STATE = frozenset({"step", "exp_avg", "exp_avg_sq"})


def adamw(
    *modules: nn.Module,
    betas: Sequence[float] = (0.9, 0.98),
    epsilon: float = 1e-9,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019) in its fused form; the schedule sets the rate at every update.

    Weight decay touches matrices only, never biases and norms.
    """
    check_betas(betas, epsilon, weight_decay)
    groups = groups_of(modules, weight_decay)
    return torch.optim.AdamW(groups, lr=0.0, betas=(betas[0], betas[1]), eps=epsilon, fused=True)


def groups_of(modules: Sequence[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """The trained matrices with weight decay, and the other trained parameters without."""
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    matrices, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def state_needed(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> frozenset[str]:
    """Names of what the optimizer holds of each parameter of a group that has learned; empty if that is not known.

    An optimizer that is not one of torch's says it by its method `state_needed(group)`.
    """
    own = getattr(optimizer, "state_needed", None)
    if own is not None:
        return frozenset(own(group))
    return ADAM_STATE if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)) else frozenset()


def check_betas(betas: Sequence[float], epsilon: float, weight_decay: float) -> None:
    """Raises ValueError naming the setting, its rule and value."""
    if len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
        raise ValueError(f"optimizer.betas ({list(betas)}) must be two numbers from 0 to below 1")
    if not epsilon >= 0.0:
        raise ValueError(f"optimizer.epsilon ({epsilon}) must be 0 or more")
    if weight_decay < 0.0:
        raise ValueError(f"optimizer.weight_decay ({weight_decay}) must be 0 or more")
