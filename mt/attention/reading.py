"""What may be known of the queries that read a memory. A mixer names what it hears; others hear nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reading:
    """What a step of the decoder says to cross-attention.

    position  of the first query in the target, from 0
    """

    position: int = 0

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """Some fields by name, as a mixer takes them."""
        return {name: getattr(self, name) for name in names}


FIRST = Reading()
