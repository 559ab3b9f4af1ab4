"""Parallel text files: line n of the source file and line n of the target file are one pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat, zip_longest
from pathlib import Path
from typing import Any

from mt.data.block import READ
from mt.data.fingerprint import fingerprint_of
from mt.data.formats.lines import FaultyLine, Line, find_file, scan_lines
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair

CHUNK = 32  # lines at a time; a line may have megabytes
COLUMNS = ("source", "target", *READ)
NONE = [repeat(None)] * (len(Pair._fields) - 2)  # what a pair of two lines has besides them
_NEW = partial(tuple.__new__, Pair)  # of a whole tuple: three times as fast as `Pair`


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """Pairs from parallel files, plain or compressed; each of `source` and `target` is one path or a list read in turn.

    `links`, when given, are files of gold alignments in Pharaoh format, a line a pair; `tree` files of the sources'
    trees (`mt.data.pair.Pair`), an empty line for a source without. `image` are files with the name of a picture a
    line, `boxes` those of the target words in it, `sound` those with the name of a sound, `group` those with a name
    that pairs share which belong into one batch. A line that is not UTF-8 is a fault; so is the damaged rest of a
    compressed file, where reading of the parallel files also ends. Raises ValueError when the line counts differ,
    naming them.
    """

    source: Paths
    target: Paths
    links: Paths | None = None
    tree: Paths | None = None
    image: Paths | None = None
    boxes: Paths | None = None
    sound: Paths | None = None
    group: Paths | None = None

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
        names = ("image", "boxes", "sound", "group")
        more = {name: file_stamps(path_list(of)) for name in names if (of := getattr(self, name))}
        return fingerprint_of("TextFiles", len(sources), file_stamps(paths), *trees, *([more] if more else []))


def _pair(columns: list[str], texts: Sequence[str], fault: Fault | None = None) -> Pair:
    source, target, *others = texts
    if not others:
        return Pair(source, target, None, fault)
    named: dict[str, Any] = dict(zip(columns[2:], others, strict=True))
    return Pair(source, target, fault=fault, **named)


def _read_together(columns: list[str], paths: list[Path]) -> Iterator[Pair]:
    readers = [scan_lines(path) for path in paths]
    number = 0
    while any(chunks := [list(islice(reader, CHUNK)) for reader in readers]):
        if _are_sentences(chunks):  # nearly always; whole lists are several times as fast as lines
            rows = zip(*chunks, strict=True)
            yield from (
                map(_NEW, zip(*chunks, *NONE, strict=False)) if len(chunks) == 2 else map(_pair, repeat(columns), rows)
            )
            number += len(chunks[0])
            continue
        for place, lines in enumerate(zip_longest(*chunks)):
            texts = [line for line in lines if isinstance(line, str)]
            if len(texts) == len(lines):
                yield _pair(columns, texts)
                continue
            faulty = [line for line in lines if isinstance(line, FaultyLine)]
            faulty.sort(key=lambda line: not line.ends_file)  # the end of a file is the most important fault
            is_last = any(line.ends_file for line in faulty)
            if None in lines and not is_last:
                rests = [chain(chunk[place:], reader) for chunk, reader in zip(chunks, readers, strict=True)]
                counts = [_count(number + place, rest) for rest in rests]
                named = ", ".join(f"{path} has {count}" for path, count in zip(paths, counts, strict=True))
                raise ValueError(f"line counts must be equal: {named} lines")
            texts = [line.text if isinstance(line, FaultyLine) else line or "" for line in lines]
            yield _pair(columns, texts, faulty[0].fault)
            if is_last:
                return
        number += max(map(len, chunks))


def _are_sentences(chunks: list[list[Line]]) -> bool:
    """Whether lists of lines are equally long and free of faults."""
    return len(set(map(len, chunks))) == 1 and {type(line) for chunk in chunks for line in chunk} == {str}


def _count(before: int, rest: Iterable[Line]) -> str:
    """The lines of a file: those before, and the rest."""
    count = before
    for line in rest:
        if isinstance(line, FaultyLine) and line.ends_file:
            return f"at least {count}"
        count += 1
    return str(count)
