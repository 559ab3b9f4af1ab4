"""Projection to the vocabulary and a loss of its rows, together: logits are never held all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from mt.kernels.products import products

# N target tokens (padding left out), D model, V vocabulary, C tokens of one chunk


class RowLoss(Protocol):
    """A loss of logits, summed over target tokens, given those of one or several passes over them."""

    @property
    def constant(self) -> float:
        """What it leaves out of the gradients: each of them is lower by constant / V."""
        ...

    def __call__(self, logits_CV: Sequence[Tensor], targets_C: Tensor, *, has_gradient: bool) -> tuple[Tensor, ...]:
        """What is minimised, then other sums. With `has_gradient` the logits of each pass become their gradient."""
        ...


def fused_loss(
    loss: RowLoss, states_ND: Sequence[Tensor], output: nn.Linear, targets_N: Tensor, chunk_tokens: int
) -> tuple[Tensor, ...]:
    """The sums of `loss` over all target tokens, given the decoder's states in each pass; `output` has no bias.

    Projection and loss go together in chunks of `chunk_tokens` target tokens: the gradient of a chunk's logits is made
    while they are at hand, so that memory for logits is that of a chunk. The first sum has a gradient.
    """
    return _FusedLoss.apply(loss, output.weight, targets_N, chunk_tokens, *states_ND)


class _FusedLoss(torch.autograd.Function):
    @staticmethod
    def forward(context, loss, weight_VD, targets_N, chunk_tokens, *passes):
        device = weight_VD.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else passes[0].dtype
        weight_VD = weight_VD.detach()
        of = products([weight_VD], dtype)
        # rounded, then in the type that is multiplied in
        states = [states_ND.detach().to(dtype).to(of.dtype) for states_ND in passes]
        needs_gradient = any(context.needs_input_grad)
        gradients = [torch.empty_like(one) for one in states] if needs_gradient else []
        weight_gradient = weight_VD.new_zeros(weight_VD.shape, dtype=torch.float32) if needs_gradient else None
        sums: list[Tensor] = []
        with torch.autocast(device, enabled=False):
            for start in range(0, max(1, len(targets_N)), chunk_tokens):
                chunk = slice(start, start + chunk_tokens)
                chunk_CD = torch.cat([one[chunk] for one in states]) if len(states) > 1 else states[0][chunk]
                gradient_CV = of.forward(chunk_CD, [])  # logits, which become d loss / d logits in place
                parts = loss(gradient_CV.chunk(len(states)), targets_N[chunk], has_gradient=needs_gradient)
                sums = [one + part for one, part in zip(sums, parts, strict=True)] if sums else list(parts)
                if weight_gradient is not None:
                    of_each = of.backward(gradient_CV).chunk(len(states))
                    for gradient_ND, part_CD in zip(gradients, of_each, strict=True):
                        gradient_ND[chunk] = part_CD
                    of.add_gradient(gradient_CV, chunk_CD, weight_gradient)
            if weight_gradient is not None and loss.constant:
                # a constant in all logits' gradients needs no pass over them: its products are sums of rows
                constant = loss.constant / len(weight_VD)
                of_states_D = (constant * weight_VD.float().sum(dim=0)).to(states[0].dtype)
                for gradient_ND, states_ND in zip(gradients, states, strict=True):
                    gradient_ND -= of_states_D
                    weight_gradient -= constant * states_ND.float().sum(dim=0)
        context.save_for_backward(weight_gradient, *gradients)
        context.states_dtype, context.weight_dtype = passes[0].dtype, weight_VD.dtype
        context.mark_non_differentiable(*sums[1:])
        return tuple(sums)

    @staticmethod
    def backward(context, given, *_):
        weight_gradient, *gradients = context.saved_tensors
        of_states = [(one * given).to(context.states_dtype) for one in gradients]
        return None, (weight_gradient * given).to(context.weight_dtype), None, None, *of_states
