"""Freezes parameters that a training must not change."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from mt.checkpoint.changes import is_among

log = logging.getLogger(__name__)


def freeze(model: nn.Module, beginnings: Sequence[str], *, say: Callable[..., None] = log.info) -> None:
    """Parameters named in full, or by a prefix that ends at a dot, get no gradient and so no optimizer state.

    `encoder` covers `encoder.layers.0.…`. A matrix that is shared is frozen by any of its names. Raises ValueError for
    a name that no parameter has, and where nothing is left to train.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for beginning in beginnings:
        if not any(is_among(name, [beginning]) for name in parameters):
            near = difflib.get_close_matches(beginning, _beginnings(list(parameters)), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"freeze ({beginning}) must be a parameter's name, or a prefix of some that ends at a dot{hint}"
            )
    for name, parameter in parameters.items():
        if is_among(name, beginnings):
            parameter.requires_grad_(False)
    shared = [name for name, one in parameters.items() if not (one.requires_grad or is_among(name, beginnings))]
    if shared:
        say("freeze: %s shares its matrix with a frozen parameter (model.tie)", ", ".join(shared))
    own = list(model.parameters())
    trained = sum(parameter.numel() for parameter in own if parameter.requires_grad)
    if not trained:
        raise ValueError(f"freeze ({', '.join(beginnings)}) must leave some parameters to train")
    if beginnings:
        say("freeze: %s of %s parameters are trained", f"{trained:,}", f"{sum(p.numel() for p in own):,}")


def check_freeze(beginnings: Any) -> tuple[str, ...]:
    """The setting `freeze` as a tuple. Raises ValueError for anything but a list of names, or null."""
    if beginnings is None:
        return ()
    if isinstance(beginnings, str) or not isinstance(beginnings, Sequence):
        raise ValueError(f"freeze ({beginnings}) must be a list of names: freeze=[{beginnings}]")
    return tuple(map(str, beginnings))


def _beginnings(names: Sequence[str]) -> list[str]:
    parts = [name.split(".") for name in names]
    return list(dict.fromkeys(".".join(one[:length]) for one in parts for length in range(1, len(one) + 1)))
