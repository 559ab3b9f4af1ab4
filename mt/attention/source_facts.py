"""What may be known of a batch of sources beside their states. A mixer names the fields that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# B batch, S source length

NO_PIECE = -1  # the id of a place that is no piece
NO_REGION = -1  # row and column of a place that is no region of a picture
TEXT, IMAGE, SOUND = SOURCES = range(3)  # what a place of a memory is of


@dataclass(frozen=True)
class SourceFacts:
    """Each field is None where it is not known or not needed.

    pieces_BS    ids of the pieces (int64)
    segments_BS  the sentence that a piece belongs to: 0 is the one to be translated, -1 the one before it, 1 the one
                 after it, and so on (int64)
    tree_distance_BSS  steps from the word of the first piece up its tree to the lowest word that is, or is above, the
                 word of the second; -1 where there is no such word (int8). Transposed: steps down to the second piece.
    places_BS2   row and column of each region of a picture, from 0; -1 and -1 for a place that is no region (int64)
    sources_BS   what a place is of: one of TEXT, IMAGE and SOUND (int64)
    """

    pieces_BS: Tensor | None = None
    segments_BS: Tensor | None = None
    tree_distance_BSS: Tensor | None = None
    places_BS2: Tensor | None = None
    sources_BS: Tensor | None = None

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """The named fields, as keyword arguments for a mixer."""
        return {name: getattr(self, name) for name in names}

    @classmethod
    def joined(cls, facts: Sequence[SourceFacts], places: Sequence[Tensor]) -> SourceFacts:
        """What is known of several sources side by side; `places` are BS, any tensor over the places of each.

        A place of which something is not known has no piece, stands in sentence 0, is in no tree, and is of the text.
        """

        def side_by_side(name: str, unknown: int, *more: int) -> Tensor | None:
            known = [getattr(one, name) for one in facts]
            if all(value is None for value in known):
                return None
            filled = [
                of.new_full((*of.shape, *more), unknown, dtype=torch.long) if value is None else value
                for value, of in zip(known, places, strict=True)
            ]
            return torch.cat(filled, dim=1)

        # the trees of one source say nothing of another, and only the encoder of each asks for them
        return cls(
            side_by_side("pieces_BS", NO_PIECE),
            side_by_side("segments_BS", 0),
            places_BS2=side_by_side("places_BS2", NO_REGION, 2),
            sources_BS=side_by_side("sources_BS", TEXT),
        )


UNKNOWN = SourceFacts()
