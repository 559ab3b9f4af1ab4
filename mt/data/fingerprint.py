"""Fingerprints of content: equal if settings and files are the same, different if any of them changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


def fingerprint_of(*values: Any) -> str:
    """16 hexadecimal digits of plain values (numbers, texts, lists, dicts, settings dataclasses)."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_stamp(path: str | Path) -> list[str | int]:
    """Path, size in bytes and time of the last change in nanoseconds, so that no content has to be read.

    Raises FileNotFoundError with one line when there is no such file.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"file not found: {path}") from None
    return [str(path), status.st_size, status.st_mtime_ns]


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"cannot take a fingerprint of {type(value).__name__}")
