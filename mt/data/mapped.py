"""Arrays that stay on disk until they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def map_array(path: str | Path, dtype: np.dtype | type) -> np.ndarray:
    """The one-dimensional array in a raw file, memory-mapped and read-only; an empty file gives an empty array."""
    if Path(path).stat().st_size == 0:
        return np.zeros(0, dtype=dtype)  # nothing can be mapped
    # a plain array over the mapping: slices of np.memmap itself are several times slower
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))
