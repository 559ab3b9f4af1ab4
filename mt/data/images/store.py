"""Prepared pictures on disk, memory-mapped: pixels.u8 (uint8, N x size x size x 3) and digests.u8 (16 bytes each).

Equal pictures are stored once, whatever their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np

from mt.data.images.picture import Picture
from mt.data.mapped import map_array

FOLDER = "pictures"  # within a text store, or beside a held-out set


def digest_of(pixels: Picture) -> bytes:
    """16 bytes that are equal for equal pictures only."""
    return blake2b(pixels.tobytes(), digest_size=16).digest()


class PictureStore:
    """Random access to prepared pictures by number."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.size: int = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))["size"]
        self._pixels_NHWC = map_array(folder / "pixels.u8", np.uint8).reshape(-1, self.size, self.size, 3)
        self.digests = map_array(folder / "digests.u8", np.uint8).reshape(-1, 16)

    def __len__(self) -> int:
        return len(self._pixels_NHWC)

    def __getitem__(self, number: int) -> Picture:
        """pixels_HWC of one picture, not copied."""
        return self._pixels_NHWC[number]


class DecodedPicture(Protocol):
    """A picture as `mt.data.images.decode` gives it."""

    @property
    def pixels(self) -> Picture: ...
    @property
    def digest(self) -> bytes: ...
    def boxes(self, line: str) -> str: ...


class Pictures:
    """The pictures of a held-out set, a line each; None for a line without."""

    def __init__(self, numbers: Sequence[int] = (), store: PictureStore | None = None) -> None:
        self._numbers = list(numbers)
        self._store: PictureStore | list[Picture] = [] if store is None else store
        self._known: dict[bytes, int] = {}

    def add(self, decoded: DecodedPicture | None) -> None:
        """Appends the picture of the next line."""
        if decoded is None:
            self._numbers.append(-1)
            return
        assert isinstance(self._store, list)
        if decoded.digest not in self._known:
            self._known[decoded.digest] = len(self._store)
            self._store.append(decoded.pixels)
        self._numbers.append(self._known[decoded.digest])

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, line: int) -> Picture | None:
        number = self._numbers[line]
        return None if number < 0 else self._store[number]

    def __iter__(self) -> Iterator[Picture | None]:
        return (self[line] for line in range(len(self)))

    @property
    def digests(self) -> set[bytes]:
        """Of all pictures."""
        return {digest_of(self._store[number]) for number in range(len(self._store))}

    def save(self, folder: Path) -> None:
        """Writes a picture store, and lines.i64 with the number of each line."""
        size = self._store[0].shape[0] if len(self._store) else 1
        writer = PictureWriter(folder, size)
        for number in range(len(self._store)):
            writer.number(digest_of(self._store[number]), self._store[number])
        writer.close()
        np.asarray(self._numbers, dtype=np.int64).tofile(folder / "lines.i64")

    @classmethod
    def load(cls, folder: Path) -> Pictures:
        """Reads what `save` wrote."""
        return cls(map_array(folder / "lines.i64", np.int64).tolist(), PictureStore(folder))


class PictureWriter:
    """Writes a picture store; equal pictures get the same number."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size = folder, size
        folder.mkdir(parents=True, exist_ok=True)
        self._pixels, self._digests = open(folder / "pixels.u8", "wb"), open(folder / "digests.u8", "wb")  # noqa: SIM115
        self._numbers: dict[bytes, int] = {}

    def number(self, digest: bytes, pixels: Picture) -> int:
        """The number of a picture, which is written if it is new."""
        known = self._numbers.get(digest)
        if known is None:
            known = self._numbers[digest] = len(self._numbers)
            self._pixels.write(pixels.tobytes())
            self._digests.write(digest)
        return known

    def close(self) -> None:
        """Completes the store."""
        self._pixels.close()
        self._digests.close()
        description = {"size": self._size, "num_pictures": len(self._numbers)}
        (self._folder / "pictures.json").write_text(json.dumps(description) + "\n", encoding="utf-8")
