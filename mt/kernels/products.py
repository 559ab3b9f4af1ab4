"""The three products of a linear layer (x Wᵀ, dy W, dyᵀ x) in bfloat16 or float32, without autograd.

In bfloat16, on a processor with AMX, or of AMD's with bfloat16 in AVX-512, they are those of `products.c`, which needs
no preparation for a new number of rows; elsewhere oneDNN's, or torch's. A processor that multiplies bfloat16 more
slowly than float32 gets the numbers widened, which changes none, and multiplies them in float32: those of Intel's with
AVX-512 whose AMX is missing, and all with AVX2 alone, where torch's own products in bfloat16 take 60 times as long.

In float32 with AVX-512, layers with a bias and up to 512 inputs are those of `vector_products.c`. So are gradients of
weights on processors that are not Intel's, where MKL multiplies by AVX2: 105 GFLOP/s on an AMD EPYC (family 26) in
place of 215.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mt.kernels.compiling import is_by_intel, multiplies_bfloat16_faster, processor_flags
from mt.kernels.library import applies_to, call, has_tiles, has_wide_vectors

# N rows, I inputs, O outputs of all weights together, W outputs in whole blocks

BLOCK = 32  # rows and columns of what AMX, or AVX-512 in bfloat16, multiplies at once
PANEL = 32  # columns that AVX-512 multiplies at once
DEEPEST = 512  # inputs; with more of them oneDNN is faster


class Gradients(NamedTuple):
    """Of a linear layer: dx is None if it was not asked for."""

    dx_NI: Tensor | None
    weight_OI: Tensor
    bias_O: Tensor  # float32


class Products(Protocol):
    """Of weights (each outputs x inputs) side by side, which read the same inputs.

    `dtype` is the type that is multiplied in: inputs in it need no conversion, and their results have it.
    """

    dtype: torch.dtype

    def forward(self, x_NI: Tensor, biases: Sequence[Tensor], *, relu: bool = False) -> Tensor:
        """x Wᵀ + bias (none, if there are no biases), or relu of it, in the type of x. May be part of wider rows."""
        ...

    def backward(self, dy_NO: Tensor) -> Tensor:
        """dy W."""
        ...

    def add_gradient(self, dy_NO: Tensor, x_NI: Tensor, into_OI: Tensor) -> None:
        """Adds dyᵀ x, the gradient of the weights, to `into_OI` (float32, contiguous)."""
        ...

    def gradients(self, dy_NO: Tensor, x_NI: Tensor, relu_NO: Tensor | None, has_dx: bool) -> Gradients:
        """Of all that `forward` was given, from that of its result; `relu_NO` is the result, if it was relu."""
        ...


def products(weights: Sequence[Tensor], dtype: torch.dtype) -> Products:
    """The products of these weights in `dtype`."""
    if dtype == torch.bfloat16 and applies_to(*weights) and has_tiles() and _fits_tiles(weights):
        return TileProducts(weights)
    plain = PlainProducts(weights, dtype)
    if plain.dtype == torch.float32 and applies_to(*weights) and has_wide_vectors() and 0 < plain.num_inputs <= DEEPEST:
        return VectorProducts(weights, dtype)
    return plain


def multiplies(dtype: torch.dtype) -> bool:
    """Whether this build of torch has oneDNN, and this processor its products in `dtype`."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _fits_tiles(weights: Sequence[Tensor]) -> bool:
    if weights[0].shape[1] % BLOCK or not weights[0].shape[1] or not any(map(len, weights)):
        return False
    # only the last one can be filled up
    return all(weight.is_contiguous() for weight in weights) and not any(len(one) % BLOCK for one in weights[:-1])


def multiplied_in(dtype: torch.dtype) -> torch.dtype:
    """The type in which tensors of `dtype` that lie on the CPU are multiplied where there are kernels."""
    return torch.float32 if dtype == torch.bfloat16 and is_faster_in_float32() else dtype


class PlainProducts:
    """By oneDNN, where it has them, else by torch."""

    def __init__(self, weights: Sequence[Tensor], dtype: torch.dtype):
        # never in another type than that of the tensors on a GPU
        self.dtype = multiplied_in(dtype) if applies_to(*weights) else dtype
        self.weight_OI = joined(weights, dtype).to(self.dtype)
        self.num_inputs = self.weight_OI.shape[1]
        self.has_vector_gradient = self.dtype == torch.float32 and applies_to(*weights) and has_slow_mkl()

    def forward(self, x_NI: Tensor, biases: Sequence[Tensor], *, relu: bool = False) -> Tensor:
        bias_O = joined(biases, x_NI.dtype).to(self.dtype) if biases else None
        out_NO = _product(x_NI.to(self.dtype), self.weight_OI, bias_O).to(x_NI.dtype)
        return out_NO.relu_() if relu else out_NO  # not by oneDNN, which turns NaN into 0

    def backward(self, dy_NO: Tensor) -> Tensor:
        return _product(dy_NO.to(self.dtype), self.weight_OI.T, None).to(dy_NO.dtype)

    def add_gradient(self, dy_NO: Tensor, x_NI: Tensor, into_OI: Tensor) -> None:
        if self.dtype != torch.float32:
            into_OI += dy_NO.T @ x_NI
        elif self.has_vector_gradient:
            _vector_gradient(dy_NO.float(), x_NI.float(), into_OI, adds=True)
        else:
            into_OI.addmm_(dy_NO.float().T, x_NI.float())

    def gradients(self, dy_NO: Tensor, x_NI: Tensor, relu_NO: Tensor | None, has_dx: bool) -> Gradients:
        dy_NO = dy_NO.contiguous() if relu_NO is None else masked(dy_NO, relu_NO)
        sums_O = torch.empty(dy_NO.shape[1], dtype=torch.float32)
        call("column_sums", dy_NO, dy_NO.dtype == torch.bfloat16, sums_O, *dy_NO.shape)
        dy_NO = dy_NO.to(self.dtype)
        dx_NI = _product(dy_NO, self.weight_OI.T, None).to(x_NI.dtype) if has_dx else None
        x_NI = x_NI.to(self.dtype)
        if not self.has_vector_gradient:
            return Gradients(dx_NI, dy_NO.T @ x_NI, sums_O)
        weight_OI = torch.empty(dy_NO.shape[1], x_NI.shape[1], dtype=torch.float32)
        _vector_gradient(dy_NO, x_NI, weight_OI, adds=False)
        return Gradients(dx_NI, weight_OI, sums_O)


class VectorProducts(PlainProducts):
    """x Wᵀ + bias in float32 by AVX-512, with at most DEEPEST inputs; gradients as in PlainProducts."""

    def forward(self, x_NI: Tensor, biases: Sequence[Tensor], *, relu: bool = False) -> Tensor:
        if not biases:
            return super().forward(x_NI, biases, relu=relu)
        x, bias_O = x_NI.to(self.dtype), joined(biases, x_NI.dtype).to(self.dtype)
        x = x if x.stride(1) == 1 else x.contiguous()
        num_outputs = len(self.weight_OI)
        panels = torch.empty(-(-num_outputs // PANEL) * PANEL * self.num_inputs, dtype=torch.float32)
        out_NO = torch.empty(len(x), num_outputs, dtype=torch.float32)
        call("pack_panels", self.weight_OI.contiguous(), num_outputs, self.num_inputs, panels)
        call("vector_product", x, x.stride(0), panels, bias_O, relu, out_NO, *out_NO.shape, self.num_inputs)
        return out_NO.to(x_NI.dtype)


@cache
def is_faster_in_float32() -> bool:
    """Whether this processor, one of x86-64, multiplies bfloat16 more slowly than float32, or not at all."""
    return not multiplies_bfloat16_faster(processor_flags())


def has_slow_mkl() -> bool:
    """Whether AVX-512 is faster than what torch has for float32: not MKL, or one that takes AVX2 (not Intel's)."""
    return has_wide_vectors() and not has_fast_mkl()


@cache
def has_fast_mkl() -> bool:
    """Whether torch multiplies float32 by MKL on a processor of Intel's: as fast as oneDNN, and for new shapes too."""
    return torch.backends.mkl.is_available() and is_by_intel()


class TileProducts:
    """By AMX or AVX-512, in bfloat16; weights may be float32, and must not change before gradients are computed."""

    dtype = torch.bfloat16

    def __init__(self, weights: Sequence[Tensor]):
        self.weights = weights
        self.num_inputs = weights[0].shape[1]
        self.num_outputs = sum(len(weight) for weight in weights)
        self.width = -(-self.num_outputs // BLOCK) * BLOCK  # of rows of outputs, with zeros behind them
        self._packed: dict[bool, Tensor] = {}

    def forward(self, x_NI: Tensor, biases: Sequence[Tensor], *, relu: bool = False) -> Tensor:
        bias_O = None
        if biases:
            bias_O = joined(biases, torch.float32)
            if self.width != self.num_outputs:
                bias_O = torch.nn.functional.pad(bias_O, (0, self.width - self.num_outputs))
        return self._product(x_NI, False, bias_O, relu)[:, : self.num_outputs]

    def backward(self, dy_NO: Tensor) -> Tensor:
        return self._product(self._with_whole_rows(dy_NO), True)

    def add_gradient(self, dy_NO: Tensor, x_NI: Tensor, into_OI: Tensor) -> None:
        to_WI = into_OI if self.width == self.num_outputs else self._new_gradient()
        self._gradient(self._with_whole_rows(dy_NO), x_NI, to_WI, None, adds=to_WI is into_OI)
        if to_WI is not into_OI:
            into_OI += to_WI[: self.num_outputs]

    def gradients(self, dy_NO: Tensor, x_NI: Tensor, relu_NO: Tensor | None, has_dx: bool) -> Gradients:
        if relu_NO is not None:
            dy_NO = masked(dy_NO, relu_NO)
        dy_NW, to_WI = self._with_whole_rows(dy_NO), self._new_gradient()
        sums_W = torch.empty(self.width, dtype=torch.float32)
        self._gradient(dy_NW, x_NI, to_WI, sums_W, adds=False)
        dx_NI = self._product(dy_NW, True) if has_dx else None
        return Gradients(dx_NI, to_WI[: self.num_outputs], sums_W[: self.num_outputs])

    def _new_gradient(self) -> Tensor:
        return torch.empty(self.width, self.num_inputs, dtype=torch.float32)

    def _gradient(self, dy_NW: Tensor, x_NI: Tensor, to_WI: Tensor, sums_W: Tensor | None, *, adds: bool) -> None:
        x_NI = x_NI if x_NI.stride(1) == 1 else x_NI.contiguous()
        sizes = (len(dy_NW), self.width, self.num_inputs)
        call("tile_weight_gradient", dy_NW, dy_NW.stride(0), x_NI, x_NI.stride(0), to_WI, sums_W, adds, *sizes)

    def _product(self, x: Tensor, turned: bool, bias: Tensor | None = None, relu: bool = False) -> Tensor:
        rows, (inner, columns) = len(x), (self.num_inputs, self.width)[:: -1 if turned else 1]
        if rows < BLOCK:  # the fewest that it multiplies
            x = torch.nn.functional.pad(x, (0, 0, 0, BLOCK - rows))
        x = x if x.stride(1) == 1 else x.contiguous()
        out = x.new_empty(len(x), columns)
        call("tile_product", x, x.stride(0), self._tiles(turned), bias, relu, out, columns, *out.shape, inner)
        return out[:rows]

    def _with_whole_rows(self, dy_NO: Tensor) -> Tensor:
        """dy_NW: the same, with zeros behind each row."""
        if self.width == self.num_outputs:
            return dy_NO.contiguous()
        return torch.nn.functional.pad(dy_NO, (0, self.width - self.num_outputs))

    def _tiles(self, turned: bool) -> Tensor:
        if turned not in self._packed:
            tiles = torch.empty(self.width * self.num_inputs, dtype=torch.bfloat16)
            depth, first = (self.width if turned else self.num_inputs) // BLOCK, 0
            for weight in self.weights:
                is_bf16, sizes = weight.dtype == torch.bfloat16, weight.shape
                at = 0 if turned else first * BLOCK * self.num_inputs
                call("pack_weight", weight.detach(), is_bf16, *sizes, turned, first if turned else 0, depth, tiles[at:])
                first += -(-len(weight) // BLOCK)
            self._packed[turned] = tiles
        return self._packed[turned]


def _vector_gradient(dy_NO: Tensor, x_NI: Tensor, to_OI: Tensor, *, adds: bool) -> None:
    """to_OI = or += dyᵀ x in float32, by AVX-512."""
    dy_NO, x_NI = (part if part.stride(1) == 1 else part.contiguous() for part in (dy_NO, x_NI))
    sizes = (len(dy_NO), *to_OI.shape)
    call("vector_weight_gradient", dy_NO, dy_NO.stride(0), x_NI, x_NI.stride(0), to_OI, adds, *sizes)


def joined(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The parts side by side in the first dimension, without gradients."""
    cast = [part.detach().to(dtype) for part in parts]
    return cast[0] if len(cast) == 1 else torch.cat(cast)


def masked(dy_NO: Tensor, relu_NO: Tensor) -> Tensor:
    """dy where relu is above 0, else 0."""
    dy_NO = dy_NO.contiguous()
    to_NO = torch.empty_like(dy_NO)
    call("relu_backward", dy_NO, relu_NO.contiguous(), dy_NO.dtype == torch.bfloat16, to_NO, dy_NO.numel())
    return to_NO


def _product(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    # without a bias torch takes oneDNN for bfloat16 by itself, and a faster call of it; and MKL for float32
    is_slow = bias_O is not None or (x_NI.dtype == torch.float32 and not has_fast_mkl())
    if is_slow and applies_to(x_NI, weight_OI) and multiplies(x_NI.dtype):
        return torch.ops.mkldnn._linear_pointwise(x_NI, weight_OI, bias_O, "none", [], "")
    return torch.nn.functional.linear(x_NI, weight_OI, bias_O)
