"""One line of a corpus with its alignment: as a JSON record, and as a grid of heads for a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.alignment.alignment import WHOLE_MODEL, Alignment, RawAttention
from mt.alignment.links import Link
from mt.alignment.regions import Box
from mt.alignment.strength import strengths
from mt.alignment.words import by_words

GRID_COLUMNS = 4


@dataclass(frozen=True)
class AlignedLine:
    """A source and target line; a line with a blank side has neither attention nor alignment.

    With a model of the other direction, `forward` and `backward` are the alignments by each model alone, and
    `alignment` is the one that links are read from.
    """

    number: int  # from 1
    source: str
    target: str
    raw: RawAttention | None = None
    alignment: Alignment | None = None
    forward: Alignment | None = None
    backward: Alignment | None = None
    picture: np.ndarray | None = None
    boxes: Sequence[Box] = ()  # gold, of target words in the picture

    def to_json(self, links: Iterable[Link]) -> dict[str, Any]:
        """A line of alignments.jsonl; links name their tokens beside their positions."""
        if self.alignment is None:
            return {"line": self.number, "source": [], "target": [], "weights": [], "links": [], "strength": []}
        links = set(links)
        values = self.alignment.to_json()
        values["links"] = [
            {"source": source, "target": target, "tokens": [values["source"][source], values["target"][target]]}
            for source, target in sorted(links)
        ]
        values["strength"] = strengths(self.alignment.weights_TS, links)
        return {"line": self.number, **values}

    def grid(self, which: str) -> list[list[Alignment]]:
        """Rows of alignments: "heads" of the chosen layer, the mean of each of the "layers", or "all" heads."""
        raw, chosen = self.raw, self.alignment
        assert raw is not None and chosen is not None

        def at(layer: int, heads: tuple[int, ...]) -> Alignment:
            one = Alignment.from_attention(
                raw,
                layer=layer,
                heads=heads,
                shift=chosen.shift,
                signal="weights" if chosen.signal in WHOLE_MODEL else chosen.signal,  # that has no heads
                direction=chosen.direction,
            )
            return by_words(one, self.source, self.target) if chosen.unit == "words" else one

        heads = range(raw.num_heads)
        if which == "all":
            return [[at(layer, (head,)) for head in heads] for layer in range(raw.num_layers)]
        if which == "heads":
            cells = [at(chosen.layer, (head,)) for head in heads]
        else:
            cells = [at(layer, tuple(heads)) for layer in range(raw.num_layers)]
        return [cells[start : start + GRID_COLUMNS] for start in range(0, len(cells), GRID_COLUMNS)]
