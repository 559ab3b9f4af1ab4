"""What may be known of the queries that read a memory. A mixer names what it needs; others get nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# R rows (hypotheses), T target positions, S source length


@dataclass(frozen=True)
class Reading:
    """What a step of the decoder says to cross-attention.

    position   of the first query in the target, from 0
    period     after so many queries the next hypothesis begins, at `position` again; None: there is one
    prior_RTS  P(source piece of key s | target piece that row t reads); 0 where nothing is known of it, None of any
    """

    position: int = 0
    prior_RTS: Tensor | None = None
    period: int | None = None

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """Some fields by name, as a mixer takes them."""
        return {name: getattr(self, name) for name in names}


FIRST = Reading()
