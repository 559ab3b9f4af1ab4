"""LayerNorm and RMSNorm whose result is rounded to the type that the next product reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mt.kernels.library import applies_to, call

# N rows, D width

WHOLE = 16  # numbers in the widest vector: D must be a multiple


def norm(
    x: Tensor, weight_D: Tensor, bias_D: Tensor | None, *, epsilon: float, is_rms: bool = False, rounds: bool = False
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias over the last dimension; `is_rms`: mean is 0, no bias.

    With `rounds`, under autocast, the result is in bfloat16 while training on a CPU: a product that follows would round
    it alike. In float32 torch's own is as fast.
    """
    is_rounded = rounds and torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    is_float32 = x.dtype == weight_D.dtype == torch.float32
    if is_rounded and is_float32 and x.shape[-1] % WHOLE == 0 and torch.is_grad_enabled() and applies_to(x):
        return _RoundedNorm.apply(x, weight_D, bias_D, epsilon, is_rms)
    return torch_norm(x, weight_D, bias_D, epsilon=epsilon, is_rms=is_rms)


def torch_norm(x: Tensor, weight_D: Tensor, bias_D: Tensor | None, *, epsilon: float, is_rms: bool = False) -> Tensor:
    """The same by torch."""
    if is_rms:
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(weight_D.dtype)  # autocast does this for layer_norm alone
        return nn.functional.rms_norm(x, weight_D.shape, weight_D, epsilon)
    return nn.functional.layer_norm(x, weight_D.shape, weight_D, bias_D, epsilon)


class LayerNorm(nn.LayerNorm):
    """nn.LayerNorm by `norm`. Only products read the result of one that stands `before_product`."""

    def __init__(self, dim: int, *, eps: float, before_product: bool):
        super().__init__(dim, eps=eps)
        self.before_product = before_product

    def forward(self, x: Tensor) -> Tensor:
        return norm(x, self.weight, self.bias, epsilon=self.eps, rounds=self.before_product)


class RMSNorm(nn.RMSNorm):
    """nn.RMSNorm by `norm`. Only products read the result of one that stands `before_product`."""

    def __init__(self, dim: int, *, eps: float, before_product: bool):
        super().__init__(dim, eps=eps)
        self.epsilon, self.before_product = eps, before_product

    def forward(self, x: Tensor) -> Tensor:
        return norm(x, self.weight, None, epsilon=self.epsilon, is_rms=True, rounds=self.before_product)


class _RoundedNorm(torch.autograd.Function):
    @staticmethod
    def forward(context, x, weight_D, bias_D, epsilon, is_rms):
        x = x.contiguous()
        D = x.shape[-1]
        N = x.numel() // D
        h, stats_N2 = torch.empty_like(x, dtype=torch.bfloat16), torch.empty(N, 2)
        call("norm", x, weight_D, bias_D, is_rms, epsilon, h, stats_N2, N, D)
        context.save_for_backward(x, weight_D, stats_N2)
        context.is_rms, context.has_bias = is_rms, bias_D is not None
        return h

    @staticmethod
    @once_differentiable
    def backward(context, dh):
        x, weight_D, stats_N2 = context.saved_tensors
        dh, D, is_rms = dh.contiguous(), x.shape[-1], context.is_rms
        dx, dweight_D = torch.empty_like(x), torch.empty_like(weight_D)
        dbias_D = torch.empty_like(weight_D) if context.has_bias else None
        given = (dh, x, weight_D, stats_N2, is_rms)
        call("norm_backward", *given, dx, dweight_D, dbias_D, x.numel() // D, D)
        return dx, dweight_D, dbias_D, None, None
