"""What objectives share that compare two passes over a batch: divergences, summed in chunks of tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# N real target tokens, C tokens of one chunk, D model, V vocabulary


def summed(
    sums_of: Callable[..., tuple[Tensor, ...]], per_token: tuple[Tensor, ...], chunk_tokens: int
) -> list[Tensor]:
    """The sums that `sums_of` gives for chunks of the tensors (dimension 0: tokens), added up.

    Only one chunk's logits are in memory at once; the backward pass computes them again.
    """
    chunks = zip(*(one.split(chunk_tokens) for one in per_token), strict=True)
    parts = [checkpoint(sums_of, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks]
    return [torch.stack(of_chunks).sum() for of_chunks in zip(*parts, strict=True)]


def log_probs(
    output: nn.Linear, states_CD: Tensor, other_states_CD: Tensor, targets_C: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What both passes predict, log_p_CV and log_q_CV (float32), and the targets."""
    log_p_CV, log_q_CV = (output(states).float().log_softmax(dim=-1) for states in (states_CD, other_states_CD))
    return log_p_CV, log_q_CV, targets_C


def divergence(log_p_NV: Tensor, log_q_NV: Tensor) -> Tensor:
    """KL(p || q) in nats, summed over tokens."""
    return (log_p_NV.exp() * (log_p_NV - log_q_NV)).sum()


def divergence_to_the_mean(log_p_NV: Tensor, log_q_NV: Tensor) -> Tensor:
    """The Jensen-Shannon divergence in nats, summed over tokens: the mean KL of both to their mean."""
    log_mean_NV = torch.logaddexp(log_p_NV, log_q_NV) - torch.log(log_p_NV.new_tensor(2.0))
    return 0.5 * (divergence(log_p_NV, log_mean_NV) + divergence(log_q_NV, log_mean_NV))


def check_weight(name: str, value: float, usual: str) -> None:
    """Raises ValueError naming the setting, its rule and value."""
    if not 0.0 < value < float("inf"):
        raise ValueError(f"objective.{name} ({value}) must be above 0 and finite; {usual}")
