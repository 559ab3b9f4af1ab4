"""How pictures are made ready for a model; part of its checkpoint. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

FITS = ("pad", "crop", "stretch")
LARGEST_SIDE = 4096  # pixels of a prepared picture


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """The size of prepared pictures, and how others are brought to it. Raises ValueError for wrong values.

    size    pixels of each side
    fit     pad: the whole picture, with borders | crop: the middle square | stretch: without its proportions
    folder  of the files that a corpus names; None: names are paths as they are. No name may lead out of it
    """

    size: int = 64
    fit: str = "pad"
    folder: str | None = None

    def __post_init__(self) -> None:
        if not 8 <= self.size <= LARGEST_SIDE:
            raise ValueError(f"images.size ({self.size}) must be from 8 to {LARGEST_SIDE}")
        if self.fit not in FITS:
            raise ValueError(f"images.fit ({self.fit}) must be one of {', '.join(FITS)}")
