"""Rounds the matrices of a model to 8-bit integers, by output row: a change of a checkpoint, which stores them so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mt.checkpoint.outline import kept_tensors
from mt.checkpoint.steps import WEIGHTS
from mt.checkpoint.tensor_file import TensorFile
from mt.kernels.linear import Linear
from mt.model.rounded import RoundedEmbedding, RoundedLinear, RoundedMatrix
from mt.model.seq2seq import Seq2Seq

INT8 = "mt.compression.quantization.int8_weights"


def int8_weights(model: Seq2Seq) -> Seq2Seq:
    """The model with all products and embeddings rounded to 255 steps for each output row, or piece.

    Norms, biases, and what belongs to attention variants stay as they are. A model that is rounded already stays.
    """
    matrices: dict[int, RoundedMatrix] = {}  # tied matrices stay one

    def rounded(weight: Tensor) -> RoundedMatrix:
        if id(weight) not in matrices:
            matrices[id(weight)] = RoundedMatrix(weight)
        return matrices[id(weight)]

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, RoundedLinear(child, rounded(child.weight)))
            elif isinstance(child, nn.Embedding):
                setattr(module, name, RoundedEmbedding(child, rounded(child.weight)))
    return model


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


def is_storage(change: Mapping[str, Any]) -> bool:
    """Whether a change of a checkpoint only says how its weights are stored."""
    return change.get("_target_") == INT8


def has_bfloat16(folder: Path) -> bool:
    """Whether the weights of a step folder are stored in bfloat16, as `bfloat16_tensors` gives them."""
    return torch.bfloat16 in TensorFile(folder / WEIGHTS).dtypes.values()


def bfloat16_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint stores of the model, with matrices in bfloat16; loading makes them float32 again."""
    return {
        name: tensor.detach().to(torch.bfloat16) if tensor.is_floating_point() and tensor.dim() > 1 else tensor.detach()
        for name, tensor in kept_tensors(model).items()
    }


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
