"""Other views of the pictures that a model trains with: moved, nearer or farther, mirrored. For small sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from random import Random

import numpy as np
from PIL import Image

from mt.data.images.boxes import fitted_boxes
from mt.data.images.picture import Picture
from mt.data.images.store import digest_of
from mt.data.pair import Pair


@dataclass(frozen=True, kw_only=True)
class Views:
    """How far a training picture may be changed each time it is read; its boxes move with it.

    shift   up and down, left and right: at most this share of the picture's side, 0 to 0.5
    zoom    nearer or farther: by a factor from 1 / (1 + zoom) to 1 + zoom, 0 to 1
    mirror  the probability that left and right change places, 0 to 1; not where texts say left and right

    What comes in from outside repeats the picture's edge. All pairs of a batch with one picture see the same view. What
    is drawn depends on the batch and the picture alone, so a resumed run, another rank or another part of a batch draws
    the same. Raises ValueError for a value outside its range.
    """

    shift: float = 0.0
    zoom: float = 0.0
    mirror: float = 0.0

    def __post_init__(self) -> None:
        for field, most in zip(fields(self), (0.5, 1.0, 1.0), strict=True):
            value = getattr(self, field.name)
            if not 0.0 <= value <= most:
                raise ValueError(f"views.{field.name} ({value}) must be from 0 to {most:g}")

    @property
    def is_on(self) -> bool:
        """Whether any picture can change."""
        return any(getattr(self, field.name) for field in fields(self))

    def __call__(self, pairs: Sequence[Pair], keys: Iterable[int]) -> list[Pair]:
        """The pairs of a batch with other views of their pictures; pairs that share a picture have equal keys."""
        known: dict[int, tuple[Picture, View]] = {}
        seen = []
        for pair, key in zip(pairs, keys, strict=True):
            if pair.picture is None:
                seen.append(pair)
                continue
            address = pair.picture.__array_interface__["data"][0]
            if address not in known:
                view = self.drawn(int(key) ^ int.from_bytes(digest_of(pair.picture)[:8], "little"), len(pair.picture))
                known[address] = view.picture(pair.picture), view
            picture, view = known[address]
            boxes = fitted_boxes(pair.boxes, view.box) if pair.boxes else pair.boxes
            seen.append(pair._replace(picture=picture, boxes=boxes))
        return seen

    def drawn(self, key: int, size: int) -> View:
        """The view that `key` draws for a picture of `size` pixels."""
        draw = Random(key)
        scale = (1 + self.zoom) ** draw.uniform(-1, 1)
        side = size / scale  # of the part that is seen
        left, top = ((size - side) / 2 + size * self.shift * draw.uniform(-1, 1) for _ in range(2))
        return View(left, top, side, draw.random() < self.mirror, size)


@dataclass(frozen=True)
class View:
    """The part of a picture that is seen, in its pixels: `left`, `top` and `side`, brought to `size` pixels."""

    left: float
    top: float
    side: float
    is_mirrored: bool
    size: int

    def picture(self, picture_HWC: Picture) -> Picture:
        """What is seen, of the same size."""
        edge = self.size  # more than shift and zoom can reach: half a side each
        wide = Image.fromarray(np.pad(picture_HWC, ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
        left, top = edge + self.left, edge + self.top
        part = (left, top, left + self.side, top + self.side)
        seen_HWC = np.asarray(wide.resize((self.size, self.size), Image.Resampling.BILINEAR, box=part))
        return np.ascontiguousarray(seen_HWC[:, ::-1] if self.is_mirrored else seen_HWC)

    def box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A box of the picture in pixels of the view: left, top, width and height."""
        scale = self.size / self.side
        left, top, width, height = (left - self.left) * scale, (top - self.top) * scale, width * scale, height * scale
        return self.size - left - width if self.is_mirrored else left, top, width, height
