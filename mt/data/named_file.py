"""Files beside sentences that a corpus names: where they may lie, and why one is refused. They may be a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from mt.data.pair import Fault


class UnusableFile(ValueError):
    """Why a named file cannot be used; `fault` has the kind that a ledger counts."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.fault = Fault(reason, message)


class Decoded(Protocol):
    """What a reader makes of a name: `values` are the numbers that are stored of it."""

    @property
    def values(self) -> np.ndarray: ...


def path_of(name: str, folder: str | None, *, kind: str) -> Path:
    """Where the file of this name lies; `kind` is "picture" or "sound", `folder` the setting (None: any place).

    Raises UnusableFile for a name that is blank or leads out of the folder, also by a link.
    """
    if not name.strip():
        raise UnusableFile(f"{kind}: no name", f"a {kind} has no name")
    if "\0" in name:
        raise UnusableFile(f"{kind}: no name", f"a {kind}'s name holds a zero byte")
    if folder is None:
        return Path(name)
    root = Path(folder).resolve()
    path = (root / name).resolve()  # links are followed before the check
    if not path.is_relative_to(root):
        setting = {"picture": "images.folder", "sound": "sounds.folder"}[kind]
        message = f"{name[:80]}: a {kind} must be inside of {setting} ({folder})"
        raise UnusableFile(f"{kind}: outside of the folder", message)
    return path


def check_file(path: Path, *, kind: str, most_bytes: int) -> None:
    """Raises UnusableFile for what is not there, no plain file, or larger than `most_bytes`."""
    if not path.is_file():
        reason = "not a file" if path.exists() else "file not found"
        raise UnusableFile(f"{kind}: {reason}", f"{path}: {reason}")
    if path.stat().st_size > most_bytes:
        raise UnusableFile(f"{kind}: too large", f"{path}: a {kind} must have at most {most_bytes} bytes")


Kind = TypeVar("Kind", bound=Decoded)


def read_named(
    read: Callable[[str], Kind], names: Iterable[str], where: str, first: int = 0
) -> list[np.ndarray | None]:
    """The values of these names, None for a blank one; `first` lines of the file `where` went before them.

    Raises ValueError, naming file and line, for a file that cannot be used.
    """
    found: list[np.ndarray | None] = []
    for number, name in enumerate(names, start=first + 1):
        try:
            found.append(read(name).values if name.strip() else None)
        except UnusableFile as error:
            raise ValueError(f"{where}, line {number}: {error}") from None
    return found
