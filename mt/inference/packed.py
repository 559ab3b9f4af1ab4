"""A model prepared for translating on a CPU: the same code, with matrices packed once in the kernels' layout."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mt.attention.contract import Mixer
from mt.attention.dropout import Dropout
from mt.attention.multi_head import MultiHead
from mt.attention.rotary import NoRotary
from mt.model.embedding import Embedding, SinusoidalPositions, sinusoids
from mt.model.rounded import RoundedLinear, RoundedMatrix, floats_again
from mt.model.seq2seq import Seq2Seq

# B batch, T positions, D inputs, O outputs, H heads, G key-value heads

SELF_ATTENTION = ("attention", "self_attention")  # parts of a layer, of the encoder and of the decoder
NUM_KEPT = 512  # positions whose sinusoids are computed once
HAVE_METHODS = (nn.Embedding, RoundedMatrix, Mixer, nn.ModuleList, nn.ModuleDict)  # or weights that others read
DO_NOTHING = (Dropout, NoRotary, nn.Identity)  # in inference
WIDE = 2048  # outputs from which oneDNN multiplies int8 faster than fbgemm


def pack(model: Seq2Seq, dtype: torch.dtype) -> None:
    """Turns the model, in place, into one for inference on the CPU only, with matrix products in `dtype`.

    float32   the model's own results up to rounding
    bfloat16  products rounded to 8 bits of mantissa
    int8      weights rounded to 255 steps for each output, inputs to 256 steps for each product: the result of a
              sentence then depends slightly on its batch

    Its plain matrices are freed one by one. Raises ValueError where this build of torch cannot.
    """
    if dtype == torch.int8 and not {"fbgemm", "onednn"} <= int8_engines():
        raise ValueError("precision (int8) must be float32 or bfloat16 here: this build of torch has no int8 products")
    if dtype != torch.int8 and not has_onednn(dtype):
        floats_again(model).to(dtype)  # rounded parts give float32, whatever they read
        return
    for layer in list(model.modules()):
        for name in SELF_ATTENTION:
            if isinstance(attention := getattr(layer, name, None), MultiHead):
                setattr(layer, name, OneProjection(attention, dtype))
    for module in model.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, (nn.Linear, RoundedLinear)):
                setattr(module, name, side_by_side([child], dtype))
        if isinstance(module, Embedding) and isinstance(module.positions, SinusoidalPositions):
            module.positions = KeptPositions(module.positions.dim)
    straighten(model)


def straighten(model: nn.Module) -> None:
    """Calls `forward` of leaf modules directly: torch's checks for hooks, which we do not use, take as long as small
    products."""
    for module in model.modules():
        for name, leaf in list(module.named_children()):
            if next(leaf.children(), None) is None and not isinstance(leaf, HAVE_METHODS):
                delattr(module, name)
                setattr(module, name, as_it_is if isinstance(leaf, DO_NOTHING) else leaf.forward)


def as_it_is(x: Tensor, *_: object) -> Tensor:
    """Replaces a part that does nothing in inference."""
    return x


def has_onednn(dtype: torch.dtype) -> bool:
    """Whether this build of torch has oneDNN's products, and this processor can do them in `dtype`."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def int8_engines() -> set[str]:
    """Libraries in this build of torch that multiply 8-bit integers here."""
    return set(torch.backends.quantized.supported_engines)


def has_vnni() -> bool:
    """Whether this processor adds up products of 8 bits in 32 bits (AVX-512 VNNI), as far as torch knows."""
    return bool(getattr(torch.cpu, "_is_vnni_supported", bool)())


class OneProjection(MultiHead):
    """Self-attention whose queries, keys and values are one product."""

    def __init__(self, plain: MultiHead, dtype: torch.dtype):
        nn.Module.__init__(self)
        self.num_heads, self.num_kv_heads, self.head_size = plain.num_heads, plain.num_kv_heads, plain.head_size
        self.joint, self.output = side_by_side([plain.query, plain.key_value], dtype), plain.output
        self.rotary, self.mixer, self.head_dropout = plain.rotary, plain.mixer, plain.head_dropout

    def _queries_keys_values(self, x_BTD: Tensor, position: int) -> tuple[Tensor, Tensor, Tensor]:
        # B T ((H + 2 G) K) -> B H+2G T K
        heads = self.joint(x_BTD).unflatten(-1, (self.num_heads + 2 * self.num_kv_heads, -1)).transpose(1, 2)
        q, k, v = heads.split((self.num_heads, self.num_kv_heads, self.num_kv_heads), dim=1)
        return self.rotary(q, position), self.rotary(k, position), v


def side_by_side(linears: Sequence[nn.Linear | RoundedLinear], dtype: torch.dtype) -> OneDnnLinear | Int8Linear:
    """One product in place of several of the same input, side by side."""
    biases = [linear.bias for linear in linears]
    bias_O = None if biases[0] is None else torch.cat([bias.detach() for bias in biases])
    packed: OneDnnLinear | Int8Linear
    if dtype != torch.int8:
        packed = OneDnnLinear(torch.cat([linear.weight.detach() for linear in linears]), bias_O, dtype)
    elif len(matrices := [linear.matrix for linear in linears if isinstance(linear, RoundedLinear)]) == len(linears):
        packed = Int8Linear(_quantized(matrices), bias_O)
    else:
        packed = Int8Linear(rounded(torch.cat([linear.weight.detach() for linear in linears])), bias_O)
    if any(getattr(linear, "relu", False) for linear in linears):
        packed.then_relu()
    return packed


def rounded(weight_OD: Tensor) -> Tensor:
    """The matrix as torch's tensor of 8-bit integers with a scale a row."""
    scale_O = weight_OD.abs().amax(1).clamp(min=1e-12).double() / 127
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch plans to remove these tensors; int8 is then refused
        zero_O = torch.zeros(len(weight_OD), dtype=torch.long)
        return torch.quantize_per_channel(weight_OD, scale_O, zero_O, 0, torch.qint8)


def _quantized(matrices: Sequence[RoundedMatrix]) -> Tensor:
    """The same of matrices that are rounded already, side by side: their integers, as they are."""
    rows_OD, scale_O = (torch.cat([getattr(one, name) for one in matrices]) for name in ("rows_OI", "scale_O"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zero_O = torch.zeros(len(rows_OD), dtype=torch.long)
        return torch._make_per_channel_quantized_tensor(rows_OD, scale_O.double(), zero_O, 0)


def product_with(weight_OD: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """x_BTD -> x @ weightᵀ as a packed model does it in `dtype`."""
    if dtype == torch.int8:
        return Int8Linear(rounded(weight_OD), None)
    if has_onednn(dtype):
        return OneDnnLinear(weight_OD, None, dtype)
    return partial(nn.functional.linear, weight=weight_OD.to(dtype))


class KeptPositions(nn.Module):
    """Sinusoids of the first positions, computed once; of later positions, computed when they are needed."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim, self.table_TD = dim, sinusoids(0, NUM_KEPT, dim, torch.device("cpu"))

    def forward(self, x_BTD: Tensor, position: int) -> Tensor:
        length = x_BTD.shape[1]
        if position + length > NUM_KEPT:
            return x_BTD + sinusoids(position, length, self.dim, x_BTD.device)
        return x_BTD + self.table_TD[position : position + length]


class OneDnnLinear(nn.Module):
    """A product in float32 or bfloat16, by oneDNN, whose weights are packed into its blocked layout once."""

    def __init__(self, weight_OD: Tensor, bias_O: Tensor | None, dtype: torch.dtype):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight_OD.to(dtype), None)
        self.bias = None if bias_O is None else bias_O.to(dtype)
        self.dtype, self.then, self.result = dtype, "none", torch.float32

    def then_relu(self) -> None:
        self.then, self.result = "relu", self.dtype  # the next product reads this type

    def forward(self, x_BTD: Tensor) -> Tensor:
        product = torch.ops.mkldnn._linear_pointwise.default
        if self.dtype == torch.float32:
            return product(x_BTD, self.weight, self.bias, self.then, [], "")
        return product(x_BTD.to(self.dtype), self.weight, self.bias, self.then, [], "").to(self.result)


class Int8Linear(nn.Module):
    """A product of 8-bit integers; inputs are quantized by their minimum and maximum."""

    def __init__(self, rounded_OD: Tensor, bias_O: Tensor | None):
        super().__init__()
        num_outputs = len(rounded_OD)
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = "onednn" if num_outputs >= WIDE else "fbgemm"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.weight = torch.ops.quantized.linear_prepack(
                    rounded_OD, torch.zeros(num_outputs) if bias_O is None else bias_O
                )
        finally:
            torch.backends.quantized.engine = before
        self.product = torch.ops.quantized.linear_dynamic.default
        # without VNNI two products of 8 bits are added up in 16 bits, which overflow unless inputs have 7 bits
        self.has_seven_bits = not has_vnni()

    def then_relu(self) -> None:
        self.product = torch.ops.quantized.linear_relu_dynamic.default

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.product(x_BTD, self.weight, self.has_seven_bits)
