"""Sources of other kinds than text: pictures, and several sources of the same sentences side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mt.data.images.picture import Picture
from mt.data.source import Rows, Source, Text, moved, stacked

# B sources, N different pictures, H height, W width, C colours


@dataclass(frozen=True, eq=False)
class Images:
    """A picture for each of B sources: `pixels_NHWC` (uint8) are the different ones, `numbers_B` says which is whose.

    Number -1: this source has none. `regions` are the places that the model's encoder makes of a picture.
    """

    pixels_NHWC: Tensor
    numbers_B: Tensor
    regions: int

    @classmethod
    def of(cls, pictures: Sequence[Picture | None], regions: int) -> Images:
        """The pictures of some sources; one that comes several times (the same array) is held, and encoded, once."""
        places: dict[int, int] = {}
        different: list[Picture] = []
        numbers = []
        for picture in pictures:
            if picture is None:
                numbers.append(-1)
                continue
            address = picture.__array_interface__["data"][0]
            if address not in places:
                places[address] = len(different)
                different.append(picture)
            numbers.append(places[address])
        if not different:
            raise ValueError("pictures (0) must be at least 1: sources without any are text alone")
        return cls(torch.from_numpy(np.stack(different)), torch.tensor(numbers), regions)

    def __len__(self) -> int:
        return len(self.numbers_B)

    @property
    def padded_length(self) -> int:
        return self.regions

    @property
    def parts(self) -> Mapping[str, Source]:
        return {"image": self}

    def rows(self, rows: Rows) -> Images:
        numbers_B = self.numbers_B[rows]
        kept, places_B = numbers_B.clamp_min(0).unique(return_inverse=True)
        return Images(self.pixels_NHWC[kept], places_B.masked_fill(numbers_B < 0, -1), self.regions)

    def to(self, device: torch.device | str) -> Images:
        return Images(moved(self.pixels_NHWC, device), moved(self.numbers_B, device), self.regions)

    def absent(self, num_sources: int) -> Images:
        """For as many sources without a picture."""
        return Images(self.pixels_NHWC[:0], self.numbers_B.new_full((num_sources,), -1), self.regions)

    @classmethod
    def stacked(cls, sources: Sequence[Images]) -> Images:
        numbers, start = [], 0
        for source in sources:
            numbers.append(torch.where(source.numbers_B < 0, -1, source.numbers_B + start))
            start += len(source.pixels_NHWC)
        return cls(torch.cat([source.pixels_NHWC for source in sources]), torch.cat(numbers), sources[0].regions)


@dataclass(frozen=True, eq=False)
class Several:
    """Sources of the same B sentences, by name; each is read by the model's encoder of that name.

    Their memories stand side by side in this order. The text comes last: it alone is padded, so that places at the end
    can be cut off.
    """

    parts: Mapping[str, Source]

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    @property
    def padded_length(self) -> int:
        return sum(part.padded_length for part in self.parts.values())

    def pieces(self) -> list[list[int]]:
        """The ids of the text of each source, with EOS."""
        text = self.parts["text"]
        assert isinstance(text, Text)
        return text.pieces()

    def rows(self, rows: Rows) -> Several:
        return Several({name: part.rows(rows) for name, part in self.parts.items()})

    def to(self, device: torch.device | str) -> Several:
        return Several({name: part.to(device) for name, part in self.parts.items()})

    @classmethod
    def stacked(cls, sources: Sequence[Source]) -> Several:
        """Some may be text alone."""
        seen = {name: part for source in sources for name, part in source.parts.items() if isinstance(part, Images)}
        parts: dict[str, Source] = {
            name: stacked([source.parts.get(name, example.absent(len(source))) for source in sources])
            for name, example in seen.items()
        }
        return cls({**parts, "text": stacked([source.parts["text"] for source in sources])})


def with_pictures(text: Text, pictures: Sequence[Picture | None], regions: int) -> Source:
    """The text with its pictures; the text alone where there are none."""
    if all(picture is None for picture in pictures):
        return text
    return Several({"image": Images.of(pictures, regions), "text": text})


def another_picture(source: Source) -> Source:
    """The same sources with the pictures of their neighbours, to see what the right ones are good for."""
    images = source.parts.get("image") if isinstance(source, Several) else None
    if not isinstance(images, Images):
        return source
    assert isinstance(source, Several)
    order = torch.arange(len(images.pixels_NHWC)).roll(1)
    numbers_B = torch.where(images.numbers_B < 0, -1, order.to(images.numbers_B.device)[images.numbers_B.clamp_min(0)])
    return Several({**source.parts, "image": Images(images.pixels_NHWC, numbers_B, images.regions)})
