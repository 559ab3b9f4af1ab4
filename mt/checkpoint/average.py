"""The average of several checkpoints' weights (as in tensor2tensor and Vaswani et al. 2017)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mt.checkpoint.manifest import has_manifest, verify
from mt.checkpoint.steps import WEIGHTS
from mt.checkpoint.tensor_file import TensorFile


def average_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of every weight over the step folders, summed in float32; whole numbers are those of the first.

    Raises ValueError when their names differ, or one is damaged.
    """
    if not folders:
        raise ValueError("checkpoints to average: at least one is needed, none was given")
    total: dict[str, Tensor] = {}
    for folder in folders:
        if has_manifest(folder):
            verify(folder, (WEIGHTS,))
        weights = TensorFile(folder / WEIGHTS)
        if total and weights.keys() != total.keys():
            raise ValueError(f"checkpoints to average: {folder} has other weights than {folders[0]}")
        for name, weight in weights.items():
            if not weight.is_floating_point():
                total.setdefault(name, weight.clone())
                continue
            weight = weight.to(torch.float32)
            total[name] = total[name].add_(weight) if name in total else weight.clone()
    return {name: one / len(folders) if one.is_floating_point() else one for name, one in total.items()}
