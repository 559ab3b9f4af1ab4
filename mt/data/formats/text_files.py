"""Parallel text files: line n of the source file and line n of the target file are one pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from mt.data.block import READ
from mt.data.fingerprint import fingerprint_of
from mt.data.formats.lines import FaultyLine, find_file, scan_lines
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair

COLUMNS = ("source", "target", *READ)


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """Pairs from parallel files, plain or compressed; each of `source` and `target` is one path or a list read in turn.

    `links`, when given, are files of gold alignments in Pharaoh format, a line a pair; `tree` files of the sources'
    trees (`mt.data.pair.Pair`), an empty line for a source without. `image` are files with the name of a picture a
    line, `boxes` those of the target words in it. A line that is not UTF-8 is a fault; so is the
    damaged rest of a compressed file, where reading of the parallel files also ends. Raises ValueError when the line
    counts differ, naming them.
    """

    source: Paths
    target: Paths
    links: Paths | None = None
    tree: Paths | None = None
    image: Paths | None = None
    boxes: Paths | None = None

    def __post_init__(self) -> None:
        for name in COLUMNS:
            paths = getattr(self, name)
            if paths is None and name in READ:
                continue
            paths = path_list(paths, name)
            object.__setattr__(self, name, paths)
            num_sources = len(path_list(self.source))
            if len(paths) != num_sources:
                raise ValueError(f"{name} ({len(paths)} files) must be as many files as source ({num_sources})")

    def __iter__(self) -> Iterator[Pair]:
        columns = [name for name in COLUMNS if getattr(self, name) is not None]
        for paths in zip(*(getattr(self, name) for name in columns), strict=True):
            yield from _read_together(columns, [find_file(path) for path in paths])

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files."""
        sources = path_list(self.source)
        paths = [*sources, *path_list(self.target), *(path_list(self.links) if self.links else ())]
        # without trees and pictures, the same fingerprint as in older versions
        trees = [file_stamps(path_list(self.tree))] if self.tree else []
        more = {name: file_stamps(path_list(of)) for name in ("image", "boxes") if (of := getattr(self, name))}
        return fingerprint_of("TextFiles", len(sources), file_stamps(paths), *trees, *([more] if more else []))


def _pair(columns: list[str], texts: Sequence[str], fault: Fault | None = None) -> Pair:
    source, target, *others = texts
    if not others:
        return Pair(source, target, None, fault)
    named = dict(zip(columns[2:], others, strict=True))
    return Pair(
        source, target, named.get("links"), fault, named.get("tree"), image=named.get("image"), boxes=named.get("boxes")
    )


def _read_together(columns: list[str], paths: list[Path]) -> Iterator[Pair]:
    readers = [scan_lines(path) for path in paths]
    for number, lines in enumerate(zip_longest(*readers)):
        texts = [line for line in lines if isinstance(line, str)]
        if len(texts) == len(lines):
            yield _pair(columns, texts)
            continue
        faulty = [line for line in lines if isinstance(line, FaultyLine)]
        faulty.sort(key=lambda line: not line.ends_file)  # the end of a file is the most important fault
        is_last = any(line.ends_file for line in faulty)
        if None in lines and not is_last:
            counts = [_count(number, line, reader) for line, reader in zip(lines, readers, strict=True)]
            named = ", ".join(f"{path} has {count}" for path, count in zip(paths, counts, strict=True))
            raise ValueError(f"line counts must be equal: {named} lines")
        texts = [line.text if isinstance(line, FaultyLine) else line or "" for line in lines]
        yield _pair(columns, texts, faulty[0].fault)
        if is_last:
            return


def _count(before: int, line: str | FaultyLine | None, reader: Iterator[str | FaultyLine]) -> str:
    count = before
    for read in () if line is None else chain([line], reader):
        if isinstance(read, FaultyLine) and read.ends_file:
            return f"at least {count}"
        count += 1
    return str(count)
