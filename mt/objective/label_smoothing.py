"""Label-smoothed cross-entropy, with a fused form that never holds all logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.kernels.cross_entropy import cross_entropy_
from mt.kernels.products import products
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.teacher_forcing import teacher_forcing

# N target tokens (padding left out), D model, V vocabulary, C tokens of one chunk


@dataclass(frozen=True)
class CrossEntropy:
    """Sums in nats over target tokens: `smoothed` has the gradient, `plain` is the negative log-likelihood."""

    smoothed_nats: Tensor
    plain_nats: Tensor


class LabelSmoothedCrossEntropy:
    """Cross-entropy against (1 - smoothing) * one-hot + smoothing / V (Szegedy et al. 2016; Vaswani et al. 2017).

    Projection and loss go together in chunks of `chunk_tokens` target tokens: the gradient of a chunk's logits is made
    while they are at hand, so that memory for logits is chunk_tokens x V instead of N x V. `plain_cross_entropy` is the
    oracle.
    """

    def __init__(self, *, smoothing: float = 0.1, chunk_tokens: int = 512):
        check_settings(smoothing, chunk_tokens)
        self.smoothing, self.chunk_tokens = smoothing, chunk_tokens

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        states_ND, targets_N = teacher_forcing(model, batch)
        loss = self.cross_entropy(states_ND, model.output, targets_N)
        return Loss(loss.smoothed_nats, {"nats": loss.plain_nats}, {})

    def check(self, model: Seq2Seq) -> None:
        """Every model will do."""

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """All will do."""

    def cross_entropy(self, states_ND: Tensor, output: nn.Linear, targets_N: Tensor) -> CrossEntropy:
        """Of N target tokens, given the decoder's states and the output projection (which has no bias)."""
        return CrossEntropy(*_FusedLoss.apply(states_ND, output.weight, targets_N, self.smoothing, self.chunk_tokens))


def check_settings(smoothing: float, chunk_tokens: int) -> None:
    """Raises ValueError naming the setting, its rule and value."""
    if not 0.0 <= smoothing < 1.0:
        raise ValueError(f"objective.smoothing ({smoothing}) must be at least 0 and below 1")
    if chunk_tokens < 1:
        raise ValueError(f"objective.chunk_tokens ({chunk_tokens}) must be at least 1")


def plain_cross_entropy(log_probs_NV: Tensor, targets_N: Tensor, smoothing: float) -> CrossEntropy:
    """The definition, on the log-probabilities (float32) of the whole vocabulary."""
    plain = -log_probs_NV.gather(1, targets_N[:, None]).sum()
    uniform = -log_probs_NV.mean(dim=-1).sum()
    return CrossEntropy((1.0 - smoothing) * plain + smoothing * uniform, plain.detach())


class _FusedLoss(torch.autograd.Function):
    @staticmethod
    def forward(context, states_ND, weight_VD, targets_N, smoothing, chunk_tokens):
        device = states_ND.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states_ND.dtype
        states_ND, weight_VD = states_ND.detach(), weight_VD.detach()
        of = products([weight_VD], dtype)
        states = states_ND.to(dtype).to(of.dtype)  # rounded, then in the type that is multiplied in
        vocab_size = len(weight_VD)
        needs_gradient = any(context.needs_input_grad)
        smoothed, plain = states.new_zeros((), dtype=torch.float32), states.new_zeros((), dtype=torch.float32)
        states_gradient = torch.empty_like(states) if needs_gradient else None
        weight_gradient = torch.zeros_like(weight_VD, dtype=torch.float32) if needs_gradient else None
        with torch.autocast(device, enabled=False):
            for start in range(0, len(states), chunk_tokens):
                chunk_CD = states[start : start + chunk_tokens]
                gradient_CV = of.forward(chunk_CD, [])  # logits, which become d loss / d logits in place
                plain_part, uniform_part = cross_entropy_(
                    gradient_CV, targets_N[start : start + chunk_tokens], smoothing, has_gradient=needs_gradient
                )
                plain += plain_part
                smoothed += (1.0 - smoothing) * plain_part + smoothing * uniform_part
                if states_gradient is not None and weight_gradient is not None:
                    states_gradient[start : start + chunk_tokens] = of.backward(gradient_CV)
                    of.add_gradient(gradient_CV, chunk_CD, weight_gradient)
            if needs_gradient and smoothing:
                # a constant in all logits' gradients needs no pass over them: its products are sums of rows
                states_gradient -= (smoothing / vocab_size * weight_VD.float().sum(dim=0)).to(states.dtype)
                weight_gradient -= smoothing / vocab_size * states.float().sum(dim=0)
        context.save_for_backward(states_gradient, weight_gradient)
        context.states_dtype, context.weight_dtype = states_ND.dtype, weight_VD.dtype
        context.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    def backward(context, smoothed_gradient, _):
        states_gradient, weight_gradient = context.saved_tensors
        states_gradient = (states_gradient * smoothed_gradient).to(context.states_dtype)
        return states_gradient, (weight_gradient * smoothed_gradient).to(context.weight_dtype), None, None, None
