"""The outline of a model: names and shapes of its weights, found without allocating them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Limits on building a model of the stored weights. Our own models take about 10 operations per tensor, and hold
# 3 times their weights before matrices are shared; each is written to a few times.
OPERATIONS_PER_TENSOR, MORE_OPERATIONS = 50, 2_000
ELEMENTS_PER_ELEMENT, MORE_ELEMENTS = 64, 2**24
# Of tensors and of torch.nn.init. On the meta device there is nothing to fill, and computing the shapes would cost
# torch a second of imports.
FILLS = {"normal_", "uniform_", "trunc_normal_", "random_", "exponential_", "bernoulli_"}


@dataclass(frozen=True)
class Shape:
    """Expected sizes of a weight, and whether it is floating-point."""

    sizes: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_elements(self) -> int:
        return int(torch.Size(self.sizes).numel())

    @property
    def num_bytes(self) -> int:
        return self.num_elements * self.dtype.itemsize

    @classmethod
    def of(cls, tensor: Tensor) -> Shape:
        return cls(tuple(tensor.shape), tensor.dtype)


def kept_tensors(model: nn.Module) -> dict[str, Tensor]:
    """All that a checkpoint stores of a model, by name: its parameters, and its buffers, which are not trained."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def outline_of(make: Callable[[], Any], stored: Mapping[str, Shape], origin: Path) -> dict[str, Shape]:
    """The weights, by name, of the model that `make` builds; `stored` limits how large it may be.

    It is built on the meta device, where tensors have only shapes, and stopped beyond what those weights need.
    Raises ValueError, naming `origin`, for a description that no model can be built from, or only a larger one.
    """
    try:
        with _Bounds(stored), torch.device("meta"):
            model = make()
    except _TooLarge as error:
        raise ValueError(f"{origin} describes a model that is far larger than its weight file: {error}") from None
    except ValueError as error:  # its message is about settings: name the file instead
        raise ValueError(f"{origin}: {error}") from error
    except Exception as error:  # untrusted arguments: any error means that the description is wrong
        raise ValueError(f"{origin} describes no model that can be built: {type(error).__name__} {error}") from error
    if not isinstance(model, nn.Module):
        raise ValueError(f"{origin} describes no model, but a {type(model).__name__}")
    return {name: Shape.of(tensor) for name, tensor in kept_tensors(model).items()}


def check_weights(needed: Mapping[str, Shape], stored: Mapping[str, Shape], origin: Path) -> None:
    """Raises ValueError naming the first weight that is missing, unknown, of another shape, or of another kind."""
    for name, shape in needed.items():
        if name not in stored:
            raise ValueError(f"{origin} lacks the weight {name}")
        found = stored[name]
        if found.sizes != shape.sizes:
            raise ValueError(f"{origin}: {name} has shape {list(found.sizes)}, the model needs {list(shape.sizes)}")
        if found.dtype.is_floating_point != shape.dtype.is_floating_point:
            raise ValueError(f"{origin}: {name} has numbers of type {found.dtype}, the model needs {shape.dtype}")
    unknown = sorted(set(stored) - set(needed))
    if unknown:
        raise ValueError(f"{origin} holds the weight {unknown[0]}, which the model does not have")


def check_memory(needed: Mapping[str, Shape], origin: Path) -> None:
    """Raises ValueError when this machine's whole memory could not hold the weights."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    num_bytes, memory = (
        sum(shape.num_bytes for shape in needed.values()),
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )
    if num_bytes > memory > 0:
        raise ValueError(f"{origin} takes {num_bytes / 2**30:.0f} GiB of memory, this machine has {memory / 2**30:.0f}")


class Unfilled(TorchFunctionMode):
    """Skips the initialization of weights, which are about to be replaced by stored ones."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _unfilled(func, args, kwargs or {})


def _unfilled(func: Any, args: Any, kwargs: Any) -> Any:
    if getattr(func, "__name__", "") in FILLS:
        return args[0] if args else kwargs.get("tensor")
    return func(*args, **kwargs)


class _TooLarge(Exception):
    pass


class _Bounds(TorchFunctionMode):
    """Counts operations on tensors, and stops beyond what a model of the `stored` weights needs."""

    def __init__(self, stored: Mapping[str, Shape]):
        super().__init__()
        elements = sum(shape.num_elements for shape in stored.values())
        self.operations_left = OPERATIONS_PER_TENSOR * len(stored) + MORE_OPERATIONS
        self.elements_left = ELEMENTS_PER_ELEMENT * elements + MORE_ELEMENTS
        self.about = f"{len(stored)} tensors of {elements} numbers"

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        if device is not None and torch.device(device).type != "meta":
            raise _TooLarge(f"it allocates memory on {device}")
        result = _unfilled(func, args, kwargs)
        self.operations_left -= 1
        for made in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(made, Tensor):
                self.elements_left -= made.numel()
        if self.operations_left < 0 or self.elements_left < 0:
            raise _TooLarge(self.about)
        return result
