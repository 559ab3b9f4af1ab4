"""The average of several checkpoints' weights (as in tensor2tensor and Vaswani et al. 2017)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor


def average_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of every weight over the step folders, summed in float32. Raises ValueError when their names differ."""
    if not folders:
        raise ValueError("checkpoints to average: at least one is needed, none was given")
    total: dict[str, Tensor] = {}
    for folder in folders:
        weights = load_file(folder / "model.safetensors")
        if total and weights.keys() != total.keys():
            raise ValueError(f"checkpoints to average: {folder} has other weights than {folders[0]}")
        for name, weight in weights.items():
            total[name] = total[name].add_(weight.to(torch.float32)) if name in total else weight.to(torch.float32)
    return {name: weight / len(folders) for name, weight in total.items()}
