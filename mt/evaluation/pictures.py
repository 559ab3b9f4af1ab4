"""Where a model's captions look, against gold boxes: for choosing a head, and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mt.alignment.alignment import RawAttention
from mt.alignment.pointing import Pointing
from mt.alignment.regions import Box
from mt.data.held_out import HeldOut
from mt.data.images.boxes import read_boxes
from mt.inference.aligner import Aligner

LINES = 500
AT_ONCE = 64  # lines whose maps of all layers and heads are in memory at once


def pointing_of(aligner: Aligner, held_out: HeldOut, lines: int = LINES) -> Pointing:
    """The pointing game over the references of the first lines. Raises ValueError where no line has a box."""
    return Pointing.of(_attentions(aligner, held_out, lines))


def _attentions(aligner: Aligner, held_out: HeldOut, lines: int) -> Iterator[tuple[RawAttention, str, Sequence[Box]]]:
    if held_out.pictures is None or held_out.boxes is None:
        return
    seen = [n for n, line in enumerate(held_out.boxes) if line and held_out.pictures[n] is not None][:lines]
    for start in range(0, len(seen), AT_ONCE):
        some = seen[start : start + AT_ONCE]
        targets = [held_out.targets[n] for n in some]
        raws = aligner.attention(
            [held_out.sources[n] for n in some], targets, pictures=[held_out.pictures[n] for n in some]
        )
        for n, raw, target in zip(some, raws, targets, strict=True):
            yield raw, target, [Box(*box) for box in read_boxes(held_out.boxes[n])]
