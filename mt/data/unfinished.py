"""Resumes interrupted output files: their inputs, and how much of them is complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mt.data.whole_folder import UNFINISHED, remove_unfinished, whole_file, write_whole

MARK = ".made_by"  # the suffix of the file that records the fingerprint of an output file
BLOCK = 1 << 20  # bytes


class Unfinished:
    """`path`, written line by line from some input; `made_by` is a fingerprint of everything that it depends on.

    With `is_numbered` several lines may belong to one of the input, whose number precedes a tab. A complete part
    keeps its mark until it is `joined` with the others.
    """

    def __init__(self, path: Path, made_by: str, *, is_numbered: bool = False, is_part: bool = False):
        self.path, self.made_by, self.is_numbered, self.is_part = path, made_by, is_numbered, is_part

    @contextmanager
    def open(self, first: int = 0) -> Iterator[tuple[int, TextIO]]:
        """Yields the number of the last finished line of the input, at least `first`, and the file (see `whole_file`).

        Raises ValueError when another process is writing it.
        """
        num_done = first
        is_opened = False

        def keep(file: Path) -> int:
            nonlocal num_done
            num_done, num_bytes = self._kept(file, first)
            return num_bytes

        try:
            with whole_file(self.path, keep=keep) as file:
                is_opened = True
                remove_unfinished(_mark(self.path).parent, _mark(self.path).name.__eq__)
                write_whole(_mark(self.path), self.made_by)
                yield num_done, file
        finally:
            is_over = is_opened and not _unfinished(self.path).exists()  # complete, or never begun
            if is_over and not (self.is_part and self.path.exists()):
                _mark(self.path).unlink(missing_ok=True)

    def is_whole(self) -> bool:
        """Whether the file exists and has the same fingerprint."""
        return self.path.is_file() and not _unfinished(self.path).exists() and self._is_same()

    def _kept(self, file: Path, first: int) -> tuple[int, int]:
        """(last finished line of the input, bytes of the unfinished file that are complete)."""
        if not self._is_same():
            return first, 0
        if self.is_numbered:
            return _before_last_number(file, first)
        num_lines, num_bytes = _whole_lines(file)
        return first + num_lines, num_bytes

    def _is_same(self) -> bool:
        mark = _mark(self.path)
        return mark.is_file() and mark.read_text("utf-8") == self.made_by


def joined(parts: Sequence[Path], path: Path) -> None:
    """Joins complete parts, in their order, and removes them."""
    with whole_file(path) as whole:
        for part in parts:
            with open(part, encoding="utf-8", newline="\n") as lines:
                shutil.copyfileobj(lines, whole)
    for part in parts:
        remove_part(part)


def remove_part(part: Path) -> None:
    """Removes a complete part and its mark."""
    part.unlink()
    _mark(part).unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(path.name + UNFINISHED)


def _mark(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(path.name + MARK)


def _whole_lines(file: Path) -> tuple[int, int]:
    lines = kept = read = 0
    with open(file, "rb") as stream:
        while block := stream.read(BLOCK):
            lines += block.count(b"\n")
            if (end := block.rfind(b"\n")) >= 0:
                kept = read + end + 1
            read += len(block)
    return lines, kept


def _before_last_number(file: Path, first: int) -> tuple[int, int]:
    """The last number may be incomplete: its line is done again."""
    number, start, read = first + 1, 0, 0
    with open(file, "rb") as stream:
        for line in stream:
            found = line.partition(b"\t")[0]
            if line.endswith(b"\n") and int(found) != number:
                number, start = int(found), read
            read += len(line)
    return number - 1, start
