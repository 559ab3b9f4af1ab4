"""The files of a corpus: one path or a list of them, read in turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mt.data.fingerprint import file_stamp
from mt.data.formats.compressed import find_file

Paths = str | Path | Sequence[str | Path]


def path_list(paths: Paths, name: str = "path") -> tuple[str, ...]:
    """The paths as a tuple; raises ValueError naming the setting when there are none."""
    listed = [paths] if isinstance(paths, str | Path) else paths
    if not isinstance(listed, Sequence) or not all(isinstance(path, str | Path) for path in listed):
        raise ValueError(f"{name} ({paths}) must be a path or a list of paths")
    if not listed:
        raise ValueError(f"{name} must name at least one file, got an empty list")
    return tuple(str(path) for path in listed)


def file_stamps(paths: Iterable[str | Path]) -> list[list[str | int]]:
    """What changes when one of the files does; a compressed form is found by its plain name."""
    return [file_stamp(find_file(path)) for path in paths]
