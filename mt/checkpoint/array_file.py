"""Weights of a safetensors file as arrays. Never imports torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from mt.checkpoint.small_file import check_file

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
    """All of the file, if all of it is float32; else None, as for a file that cannot be read.

    Raises ValueError as `check_header` does.
    """
    check_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            if any(file.get_slice(name).get_dtype() != "F32" for name in names):
                return None
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, RuntimeError):
        return None
