"""Checks numbers in flags and settings: NaN, infinity and numbers over 64 bits are refused by name."""

import argparse
import math
from collections.abc import Mapping
from typing import Any


class Number:
    """The argparse type of every flag that is a number: text to a number, or an error that names the rule.

    `kind` is int or float. NaN, infinity, and whole numbers that 64 bits do not hold are always refused; so is what is
    less than `least`, not above `above`, or more than `most`.
    """

    def __init__(
        self, kind: type, *, least: float | None = None, above: float | None = None, most: float | None = None
    ):
        self.kind, self.least, self.above, self.most = kind, least, above, most

    def __call__(self, text: str) -> float:
        try:
            number = self.kind(text)
        except (ValueError, OverflowError):
            raise self._refused(text) from None
        is_in_range = (
            -(2**63) <= number < 2**63 if self.kind is int else math.isfinite(number),
            self.least is None or number >= self.least,
            self.above is None or number > self.above,
            self.most is None or number <= self.most,
        )
        if not all(is_in_range):
            raise self._refused(text)
        return number

    def _refused(self, text: str) -> argparse.ArgumentTypeError:
        """What the flag must be: `(0) must be a whole number of at least 1`."""
        kind = "a whole number of at most 64 bits" if self.kind is int else "a number"
        if self.least is not None and self.most is not None:
            rule = f"from {self.least:g} to {self.most:g}"
        else:
            least = f"at least {self.least:g}" if self.least is not None else None
            above = f"above {self.above:g}" if self.above is not None else None
            most = f"at most {self.most:g}" if self.most is not None else None
            rule = " and ".join(filter(None, (least, above, most)))
        return argparse.ArgumentTypeError(f"({text}) must be {kind}{f', {rule}' if rule else ''}")


def check_numbers(node: Any, name: str = "") -> None:
    """Raises ValueError, naming the setting, for a number that is not finite or does not fit in 64 bits.

    `node` is a value, or mappings and lists of values, at any depth; `name` is its full name (`trainer.seed`).
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            check_numbers(key, f"{name}: a name")
            check_numbers(value, f"{name}.{key}" if name else str(key))
    elif isinstance(node, (list, tuple)):
        for place, item in enumerate(node):
            check_numbers(item, f"{name}[{place}]")
    elif isinstance(node, float) and not math.isfinite(node):
        raise ValueError(f"{name} ({node}) must be a finite number")
    elif isinstance(node, int) and not -(2**63) <= node < 2**63:
        raise ValueError(f"{name} ({_short(node)}) must be a whole number of 64 bits, from -2**63 to 2**63 - 1")


def _short(number: int) -> str:
    """The number, or its size where it has thousands of digits, which Python does not write."""
    return str(number) if number.bit_length() < 200 else f"a number of {number.bit_length()} bits"
