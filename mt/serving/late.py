"""A function that is imported by name when it is first called: a worker loads torch, the process that asks does not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


class Late:
    """Calls `make(*arguments)` when first called, and then what that gave. It can be pickled."""

    def __init__(self, module: str, make: str, *arguments: Any):
        self.module, self.make, self.arguments = module, make, arguments
        self._made: Callable[[Any], Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_made": None}

    def __call__(self, value: Any) -> Any:
        if self._made is None:
            self._made = getattr(import_module(self.module), self.make)(*self.arguments)
        return self._made(value)
