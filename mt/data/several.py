"""Sources of other kinds than text: pictures, sounds, and several sources of the same sentences side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from mt.data.images.picture import Picture
from mt.data.sounds.sound import Wave
from mt.data.source import Rows, Source, Text, moved, stacked

# B sources, N different pictures or sounds, H height, W width, C colours, L samples

Kind = TypeVar("Kind", bound="Shared")


@dataclass(frozen=True, eq=False)
class Shared:
    """What B sources have beside their text: `values_N` are the different ones, `numbers_B` says which is whose.

    Number -1: this source has none. `places` are those that the model's encoder makes of one.
    """

    values_N: Tensor
    numbers_B: Tensor
    places: int

    name: ClassVar[str]  # of the encoder that reads it

    @classmethod
    def of(cls: type[Kind], given: Sequence[np.ndarray | None], places: int) -> Kind:
        """Those of some sources; one that comes several times (the same array) is held, and encoded, once."""
        known: dict[int, int] = {}
        different: list[np.ndarray] = []
        numbers = []
        for one in given:
            if one is None:
                numbers.append(-1)
                continue
            address = one.__array_interface__["data"][0]
            if address not in known:
                known[address] = len(different)
                different.append(one)
            numbers.append(known[address])
        if not different:
            raise ValueError(f"{cls.name}: none of the sources has any; such sources are text alone")
        return cls(torch.from_numpy(np.stack(different)), torch.tensor(numbers), places)

    def __len__(self) -> int:
        return len(self.numbers_B)

    @property
    def padded_length(self) -> int:
        return self.places

    @property
    def parts(self) -> Mapping[str, Source]:
        return {self.name: self}

    def rows(self: Kind, rows: Rows) -> Kind:
        numbers_B = self.numbers_B[rows]
        kept, places_B = numbers_B.clamp_min(0).unique(return_inverse=True)
        return type(self)(self.values_N[kept], places_B.masked_fill(numbers_B < 0, -1), self.places)

    def to(self: Kind, device: torch.device | str) -> Kind:
        return type(self)(moved(self.values_N, device), moved(self.numbers_B, device), self.places)

    def absent(self: Kind, num_sources: int) -> Kind:
        """For as many sources without any."""
        return type(self)(self.values_N[:0], self.numbers_B.new_full((num_sources,), -1), self.places)

    @classmethod
    def stacked(cls: type[Kind], sources: Sequence[Kind]) -> Kind:
        numbers, start = [], 0
        for source in sources:
            numbers.append(torch.where(source.numbers_B < 0, -1, source.numbers_B + start))
            start += len(source.values_N)
        return cls(torch.cat([source.values_N for source in sources]), torch.cat(numbers), sources[0].places)


class Images(Shared):
    """Pictures; their places are regions."""

    name = "image"

    @property
    def pixels_NHWC(self) -> Tensor:
        """uint8."""
        return self.values_N


class Sounds(Shared):
    """Sounds of one length; their places are some frames each."""

    name = "sound"

    @property
    def samples_NL(self) -> Tensor:
        """int16."""
        return self.values_N


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
        seen = {name: part for source in sources for name, part in source.parts.items() if isinstance(part, Shared)}
        parts: dict[str, Source] = {
            name: stacked([source.parts.get(name, example.absent(len(source))) for source in sources])
            for name, example in seen.items()
        }
        return cls({**parts, "text": stacked([source.parts["text"] for source in sources])})


def with_pictures(text: Text, pictures: Sequence[Picture | None], regions: int) -> Source:
    """The text with its pictures; the text alone where there are none."""
    return _beside(text, Images, pictures, regions)


def with_sounds(source: Source, sounds: Sequence[Wave | None], places: int) -> Source:
    """The text, and what else is there, with sounds; the source itself where there are none."""
    return _beside(source, Sounds, sounds, places)


def with_text(source: Source, text: Text) -> Source:
    """The source with another text in place of its own."""
    return Several({**source.parts, "text": text}) if isinstance(source, Several) else text


def _beside(source: Source, kind: type[Shared], given: Sequence[np.ndarray | None], places: int) -> Source:
    if all(one is None for one in given):
        return source
    others = {name: part for name, part in source.parts.items() if name != "text"}
    return Several({**others, kind.name: kind.of(given, places), "text": source.parts["text"]})


def another_picture(source: Source) -> Source:
    """The same sources with the pictures of their neighbours, to see what the right ones are good for."""
    images = source.parts.get("image") if isinstance(source, Several) else None
    if not isinstance(images, Images):
        return source
    assert isinstance(source, Several)
    order = torch.arange(len(images.values_N)).roll(1)
    numbers_B = torch.where(images.numbers_B < 0, -1, order.to(images.numbers_B.device)[images.numbers_B.clamp_min(0)])
    return Several({**source.parts, "image": Images(images.values_N, numbers_B, images.places)})
