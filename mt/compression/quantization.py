"""Rounds the matrices of a model to 8-bit integers, by output row: a change of a checkpoint, which stores them so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

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


def is_storage(change: Mapping[str, Any]) -> bool:
    """Whether a change of a checkpoint only says how its weights are stored."""
    return change.get("_target_") == INT8
