"""Batches of a data set through a translator: a class for Ray Data, or any other that maps batches of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mt.inference.translator import Translator


class TranslateBatch:
    """Called with a batch (columns by name), it gives the batch with one column more: the translations.

    For `ray.data.Dataset.map_batches`, which makes one in each actor:

        lines.map_batches(TranslateBatch, fn_constructor_args=[checkpoint], batch_size=256, num_cpus=1, concurrency=8)

    `device` is `auto`, `cpu` or `cuda`; on a CPU it computes with `num_threads`.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        source: str = "text",
        target: str = "translation",
        device: str = "auto",
        num_threads: int = 1,
    ):
        torch.set_num_threads(num_threads)
        self.source, self.target = source, target
        self.translator = Translator.load(checkpoint, device=device)

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        if self.source not in batch:
            raise ValueError(f"source ({self.source}) must be a column of the data: {', '.join(batch)}")
        translations = [found.text for found in self.translator.translate(map(str, batch[self.source]))]
        return {**batch, self.target: np.array(translations, dtype=object)}
