"""What the decoder attends to: the states of one source, or of several, concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mt.attention.source_facts import UNKNOWN, SourceFacts

# B batch, S places of the memory, D width


class Grid(NamedTuple):
    """Regions of a square picture: `side` x `side` cells in rows, and for each of `scales` the means of so many on a
    side; the regions of one scale after those of the other."""

    side: int
    scales: tuple[int, ...] = (1,)

    @property
    def num_regions(self) -> int:
        """Of all scales together."""
        return sum((self.side // scale) ** 2 for scale in self.scales)

    def places(self, device: torch.device) -> Tensor:
        """places_S2: row and column of the middle cell of each region (the upper left one of the middle four)."""
        found = []
        for scale in self.scales:
            across = torch.arange(self.side // scale, device=device) * scale + (scale - 1) // 2
            found.append(torch.cartesian_prod(across, across))
        return torch.cat(found)

    def cells(self) -> Tensor:
        """cells_SC: the share of each region in each of the side * side cells; rows sum to one."""
        rows = []
        for scale in self.scales:
            places = range(self.side // scale)
            for down in places:
                for across in places:
                    cells = torch.zeros(self.side, self.side)
                    cells[down * scale : (down + 1) * scale, across * scale : (across + 1) * scale] = 1 / scale**2
                    rows.append(cells.flatten())
        return torch.stack(rows)


class Part(NamedTuple):
    """Places of a memory that belong to one source; `grid` says where the regions of a picture lie."""

    name: str
    length: int
    grid: Grid | None = None


@dataclass(frozen=True)
class Memory:
    """States and a mask (True means "may look"; None when nothing is padded).

    `source_facts` holds further facts about the source. `parts` say which source each place belongs to, in order; their
    lengths add up to S. A memory may be wider or narrower than the decoder: its width is that of the encoder
    (`mt.model.encoder.SourceEncoder`).
    """

    states_BSD: Tensor
    mask_B11S: Tensor | None
    parts: tuple[Part, ...]
    source_facts: SourceFacts = UNKNOWN

    @classmethod
    def of(
        cls,
        name: str,
        states_BSD: Tensor,
        mask_B11S: Tensor | None,
        source_facts: SourceFacts = UNKNOWN,
        *,
        grid: Grid | None = None,
    ) -> Memory:
        """The memory of one source."""
        return cls(states_BSD, mask_B11S, (Part(name, states_BSD.shape[1], grid),), source_facts)

    @classmethod
    def joined(cls, memories: Sequence[Memory]) -> Memory:
        """Concatenates memories of the same sentences, so that one attention chooses among all of their places.

        Raises ValueError for memories of different widths, and for two parts of the same name.
        """
        parts = tuple(part for memory in memories for part in memory.parts)
        names = [part.name for part in parts]
        if len(set(names)) < len(names):
            raise ValueError(f"memories ({', '.join(names)}) must have different names to be joined")
        widths = [memory.states_BSD.shape[2] for memory in memories]
        if len(set(widths)) > 1:
            raise ValueError(f"memories ({', '.join(names)}) must have one width to be joined, not {widths}")
        places = [memory.states_BSD[..., 0] for memory in memories]
        mask_B11S = None
        if any(memory.mask_B11S is not None for memory in memories):
            masks = [
                torch.ones_like(of, dtype=torch.bool)[:, None, None] if memory.mask_B11S is None else memory.mask_B11S
                for memory, of in zip(memories, places, strict=True)
            ]
            mask_B11S = torch.cat(masks, dim=3)
        source_facts = SourceFacts.joined([memory.source_facts for memory in memories], places)
        return cls(torch.cat([memory.states_BSD for memory in memories], dim=1), mask_B11S, parts, source_facts)

    def places(self, name: str) -> slice:
        """The range of the part of this name along S. Raises ValueError for an unknown name."""
        start = 0
        for part in self.parts:
            if part.name == name:
                return slice(start, start + part.length)
            start += part.length
        raise ValueError(f"memory has no part {name}: {', '.join(part.name for part in self.parts)}")
