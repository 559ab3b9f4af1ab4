"""What may be known of the queries that read a memory. A mixer names the fields that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# R rows (hypotheses), T target positions, S source length


@dataclass(frozen=True)
class Reading:
    """What a decoder step passes to cross-attention beside queries.

    position   of the first query in the target, from 0
    period     after so many queries the next hypothesis begins, at `position` again; None: there is one
    prior_RTS  P(source piece of key s | target piece that row t reads); 0 for unknown pieces, None if nothing is known
    """

    position: int = 0
    prior_RTS: Tensor | None = None
    period: int | None = None

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """The named fields, as keyword arguments for a mixer."""
        return {name: getattr(self, name) for name in names}


FIRST = Reading()
