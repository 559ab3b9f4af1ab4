"""Tab-separated files: one pair a line, its two sentences in two of the columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mt.data.fingerprint import fingerprint_of
from mt.data.formats.lines import FaultyLine, find_file, scan_lines
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair
from mt.listing import listed


@dataclass(frozen=True, kw_only=True)
class Tsv:
    """Pairs from tab-separated files, plain or compressed; quotes have no meaning, every tab separates.

    `path` is one path or a list read in turn. A column is its position from 0, or its name in the first line; when a
    name is used, or `header` is true, the first line of each file is not a pair. A line that lacks a column or is not
    UTF-8 is a fault.
    """

    path: Paths
    source_column: int | str = 0
    target_column: int | str = 1
    header: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))
        for name in ("source_column", "target_column"):
            column = getattr(self, name)
            if isinstance(column, int) and column < 0:
                raise ValueError(f"{name} ({column}) must be 0 or more")
        if self.source_column == self.target_column:
            raise ValueError(f"source_column and target_column must differ, both are {self.source_column!r}")

    def __iter__(self) -> Iterator[Pair]:
        for path in path_list(self.path):
            yield from self._read(find_file(path))

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of(
            "Tsv", file_stamps(path_list(self.path)), self.source_column, self.target_column, self.header
        )

    def _read(self, path: Path) -> Iterator[Pair]:
        lines = enumerate(scan_lines(path), start=1)
        names: list[str] = []
        if self.header or isinstance(self.source_column, str) or isinstance(self.target_column, str):
            _, first = next(lines, (1, ""))
            if isinstance(first, FaultyLine):
                raise ValueError(first.fault.message)
            names = first.split("\t")
        source = _position(self.source_column, "source_column", names, path)
        target = _position(self.target_column, "target_column", names, path)
        needed = max(source, target)
        for number, line in lines:
            fault = None
            if isinstance(line, FaultyLine):
                line, fault = line
            cells = line.split("\t")
            if len(cells) > needed:
                yield Pair(cells[source], cells[target], fault=fault)
                continue
            if fault is None:
                name = "source_column" if source == needed else "target_column"
                found = f"{len(cells)} tab-separated column{'s' if len(cells) > 1 else ''}"
                message = f"{path} line {number}: {name} ({needed}, counted from 0) is missing in {found}"
                fault = Fault("missing column", message)
            readable = [cells[column] if column < len(cells) else "" for column in (source, target)]
            yield Pair(readable[0], readable[1], fault=fault)


def _position(column: int | str, name: str, header: list[str], path: Path) -> int:
    if isinstance(column, int):
        return column
    if column not in header:
        raise ValueError(f"{path}: {name} ({column}) must be one of its columns: {listed(header)}")
    return header.index(column)
