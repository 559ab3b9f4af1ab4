"""Prepared pictures, or sounds, on disk, memory-mapped: their numbers (pixels.u8: N x size x size x 3; samples.i16: N x
length) and digests.u8 (16 bytes each).

Equal ones are stored once, whatever their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from mt.data.mapped import map_array


class Kind(NamedTuple):
    """What is stored: its folder in a text store or beside a held-out set, its file, and the type of its numbers."""

    folder: str
    file: str
    dtype: type[np.generic]

    def shape(self, size: int) -> tuple[int, ...]:
        """Of one of them; `size` is the side of a picture in pixels, or the length of a sound in samples."""
        return (size, size, 3) if self == PICTURES else (size,)


PICTURES = Kind("pictures", "pixels.u8", np.uint8)
SOUNDS = Kind("sounds", "samples.i16", np.int16)


def digest_of(values: np.ndarray) -> bytes:
    """16 bytes that are equal for equal pictures, or sounds, only."""
    return blake2b(values.tobytes(), digest_size=16).digest()


class PictureStore:
    """Random access to prepared pictures, or sounds, by number."""

    def __init__(self, folder: str | Path, kind: Kind = PICTURES) -> None:
        folder = Path(folder)
        self.size: int = json.loads((folder / f"{kind.folder}.json").read_text(encoding="utf-8"))["size"]
        self._values_N = map_array(folder / kind.file, kind.dtype).reshape(-1, *kind.shape(self.size))
        self.digests = map_array(folder / "digests.u8", np.uint8).reshape(-1, 16)

    def __len__(self) -> int:
        return len(self._values_N)

    def __getitem__(self, number: int) -> np.ndarray:
        """pixels_HWC of one picture, or samples_L of one sound, not copied."""
        return self._values_N[number]


class Stored(Protocol):
    """A picture as `mt.data.images.decode` gives it, or a sound as `mt.data.sounds.decode` does."""

    @property
    def values(self) -> np.ndarray: ...
    @property
    def digest(self) -> bytes: ...


class DecodedPicture(Stored, Protocol):
    """A picture, which also brings boxes to its own pixels."""

    def boxes(self, line: str) -> str: ...


class Pictures:
    """The pictures, or sounds, of a held-out set, a line each; None for a line without."""

    def __init__(self, numbers: Sequence[int] = (), store: PictureStore | None = None, kind: Kind = PICTURES) -> None:
        self.kind = kind
        self._numbers = list(numbers)
        self._store: PictureStore | list[np.ndarray] = [] if store is None else store
        self._known: dict[bytes, int] = {}

    def add(self, decoded: Stored | None) -> None:
        """Appends that of the next line."""
        if decoded is None:
            self._numbers.append(-1)
            return
        assert isinstance(self._store, list)
        if decoded.digest not in self._known:
            self._known[decoded.digest] = len(self._store)
            self._store.append(decoded.values)
        self._numbers.append(self._known[decoded.digest])

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, line: int) -> np.ndarray | None:
        number = self._numbers[line]
        return None if number < 0 else self._store[number]

    def __iter__(self) -> Iterator[np.ndarray | None]:
        return (self[line] for line in range(len(self)))

    @property
    def digests(self) -> set[bytes]:
        """Of all pictures."""
        return {digest_of(self._store[number]) for number in range(len(self._store))}

    def save(self, folder: Path) -> None:
        """Writes a picture store, and lines.i64 with the number of each line."""
        size = self._store[0].shape[0] if len(self._store) else 1
        writer = PictureWriter(folder, size, self.kind)
        for number in range(len(self._store)):
            writer.number(digest_of(self._store[number]), self._store[number])
        writer.close()
        np.asarray(self._numbers, dtype=np.int64).tofile(folder / "lines.i64")

    @classmethod
    def load(cls, folder: Path, kind: Kind = PICTURES) -> Pictures:
        """Reads what `save` wrote."""
        return cls(map_array(folder / "lines.i64", np.int64).tolist(), PictureStore(folder, kind), kind)


class PictureWriter:
    """Writes a store of pictures, or sounds; equal ones get the same number."""

    def __init__(self, folder: Path, size: int, kind: Kind = PICTURES) -> None:
        self._folder, self._size, self._kind = folder, size, kind
        folder.mkdir(parents=True, exist_ok=True)
        self._values, self._digests = open(folder / kind.file, "wb"), open(folder / "digests.u8", "wb")  # noqa: SIM115
        self._numbers: dict[bytes, int] = {}

    def number(self, digest: bytes, values: np.ndarray) -> int:
        """The number of a picture or sound, which is written if it is new."""
        known = self._numbers.get(digest)
        if known is None:
            known = self._numbers[digest] = len(self._numbers)
            self._values.write(values.tobytes())
            self._digests.write(digest)
        return known

    def close(self) -> None:
        """Completes the store."""
        self._values.close()
        self._digests.close()
        description = {"size": self._size, "num_pictures": len(self._numbers)}
        (self._folder / f"{self._kind.folder}.json").write_text(json.dumps(description) + "\n", encoding="utf-8")
