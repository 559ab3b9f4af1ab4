"""Memory-mapped arrays, and a writer for growing ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def map_array(path: str | Path, dtype: np.dtype | type) -> np.ndarray:
    """The one-dimensional array in a raw file, memory-mapped and read-only; an empty file gives an empty array."""
    if Path(path).stat().st_size == 0:
        return np.zeros(0, dtype=dtype)  # an empty file cannot be mapped
    # a plain array over the mapping: slices of np.memmap itself are several times slower
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))


class RunWriter:
    """Writes variable-length items (the bytes of lines, the ids of sentences) in sequence, and an index of them.

    The index is int64: where each item starts, and where the last one ends.
    """

    def __init__(self, content: Path, index: Path) -> None:
        self._content, self._index = open(content, "wb"), open(index, "wb")  # noqa: SIM115 (closed on leaving)
        self._end = 0

    def write(self, content: bytes, ends: np.ndarray) -> None:
        """Appends items that end at `ends`, counted within `content`."""
        self._content.write(content)
        self._index.write((self._end + ends).astype(np.int64).tobytes())
        self._end += int(ends[-1]) if len(ends) else 0

    def __enter__(self) -> RunWriter:
        self.write(b"", np.zeros(1, dtype=np.int64))
        return self

    def __exit__(self, *_: object) -> None:
        self._content.close()
        self._index.close()
