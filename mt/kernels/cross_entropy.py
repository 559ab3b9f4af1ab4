"""Label-smoothed cross-entropy of rows of logits, of one pass or of two, whose gradient takes their place."""

from __future__ import annotations

import torch
from torch import Tensor

from mt.kernels.library import applies_to, call

# C rows, V vocabulary, R rows at a time

ROWS_IN_CACHE = 64  # the passes over float32 logits then find them in a CPU's second-level cache


def cross_entropy_(
    logits_CV: Tensor, targets_C: Tensor, smoothing: float, *, has_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Sums over the rows, in nats: minus the log-probability of the target, and of all pieces on average.

    With `has_gradient` the logits (each row contiguous) become softmax - (1 - smoothing) * one-hot: the gradient of
    (1 - smoothing) * first + smoothing * second, without its constant term - smoothing / V. A row with NaN gives NaN.
    """
    if not applies_to(logits_CV):
        return torch_cross_entropy_(logits_CV, targets_C, smoothing, has_gradient=has_gradient)
    C, V = logits_CV.shape
    sums_2C = torch.empty(2, C)
    is_bf16 = logits_CV.dtype == torch.bfloat16
    given = (logits_CV, is_bf16, logits_CV.stride(0), targets_C.contiguous())
    call("cross_entropy", *given, C, V, smoothing, has_gradient, sums_2C)
    plain, uniform = sums_2C.sum(dim=1)
    return plain, uniform


def torch_cross_entropy_(
    logits_CV: Tensor, targets_C: Tensor, smoothing: float, *, has_gradient: bool
) -> tuple[Tensor, Tensor]:
    """The same by torch."""
    plain, uniform = logits_CV.new_zeros(2, dtype=torch.float32)
    rows = ROWS_IN_CACHE if logits_CV.device.type == "cpu" else max(1, len(logits_CV))
    for logits_RV, targets_R1 in zip(logits_CV.split(rows), targets_C[:, None].split(rows), strict=True):
        scores_RV = logits_RV.float()
        probs_RV = scores_RV.softmax(dim=-1)
        # log of the sum of exponentials, from the greatest score, whose probability cannot vanish
        log_sum = (scores_RV.amax(dim=-1) - probs_RV.amax(dim=-1).log()).sum()
        plain += log_sum - scores_RV.gather(1, targets_R1).sum()
        uniform += log_sum - scores_RV.sum() / logits_CV.shape[1]
        if has_gradient:
            probs_RV.scatter_add_(1, targets_R1, probs_RV.new_full(targets_R1.shape, smoothing - 1.0))
            logits_RV.copy_(probs_RV)
    return plain, uniform


def cross_entropy_of_two_(
    logits_CV: Tensor, others_CV: Tensor, targets_C: Tensor, smoothing: float, weight: float, *, has_gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Of two passes, p and q, over the same tokens: the mean of both sums of `cross_entropy_`, and their divergence.

    The divergence is (KL(p || q) + KL(q || p)) / 2, in nats. With `has_gradient` the logits of both become the
    gradients of (1 - smoothing) * first + smoothing * second + weight * divergence, without the constant term
    - smoothing / (2 V).
    """
    if not (applies_to(logits_CV, others_CV) and logits_CV.stride() == others_CV.stride()):
        return torch_cross_entropy_of_two_(
            logits_CV, others_CV, targets_C, smoothing, weight, has_gradient=has_gradient
        )
    C, V = logits_CV.shape
    sums_3C = torch.empty(3, C)
    is_bf16 = logits_CV.dtype == torch.bfloat16
    given = (logits_CV, others_CV, is_bf16, logits_CV.stride(0), targets_C.contiguous())
    call("cross_entropy_of_two", *given, C, V, smoothing, weight, has_gradient, sums_3C)
    plain, uniform, divergence = sums_3C.sum(dim=1)
    return plain, uniform, divergence


def torch_cross_entropy_of_two_(
    logits_CV: Tensor, others_CV: Tensor, targets_C: Tensor, smoothing: float, weight: float, *, has_gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The same by torch."""
    plain, uniform, divergence = logits_CV.new_zeros(3, dtype=torch.float32)
    rows = ROWS_IN_CACHE if logits_CV.device.type == "cpu" else max(1, len(logits_CV))
    chunks = zip(*(one.split(rows) for one in (logits_CV, others_CV, targets_C[:, None])), strict=True)
    for p_RV, q_RV, targets_R1 in chunks:
        log_p_RV, log_q_RV = (one.float().log_softmax(dim=-1) for one in (p_RV, q_RV))
        far_RV, probs_RV, others_RV = log_p_RV - log_q_RV, log_p_RV.exp(), log_q_RV.exp()
        plain -= (log_p_RV + log_q_RV).gather(1, targets_R1).sum() / 2
        uniform -= (log_p_RV + log_q_RV).mean(dim=-1).sum() / 2
        divergence += ((probs_RV - others_RV) * far_RV).sum() / 2
        if not has_gradient:
            continue
        for to_RV, own_RV, other_RV, d_RV in (
            (p_RV, probs_RV, others_RV, far_RV),
            (q_RV, others_RV, probs_RV, -far_RV),
        ):
            kl_R1 = (own_RV * d_RV).sum(dim=-1, keepdim=True)
            gradient_RV = own_RV / 2 + weight / 2 * (own_RV * (d_RV - kl_R1) + own_RV - other_RV)
            gradient_RV.scatter_add_(1, targets_R1, gradient_RV.new_full(targets_R1.shape, (smoothing - 1.0) / 2))
            to_RV.copy_(gradient_RV)
    return plain, uniform, divergence
