"""silu(gate) * up of a SwiGLU layer (Shazeer 2020), whose gate and up are the halves of one product."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mt.kernels.library import applies_to, call

# F width of the layer

WHOLE = 16  # numbers in the widest vector: F must be a multiple


def gated(x: Tensor) -> Tensor:
    """silu(gate) * up, with the two halves of the last dimension of x (2 F); in the type of x."""
    if torch.is_grad_enabled() and applies_to(x) and x.shape[-1] % (2 * WHOLE) == 0:
        return _Gated.apply(x)
    return torch_gated(x)


def torch_gated(x: Tensor) -> Tensor:
    """The same by torch."""
    gate, up = x.chunk(2, dim=-1)
    return nn.functional.silu(gate) * up


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        x = x.contiguous()
        out = x.new_empty(*x.shape[:-1], x.shape[-1] // 2)
        call("gate", x, x.dtype == torch.bfloat16, out, x.shape[:-1].numel(), out.shape[-1])
        context.save_for_backward(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(context, dout):
        (x,) = context.saved_tensors
        dout, dx = dout.to(x.dtype).contiguous(), torch.empty_like(x)
        call("gate_backward", dout, x, x.dtype == torch.bfloat16, dx, x.shape[:-1].numel(), dout.shape[-1])
        return dx
