"""Dropout from random bytes, alone or in a residual sum.

The bytes come from torch's generator, so a seed drops the same values with kernels and without.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mt.kernels.library import applies_to, call


def add_dropped(x: Tensor, y: Tensor, rate: float) -> Tensor:
    """x + dropout(y) for CPU tensors of one shape; x is float32. The rate is rounded to a multiple of 1/256."""
    if x.dtype == torch.float32 and x.shape == y.shape and applies_to(x, y):
        return _AddDropped.apply(x, y, rate)
    return x + (y * byte_mask(y.shape, rate, y.dtype) if rate else y)


def dropped(y: Tensor, rate: float) -> Tensor:
    """dropout(y) of a CPU tensor."""
    if applies_to(y):
        return _AddDropped.apply(None, y, rate)
    return y * byte_mask(y.shape, rate, y.dtype)


def byte_mask(shape: torch.Size, rate: float, dtype: torch.dtype) -> Tensor:
    """A CPU tensor of `shape` that holds 0 with probability `rate` (to 1/256) and 1 / (1 - rate) elsewhere."""
    threshold = _threshold(rate)
    return (_random_bytes(shape) >= threshold).to(dtype).mul_(256.0 / (256 - threshold))


def _threshold(rate: float) -> int:
    return min(255, max(1, round(rate * 256)))


def _random_bytes(shape: torch.Size) -> Tensor:
    # the full range of int64: without it the top bit of every eighth byte would always be zero
    words = torch.empty((shape.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[: shape.numel()].view(shape)


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(context, x, y, rate):
        x, y = None if x is None else x.contiguous(), y.contiguous()
        bytes_ = _random_bytes(y.shape) if rate else None
        out = torch.empty_like(y if x is None else x)
        context.save_for_backward(bytes_)
        context.rate, context.dtype, context.has_x = rate, y.dtype, x is not None
        _call(x, y, bytes_, rate, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(context, dout):
        (bytes_,) = context.saved_tensors
        dout = dout.contiguous()
        dy = torch.empty_like(dout, dtype=context.dtype)
        _call(None, dout, bytes_, context.rate, dy)
        return dout if context.has_x else None, dy, None


def _call(x: Tensor | None, y: Tensor, bytes_: Tensor | None, rate: float, out: Tensor) -> None:
    threshold = _threshold(rate) if rate else 0
    is_bf16 = [tensor.dtype == torch.bfloat16 for tensor in (y, out)]
    call("add_dropped", x, y, is_bf16[0], bytes_, threshold, out, is_bf16[1], y.numel())
