"""Parallel text files: line n of the source file and line n of the target file are one pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.data.fingerprint import file_stamp, fingerprint_of
from mt.data.lines import find_file, read_lines
from mt.data.pair import Pair

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """Pairs from parallel files, plain or .gz; each of `source` and `target` is one path or a list read in turn.

    `links`, when given, are files of gold alignments in Pharaoh format, a line a pair. A path whose file exists only
    with ".gz" added is found too. Raises ValueError when the line counts differ, naming both.
    """

    source: Paths
    target: Paths
    links: Paths | None = None

    def __post_init__(self) -> None:
        for name in ("source", "target", "links"):
            object.__setattr__(self, name, _path_list(getattr(self, name), name))
        for name in ("target", "links"):
            paths = getattr(self, name)
            if paths is not None and len(paths) != len(self.source):
                raise ValueError(f"{name} ({len(paths)} files) must be as many files as source ({len(self.source)})")

    def __iter__(self) -> Iterator[Pair]:
        for index, (source, target) in enumerate(zip(self.source, self.target, strict=True)):
            columns = [source, target] if self.links is None else [source, target, self.links[index]]
            for lines in _read_together([find_file(path) for path in columns]):
                yield Pair(*lines)

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files."""
        paths = [*self.source, *self.target, *(self.links or ())]
        return fingerprint_of("TextFiles", len(self.source), [file_stamp(find_file(path)) for path in paths])


def _path_list(paths: Paths | None, name: str) -> tuple[str, ...] | None:
    if paths is None:
        return None
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    if not listed:
        raise ValueError(f"{name} must name at least one file, got an empty list")
    return tuple(str(path) for path in listed)


def _read_together(paths: list[Path]) -> Iterator[tuple[str, ...]]:
    readers = [read_lines(path) for path in paths]
    count = 0
    while True:
        lines = [next(reader, None) for reader in readers]
        if None in lines:
            break
        count += 1
        yield tuple(lines)  # type: ignore[arg-type]
    if any(line is not None for line in lines):
        counts = [
            count + (line is not None) + sum(1 for _ in reader) for line, reader in zip(lines, readers, strict=True)
        ]
        named = ", ".join(f"{path} has {number}" for path, number in zip(paths, counts, strict=True))
        raise ValueError(f"line counts must be equal: {named} lines")
