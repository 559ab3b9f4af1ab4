"""Finished models that a student learns from while it trains; an objective is handed them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Objective


class Teachers:
    """Models with the same tokenizers, and their names for messages. They never change, and have no dropout."""

    def __init__(self, models: Sequence[Seq2Seq], tokenizers: TokenizerPair, names: Sequence[str]):
        self._models, self._tokenizers, self._names = list(models), tokenizers, list(names)
        for model in self._models:
            model.eval().requires_grad_(False)

    def models(self, device: torch.device | None = None) -> list[Seq2Seq]:
        """The models, on this device from now on."""
        return self._models if device is None else [model.to(device) for model in self._models]

    def check_tokenizers(self, student: TokenizerPair) -> None:
        """Raises ValueError unless the student has the same tokenizers, so that an id means the same piece."""
        own = self._tokenizers
        sides = ((own.source, student.source), (own.target, student.target))
        if any(one.to_bytes() != other.to_bytes() for one, other in sides):
            raise ValueError(
                f"objective.teacher ({self._names[0]}) must have the tokenizers of this training:"
                f" tokenizer_from={self._names[0]} takes them from there"
            )


class BesideTeacher:
    """Base of an objective that does what `inner` does, and beside it learns from a teacher."""

    inner: Objective
    teacher: Teachers

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a teacher that cannot be loaded."""
        self.inner.check(model)
        self.teacher.models()

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """Raises ValueError unless the teacher has the same, so that positions are the same pieces."""
        self.inner.check_tokenizers(tokenizers)
        self.teacher.check_tokenizers(tokenizers)


def layer_of_teacher(layer: int, num_layers: int, num_teacher_layers: int) -> int:
    """The layer of the teacher, from 0, that teaches a layer of the student: evenly spread, the last the last."""
    return max(0, (layer + 1) * num_teacher_layers // num_layers - 1)
