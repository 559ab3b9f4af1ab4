"""Rotation of heads by the angles of their places, for rotary positions, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mt.kernels.library import applies_to, call

# B batch, X heads, T places, K head size

WHOLE = 16  # numbers in the widest vector: half of K must be a multiple


def rotated(x_BXTK: Tensor, angles_TK: Tensor, num_heads: int) -> Tensor:
    """x with the first `num_heads` heads rotated: (l cos - r sin, r cos + l sin) of the two halves of K.

    `angles_TK` (float32) has half of K. The result is in the type of x.
    """
    if torch.is_grad_enabled() and applies_to(x_BXTK) and angles_TK.shape[-1] % WHOLE == 0:
        return _Rotated.apply(x_BXTK, angles_TK.cos(), angles_TK.sin(), num_heads)
    return torch_rotated(x_BXTK, angles_TK, num_heads)


def torch_rotated(x_BXTK: Tensor, angles_TK: Tensor, num_heads: int) -> Tensor:
    """The same by torch."""
    cos, sin = angles_TK.cos().to(x_BXTK.dtype), angles_TK.sin().to(x_BXTK.dtype)
    left, right = x_BXTK[:, :num_heads].chunk(2, dim=-1)
    turned = torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)
    return turned if num_heads == x_BXTK.shape[1] else torch.cat((turned, x_BXTK[:, num_heads:]), dim=1)


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(context, x_BXTK, cos_TK, sin_TK, num_heads):
        context.save_for_backward(cos_TK, sin_TK)
        context.num_heads = num_heads
        return _rotate(x_BXTK, cos_TK, sin_TK, num_heads)

    @staticmethod
    @once_differentiable
    def backward(context, dout_BXTK):
        cos_TK, sin_TK = context.saved_tensors  # the other way round
        return _rotate(dout_BXTK, cos_TK, -sin_TK, context.num_heads), None, None, None


def _rotate(x_BXTK: Tensor, cos_TK: Tensor, sin_TK: Tensor, num_heads: int) -> Tensor:
    x_BXTK = x_BXTK if x_BXTK.stride(-1) == 1 else x_BXTK.contiguous()
    B, X, T, K = x_BXTK.shape
    out_BXTK = x_BXTK.new_empty(B, T, X, K).transpose(1, 2)
    strides = torch.tensor(x_BXTK.stride()[:3])
    is_bf16 = x_BXTK.dtype == torch.bfloat16
    call("rotate", x_BXTK, is_bf16, strides, cos_TK, sin_TK, out_BXTK, B, X, num_heads, T, K)
    return out_BXTK
