"""Blocks of pairs in columns: the form in which they pass between processes and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mt.data.pair import Pair

READ = ("links", "tree", "image", "boxes", "sound", "group")  # that a corpus may have beside its sentences
OPTIONAL = (*READ, "picture", "wave")  # the last two: numbers in the stores of pictures and sounds beside the text
COLUMNS = ("source", "target", *OPTIONAL)
BLOCK_PAIRS = 16384  # large enough that the overhead per block is small, and small in memory
BLOCK_CHARACTERS = 1 << 23  # also ends a block, since sentences can be long
PICTURE_CHARACTERS = 4096  # that a picture counts for: a block of them fits in memory, too


@dataclass(frozen=True)
class Block:
    """Columns of as many lines as there are pairs, each line in UTF-8 and ended by "\\n".

    An optional column is None where no pair has any of it; an empty line means a pair without. A line end inside a
    sentence becomes a blank.
    """

    num_pairs: int
    source: bytes
    target: bytes
    links: bytes | None = None
    tree: bytes | None = None
    image: bytes | None = None
    boxes: bytes | None = None
    sound: bytes | None = None
    group: bytes | None = None
    picture: bytes | None = None
    wave: bytes | None = None

    def __len__(self) -> int:
        return self.num_pairs

    @classmethod
    def of(cls, sources: Sequence[str], targets: Sequence[str], **optional: Sequence[str] | None) -> Block:
        """The block of pairs, from their columns."""
        known = {name: None if lines is None else joined(lines) for name, lines in optional.items()}
        return cls(len(sources), joined(sources), joined(targets), **known)

    @classmethod
    def of_pairs(cls, pairs: Sequence[Pair]) -> Block:
        """The block of these pairs."""
        columns = {name: [getattr(pair, name) or "" for pair in pairs] for name in READ}
        known = {name: lines if any(lines) else None for name, lines in columns.items()}
        return cls.of([pair.source for pair in pairs], [pair.target for pair in pairs], **known)

    def lines(self, column: str) -> list[str]:
        """The lines of a column; of an optional one that is not known, empty."""
        text = getattr(self, column)
        return [""] * self.num_pairs if text is None else text.decode("utf-8").split("\n")[:-1]

    def pairs(self) -> Iterator[Pair]:
        """The pairs one by one, without their pictures."""
        for source, target, *optional in zip(*map(self.lines, ("source", "target", *READ)), strict=True):
            yield Pair(source, target, **{name: value or None for name, value in zip(READ, optional, strict=True)})

    def with_column(self, name: str, lines: Sequence[str]) -> Block:
        """The same pairs with another column."""
        columns = {column: getattr(self, column) for column in COLUMNS}
        return Block(len(self), **{**columns, name: joined(lines)})

    def raw_lines(self, column: str) -> list[bytes]:
        """The lines of a column as stored, without their ends."""
        text = getattr(self, column)
        return [b""] * self.num_pairs if text is None else text.split(b"\n")[:-1]

    def only(self, is_kept: np.ndarray) -> Block:
        """The pairs for which the boolean array `is_kept` is true."""
        num_kept = int(np.count_nonzero(is_kept))
        if num_kept == self.num_pairs:
            return self
        # runs of lines, since most are kept
        edges = np.flatnonzero(np.diff(is_kept, prepend=False, append=False))
        columns = {column: getattr(self, column) for column in COLUMNS if getattr(self, column) is not None}
        return Block(num_kept, **{column: _runs(text, edges) for column, text in columns.items()})


def joined(lines: Sequence[str]) -> bytes:
    """Lines as UTF-8, each ended by "\\n"."""
    text = "\n".join(lines)
    if text.count("\n") >= len(lines) > 0:
        text = "\n".join(line.replace("\n", " ") for line in lines)
    return f"{text}\n".encode() if lines else b""


def ended(lines: Iterable[bytes]) -> bytes:
    """Lines, each followed by a line end."""
    return b"".join([line + b"\n" for line in lines])


def _runs(text: bytes, edges: np.ndarray) -> bytes:
    """The lines of a column from the first to before the second edge, from the third to before the fourth …"""
    offsets = np.concatenate(([0], line_ends(text)))[edges].tolist()
    return b"".join([text[start:end] for start, end in zip(offsets[::2], offsets[1::2], strict=True)])


def line_ends(text: bytes) -> np.ndarray:
    """The byte after each line of a column."""
    return np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1


def in_blocks(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """Pairs in lists that fit a block."""
    pairs = iter(pairs)
    while True:
        block, characters = [], 0
        for pair in islice(pairs, BLOCK_PAIRS):
            block.append(pair)
            characters += (
                len(pair.source) + len(pair.target) + PICTURE_CHARACTERS * (bool(pair.image) + bool(pair.sound))
            )
            if characters > BLOCK_CHARACTERS:
                break
        if not block:
            return
        yield block
