"""What may be known of a batch of sources beside their states. A mixer names what it wants; others see nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# B batch, S source length


@dataclass(frozen=True)
class Structure:
    """Each field is None where it is not known, or nobody asked.

    pieces_BS    ids of the pieces (int64)
    segments_BS  the sentence that a piece belongs to: 0 is the one to be translated, -1 the one before it, 1 the one
                 behind it, and so on (int64)
    climbs_BSS   steps from the word of the first piece up its tree to the lowest word that is, or is above, the word of
                 the second; -1 where there is none such (int8). Transposed, the way down to the second piece.
    """

    pieces_BS: Tensor | None = None
    segments_BS: Tensor | None = None
    climbs_BSS: Tensor | None = None

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """Some fields by name, as a mixer takes them."""
        return {name: getattr(self, name) for name in names}


UNKNOWN = Structure()
