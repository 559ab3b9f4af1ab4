"""Tab-separated files: one pair a line, its two sentences in two of the columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mt.data.fingerprint import file_stamp, fingerprint_of
from mt.data.lines import find_file, read_lines
from mt.data.pair import Pair


@dataclass(frozen=True, kw_only=True)
class Tsv:
    """Pairs from a tab-separated file, plain or .gz; quotes mean nothing, every tab separates.

    A column is its position from 0, or its name in the first line; when a name is used, or `header` is true, the first
    line is no pair. Raises ValueError naming file and line when a line lacks a column.
    """

    path: str
    source_column: int | str = 0
    target_column: int | str = 1
    header: bool = False

    def __post_init__(self) -> None:
        for name in ("source_column", "target_column"):
            column = getattr(self, name)
            if isinstance(column, int) and column < 0:
                raise ValueError(f"{name} ({column}) must be 0 or more")
        if self.source_column == self.target_column:
            raise ValueError(f"source_column and target_column must differ, both are {self.source_column!r}")

    def __iter__(self) -> Iterator[Pair]:
        path = find_file(self.path)
        lines = enumerate(read_lines(path), start=1)
        columns = {"source_column": self.source_column, "target_column": self.target_column}
        if self.header or any(isinstance(column, str) for column in columns.values()):
            _, first = next(lines, (1, ""))
            columns = {name: _position(column, name, first.split("\t"), path) for name, column in columns.items()}
        source, target = columns.values()
        needed = max(source, target)
        for number, line in lines:
            cells = line.split("\t")
            if len(cells) <= needed:
                name = next(name for name, column in columns.items() if column == needed)
                found = f"{len(cells)} tab-separated column{'s' if len(cells) > 1 else ''}"
                raise ValueError(f"{path} line {number}: {name} ({needed}, counted from 0) is missing in {found}")
            yield Pair(cells[source], cells[target])

    def fingerprint(self) -> str:
        """Changes with the path, size and time of the file and with the settings."""
        return fingerprint_of(
            "Tsv", file_stamp(find_file(self.path)), self.source_column, self.target_column, self.header
        )


def _position(column: int | str, name: str, header: list[str], path: object) -> int:
    if isinstance(column, int):
        return column
    if column not in header:
        raise ValueError(f"{path}: {name} ({column}) must be one of its columns: {', '.join(header)}")
    return header.index(column)
