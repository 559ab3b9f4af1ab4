"""Teachers from checkpoints, loaded when they are first needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mt.checkpoint.folder import load_checkpoint
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.teacher import Teachers


class LoadedTeachers(Teachers):
    """The models of run or step folders. Raises ValueError, when they are loaded, for what cannot be loaded."""

    def __init__(self, *, checkpoints: str | Sequence[str]):
        self._folders = [checkpoints] if isinstance(checkpoints, str) else list(checkpoints)
        if not self._folders:
            raise ValueError("objective.teacher.checkpoints must name at least one checkpoint")
        self._is_loaded = False

    def models(self, device: torch.device | None = None) -> list[Seq2Seq]:
        self._load()
        return super().models(device)

    def check_tokenizers(self, student: TokenizerPair) -> None:
        self._load()
        super().check_tokenizers(student)

    def _load(self) -> None:
        if self._is_loaded:
            return
        loaded = [load_checkpoint(Path(folder)) for folder in self._folders]
        models = [one.model for one in loaded if isinstance(one.model, Seq2Seq)]
        super().__init__(models, loaded[0].tokenizers, self._folders)
        self._is_loaded = True
        for one in loaded[1:]:
            super().check_tokenizers(one.tokenizers)
