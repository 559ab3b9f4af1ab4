"""x Wᵀ + b, and relu of it, while training on a CPU: by the fastest products that there are (`mt.kernels.products`).

Torch's own are MKL's in float32, which are slow on processors that are not Intel's, and oneDNN's in bfloat16, to which
it adds biases in a slow way. Where bfloat16 is multiplied in float32 (`products`), that is
done without gradients too: for validation, and for models that teach others.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mt.kernels.library import applies_to
from mt.kernels.products import masked, multiplied_in, multiplies, products

# N rows, I inputs, O outputs


class Linear(nn.Linear):
    """nn.Linear, with `relu` also relu of it."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, relu: bool = False):
        super().__init__(in_features, out_features, bias=bias)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, [self], relu=self.relu)


def linear(x: Tensor, layers: Sequence[nn.Linear], *, relu: bool = False) -> Tensor:
    """The outputs of the layers, which read the same input, side by side in the last dimension.

    All of them have biases, or none has.
    """
    weights = [layer.weight for layer in layers]
    biases = [layer.bias for layer in layers if layer.bias is not None]
    if applies_to(x, *weights, *biases):
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        is_widened = multiplied_in(dtype) != dtype
        if is_widened or (torch.is_grad_enabled() and multiplies(dtype)):
            return _Linear.apply(x, dtype, relu, len(weights), *weights, *biases)
    return torch_linear(x, layers, relu=relu)


def torch_linear(x: Tensor, layers: Sequence[nn.Linear], *, relu: bool = False) -> Tensor:
    """The same by torch."""
    parts = [nn.functional.linear(x, layer.weight, layer.bias) for layer in layers]
    out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
    return out.relu_() if relu else out


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context, x, dtype, relu, num_weights, *parameters):
        weights, biases = parameters[:num_weights], parameters[num_weights:]
        x_NI = x.reshape(-1, x.shape[-1]).to(dtype)
        out_NO = products(weights, dtype).forward(x_NI, biases, relu=relu)
        context.save_for_backward(x_NI, out_NO if relu else None, *weights)
        context.x_shape, context.x_dtype = x.shape, x.dtype
        context.sizes, context.dtypes = [len(one) for one in weights], [one.dtype for one in parameters]
        return out_NO.reshape(*x.shape[:-1], out_NO.shape[1])

    @staticmethod
    @once_differentiable
    def backward(context, dout):
        x_NI, out_NO, *weights = context.saved_tensors
        needs_dx, needed = context.needs_input_grad[0], context.needs_input_grad[4:]
        dout_NO = dout.reshape(len(x_NI), dout.shape[-1]).to(x_NI.dtype)
        of = products(weights, x_NI.dtype)
        gradients: list[Tensor | None] = [None] * len(needed)
        if any(needed) and len(needed) > len(weights):
            dx_NI, weight_OI, bias_O = of.gradients(dout_NO, x_NI, out_NO, needs_dx)
            gradients = [*weight_OI.split(context.sizes), *bias_O.split(context.sizes)]
        else:
            dout_NO = dout_NO if out_NO is None else masked(dout_NO, out_NO)
            dx_NI = of.backward(dout_NO) if needs_dx else None
            if any(needed):
                weight_OI = torch.zeros(sum(context.sizes), x_NI.shape[1])
                of.add_gradient(dout_NO, x_NI, weight_OI)
                gradients = list(weight_OI.split(context.sizes))
        dx = None if dx_NI is None else dx_NI.view(context.x_shape).to(context.x_dtype)
        rows = zip(gradients, needed, context.dtypes, strict=True)
        given = [one.to(dtype) if one is not None and needs else None for one, needs, dtype in rows]
        return dx, None, None, None, *given
