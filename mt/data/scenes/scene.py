"""A scene: groups of equal things at their places, its one-line text, and its picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from zlib import crc32

import numpy as np
from PIL import Image, ImageDraw

from mt.data.scenes.lexicon import COLOURS, KINDS, MOST_THINGS, NOUNS, partners
from mt.data.scenes.pen import Colour, Pen
from mt.data.scenes.pictograms import PICTOGRAMS

SIZE = 64  # pixels on a side of the picture
SMALLEST, LARGEST = 15, 24  # pixels on a side of a thing: smaller ones are learned far more slowly
FINE = 3  # drawn at this multiple of the size, then reduced, so that edges are smooth
GROUND = (205, 200, 190)
TRIES = 60  # places tried for a thing before the scene goes without it
MARK = "scene:"  # begins the text of a scene, where others have a file's name
MOST_GROUPS = 3
MOST_COUNT = 3  # things of a group that are drawn
TEXT = re.compile(MARK + r"([0-9a-f]{6})((?:\|\w+,\w+,[0-9a-f]{6},\d+\.\d+\.\d+(?:\+\d+\.\d+\.\d+)*)+)")


@dataclass(frozen=True)
class Box:
    """A square: the pixels of its left and upper edge, and of its side."""

    left: int
    top: int
    side: int

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.side / 2, self.top + self.side / 2

    def is_apart(self, other: Box) -> bool:
        """Whether at least a pixel is between the two."""
        return (
            self.left + self.side + 1 < other.left
            or other.left + other.side + 1 < self.left
            or self.top + self.side + 1 < other.top
            or other.top + other.side + 1 < self.top
        )


@dataclass(frozen=True)
class Group:
    """Things of one kind and one colour; `rgb` is how the colour came out in this picture."""

    kind: str
    colour: str
    rgb: Colour
    boxes: tuple[Box, ...]

    @property
    def count(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Scene:
    """What a picture shows, on a ground of one colour."""

    ground: Colour
    groups: tuple[Group, ...]

    @property
    def text(self) -> str:
        """One line without blanks, from which the same scene can be made again."""
        groups = (
            ",".join((group.kind, group.colour, _hex(group.rgb), "+".join(map(_places, group.boxes))))
            for group in self.groups
        )
        return MARK + "|".join((_hex(self.ground), *groups))

    @classmethod
    def of(cls, text: str) -> Scene:
        """The scene of this text. Raises ValueError for any other text."""
        found = TEXT.fullmatch(text)
        if not found:
            raise ValueError(f"scene ({text[:80]}) must be {MARK}, then a ground and groups of things")
        groups = []
        for part in found[2].removeprefix("|").split("|"):
            kind, colour, rgb, places = part.split(",")
            boxes = tuple(Box(*map(int, place.split("."))) for place in places.split("+"))
            if kind not in NOUNS or colour not in COLOURS or len(boxes) > MOST_THINGS:
                raise ValueError(
                    f"scene: a group ({part[:80]}) must be of a known kind and colour, at most {MOST_THINGS}"
                )
            for box in boxes:
                if not 1 <= box.side <= SIZE or max(box.left, box.top) + box.side > SIZE:
                    raise ValueError(f"scene: a thing ({_places(box)}) must be inside of {SIZE} x {SIZE} pixels")
            groups.append(Group(kind, colour, _rgb(rgb), boxes))
        if len(groups) > MOST_GROUPS:
            raise ValueError(f"scene: groups ({len(groups)}) must be at most {MOST_GROUPS}")
        return cls(_rgb(found[1]), tuple(groups))

    @property
    def graph(self) -> str:
        """What is shown, without places: scenes with the same graph have the same full description."""
        return " ".join(sorted(f"{group.count}.{group.colour}.{group.kind}" for group in self.groups))

    @property
    def part(self) -> int:
        """From 0 to 99, by the graph: decides which split the scene may be in."""
        return crc32(self.graph.encode()) % 100

    def with_kind(self, place: int, kind: str) -> Scene:
        """The same scene with another kind in one group."""
        groups = list(self.groups)
        old = groups[place]
        groups[place] = Group(kind, old.colour, old.rgb, old.boxes)
        return Scene(self.ground, tuple(groups))

    def picture(self) -> np.ndarray:
        """pixels_HWC, uint8, red, green and blue."""
        image = Image.new("RGB", (SIZE * FINE, SIZE * FINE), self.ground)
        draw = ImageDraw.Draw(image)
        for group in self.groups:
            for box in group.boxes:
                pen = Pen(draw, box.left * FINE, box.top * FINE, box.side * FINE, group.rgb, self.ground)
                PICTOGRAMS[group.kind](pen)
        return np.asarray(image.reduce(FINE))


def random_scene(random: Random) -> Scene:
    """One to three groups of different kinds, of one to three things each (few in all), at free places."""
    groups: list[Group] = []
    placed: list[Box] = []
    shown: set[str] = set()
    for _ in range(random.choice((1, 2, 2, 3))):
        kind = random.choice(KINDS)
        if kind in shown:
            continue
        shown.update((kind, *partners(kind)))  # two bats of different kinds would need more words
        colour = random.choice(tuple(COLOURS))
        count = random.choice((1, 1, 1, 2, MOST_COUNT)) if len(placed) <= 2 else 1
        boxes: list[Box] = []
        for _ in range(count):
            box = free_box(random, placed)
            if box is not None:
                placed.append(box)
                boxes.append(box)
        if boxes:
            groups.append(Group(kind, colour, shade(colour, random), tuple(boxes)))
    return Scene(_near(GROUND, 10, random, 150, 235), tuple(groups))


def shade(colour: str, random: Random) -> Colour:
    """How a colour comes out in a picture."""
    return _near(COLOURS[colour].rgb, 8, random, 0, 255)


def free_box(random: Random, placed: list[Box]) -> Box | None:
    """A place apart from all others; None where none is found."""
    for _ in range(TRIES):
        side = random.randint(SMALLEST, LARGEST)
        box = Box(random.randint(1, SIZE - side - 2), random.randint(1, SIZE - side - 2), side)
        if all(box.is_apart(other) for other in placed):
            return box
    return None


def _near(colour: Colour, spread: float, random: Random, least: int, most: int) -> Colour:
    red, green, blue = (int(min(max(value + random.gauss(0, spread), least), most)) for value in colour)
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "".join(f"{value:02x}" for value in colour)


def _rgb(text: str) -> Colour:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def _places(box: Box) -> str:
    return f"{box.left}.{box.top}.{box.side}"
