"""Matrices of 8-bit integers with a scale a row, in place of those of a model: for inference, and on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mt.kernels.linear import Linear, torch_linear

# O outputs (or pieces), I inputs, B batch, T positions

STEPS = 127  # on either side of zero


class RoundedMatrix(nn.Module):
    """rows_OI times scale_O. Two parts of a model may share one, as they share a matrix."""

    rows_OI: Tensor
    scale_O: Tensor

    def __init__(self, weight_OI: Tensor):
        super().__init__()
        scale_O = weight_OI.detach().abs().amax(1).clamp(min=1e-12).float() / STEPS
        rows_OI = (weight_OI.detach() / scale_O[:, None]).round().clamp(-STEPS, STEPS)
        self.register_buffer("rows_OI", rows_OI.to(torch.int8))
        self.register_buffer("scale_O", scale_O)

    def floats(self) -> Tensor:
        """weight_OI in float32, made anew."""
        return self.rows_OI.float() * self.scale_O[:, None]


class RoundedLinear(nn.Module):
    """x Wᵀ + b with a rounded matrix, in float32, and relu of it with `relu`; `mt.inference.packed` makes it fast."""

    def __init__(self, linear: nn.Linear, matrix: RoundedMatrix):
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.matrix, self.bias, self.relu = matrix, linear.bias, bool(getattr(linear, "relu", False))

    @property
    def weight(self) -> Tensor:
        """weight_OI in float32, made anew."""
        return self.matrix.floats()

    def forward(self, x_BTI: Tensor) -> Tensor:
        return torch_linear(x_BTI, [self], relu=self.relu)  # type: ignore[list-item]  # it has weight and bias


class RoundedEmbedding(nn.Module):
    """Rows of a rounded matrix, in float32."""

    def __init__(self, embedding: nn.Embedding, matrix: RoundedMatrix):
        super().__init__()
        self.num_embeddings, self.embedding_dim = embedding.num_embeddings, embedding.embedding_dim
        self.matrix = matrix

    @property
    def weight(self) -> Tensor:
        """weight_OI in float32, made anew."""
        return self.matrix.floats()

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.matrix.rows_OI[ids_BT].float() * self.matrix.scale_O[ids_BT].unsqueeze(-1)


def matrix_of(module: nn.Module) -> object:
    """What two parts that share a matrix have in common: the rounded matrix, or the parameter."""
    return getattr(module, "matrix", None) or module.weight


def float_tensors(kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The stored tensors of a model by the names that they have in a model without rounded matrices, in float32."""
    floats = {}
    for name, tensor in kept.items():
        if name.endswith(".matrix.rows_OI"):
            scale_O = kept[name.removesuffix("rows_OI") + "scale_O"]
            floats[name.removesuffix("matrix.rows_OI") + "weight"] = tensor.float() * scale_O[:, None]
        elif not name.endswith(".matrix.scale_O"):
            floats[name] = tensor
    return floats


def floats_again(model: nn.Module) -> nn.Module:
    """The model with plain matrices of the rounded values in place of rounded ones, tied where they were."""
    parameters: dict[int, nn.Parameter] = {}
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if not isinstance(child, (RoundedLinear, RoundedEmbedding)):
                continue
            if id(child.matrix) not in parameters:
                parameters[id(child.matrix)] = nn.Parameter(child.matrix.floats())
            setattr(module, name, _plain(child, parameters[id(child.matrix)]))
    return model


def _plain(child: RoundedLinear | RoundedEmbedding, weight: nn.Parameter) -> nn.Module:
    plain: Any
    if isinstance(child, RoundedEmbedding):
        plain = nn.Embedding(1, 1)
        plain.num_embeddings, plain.embedding_dim = child.num_embeddings, child.embedding_dim
    else:
        plain = Linear(1, 1, bias=child.bias is not None, relu=child.relu)
        plain.in_features, plain.out_features, plain.bias = child.in_features, child.out_features, child.bias
    plain.weight = weight
    return plain
