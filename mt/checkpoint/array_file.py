"""Weights of a safetensors file as arrays. Never imports torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from mt.checkpoint.small_file import check_file

ROWS, SCALE = ".matrix.rows_OI", ".matrix.scale_O"
MAX_HEADER_BYTES = 2**24  # of an untrusted file; a tensor takes about a hundred


def check_header(path: Path) -> None:
    """Raises ValueError for a file that is not plain, or whose header is longer than any of ours, or than the file."""
    check_file(path)
    with open(path, "rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
    size = path.stat().st_size
    if header_bytes > min(MAX_HEADER_BYTES, max(0, size - 8)):
        raise ValueError(
            f"{path} cannot be read: a header of {header_bytes} bytes in a file of {size} (at most"
            f" {MAX_HEADER_BYTES} are read)"
        )


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """All of the file in float32, if it holds floats and rounded matrices; else None, as for one that cannot be read.

    A matrix of 8-bit integers with a scale a row (`mt.model.rounded`) becomes floats under the name that it has where
    it is not rounded. Raises ValueError as `check_header` does.
    """
    check_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            rounded = [name for name in names if name.endswith(ROWS)]
            if any(file.get_slice(name).get_dtype() != ("I8" if name in rounded else "F32") for name in names):
                return None
            arrays = {name: file.get_tensor(name) for name in names}
        for name in rounded:
            scale_O = arrays.pop(name.removesuffix(ROWS) + SCALE)
            arrays[f"{name.removesuffix(ROWS)}.weight"] = arrays.pop(name).astype(np.float32) * scale_O[:, None]
        return arrays
    except (SafetensorError, OSError, RuntimeError, KeyError):
        return None
