"""Cleaned pairs on disk: two plain text files that people can read, with an index so that line n costs one seek.

Files: source.text, target.text, links.text where gold alignments are known, and tree.text where trees are, a line
per pair; for each an .index of int64 byte offsets, one per line and one for the end; and sources.json, with the lines
of each source of the corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import numpy as np

from mt.data.block import BLOCK_CHARACTERS, BLOCK_PAIRS, COLUMNS, OPTIONAL, Block, in_blocks, line_ends
from mt.data.images.store import PICTURES, SOUNDS, Kind, PictureStore, PictureWriter, digest_of
from mt.data.mapped import RunWriter, map_array
from mt.data.pair import Pair


class TextStore:
    """Pairs of sentences on disk, read only as needed."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        sources = json.loads((self.folder / "sources.json").read_text(encoding="utf-8"))
        self.sources = {name: range(*lines) for name, lines in sources.items()}
        self._columns = [column for column in COLUMNS if (self.folder / f"{column}.text").is_file()]
        self._index = {column: map_array(self.folder / f"{column}.index", np.int64) for column in self._columns}

    def __len__(self) -> int:
        return len(self._index["source"]) - 1

    def pair(self, number: int) -> Pair:
        """The pair at this line, counted from 0."""
        known = {name: self._line(name, number) or None for name in OPTIONAL if name in self._columns}
        picture, wave = known.get("picture"), known.get("wave")
        return Pair(
            self._line("source", number),
            self._line("target", number),
            known.get("links"),
            tree=known.get("tree"),
            image=known.get("image"),
            boxes=known.get("boxes"),
            picture=None if picture is None else self._pictures[int(picture)],
            sound=known.get("sound"),
            wave=None if wave is None else self._sounds[int(wave)],
            group=known.get("group"),
        )

    def together(self) -> np.ndarray | None:
        """Equal numbers for lines that share a batch, those of a group or of a picture; -1 for a line by itself.

        None where no line has a group or a picture.
        """
        columns = [name for name in ("group", "picture") if name in self._columns]
        if not columns:
            return None
        found = np.full(len(self), -1, dtype=np.int64)
        if "picture" in columns:
            found[:] = np.fromiter((int(line) if line else -1 for line in self.lines("picture")), np.int64, len(self))
        if "group" in columns:
            first, numbers = int(found.max(initial=-1)) + 1, dict[str, int]()
            for place, line in enumerate(self.lines("group")):
                if line:
                    found[place] = first + numbers.setdefault(line, len(numbers))
        return found

    def lines(self, column: str) -> Iterator[str]:
        """Streams one column: "source" or "target"."""
        with open(self.folder / f"{column}.text", encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")

    def blocks(self, lines: range) -> Iterator[Block]:
        """Streams some lines in blocks; files are read, not mapped, so that memory does not grow."""
        with ExitStack() as stack:
            files = {name: stack.enter_context(open(self.folder / f"{name}.text", "rb")) for name in self._columns}
            start = lines.start
            while start < lines.stop:
                end = min(start + BLOCK_PAIRS, lines.stop, self._end_of_characters(start))
                texts = {}
                for column, file in files.items():
                    first, last = self._index[column][[start, end]].tolist()
                    file.seek(first)
                    texts[column] = file.read(last - first)
                yield Block(end - start, **texts)
                start = end

    def num_bytes(self, lines: range, columns: Sequence[str] = COLUMNS) -> int:
        """Bytes of text of some lines, in some of the columns."""
        chosen = (index for column, index in self._index.items() if column in columns)
        return sum(int(index[lines.stop] - index[lines.start]) for index in chosen)

    def _end_of_characters(self, start: int) -> int:
        """The line at which a block of this many bytes must end, at least one after `start`."""
        ends = (int(np.searchsorted(index, index[start] + BLOCK_CHARACTERS)) for index in self._index.values())
        return max(start + 1, min(ends))

    @cached_property
    def _pictures(self) -> PictureStore:
        return PictureStore(self.folder / PICTURES.folder)

    @cached_property
    def _sounds(self) -> PictureStore:
        return PictureStore(self.folder / SOUNDS.folder, SOUNDS)

    @cached_property
    def _text(self) -> dict[str, np.ndarray]:
        return {column: map_array(self.folder / f"{column}.text", np.uint8) for column in self._columns}

    def _line(self, column: str, number: int) -> str:
        start, end = self._index[column][number : number + 2]
        return self._text[column][start : end - 1].tobytes().decode("utf-8")


class TextWriter:
    """Writes a text store from its first pair to its last, source by source."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._open_files = ExitStack()
        self._writers: dict[str, RunWriter] = {}
        self._sources: dict[str, list[int]] = {}
        self._num_pairs = 0
        self._stores: dict[Kind, PictureWriter] = {}

    def begin(self, source: str) -> None:
        """Sets the source of the pairs written from now on."""
        self._sources[source] = [self._num_pairs, self._num_pairs]

    def write(self, block: Block) -> None:
        """Appends the pairs of a block."""
        self._write("source", block.source)
        self._write("target", block.target)
        for name in OPTIONAL:
            known = getattr(block, name)
            if known is not None or name in self._writers:
                if name not in self._writers:  # earlier pairs have none
                    self._write(name, b"\n" * self._num_pairs)
                self._write(name, known or b"\n" * len(block))
        self._num_pairs += len(block)
        next(reversed(self._sources.values()))[1] = self._num_pairs

    def with_stored(
        self, block: Block, column: str, kind: Kind, given: Sequence[tuple[bytes, np.ndarray] | None]
    ) -> Block:
        """The block with the numbers of its pictures or sounds, each given by digest and value, which are stored."""
        numbers = []
        for one in given:
            if one is not None and kind not in self._stores:
                self._stores[kind] = PictureWriter(self._folder / kind.folder, one[1].shape[0], kind)
            numbers.append("" if one is None else str(self._stores[kind].number(*one)))
        return block.with_column(column, numbers)

    def __enter__(self) -> TextWriter:
        for column in ("source", "target"):
            self._write(column, b"")
        return self

    def __exit__(self, *_: object) -> None:
        self._open_files.close()
        for store in self._stores.values():
            store.close()
        (self._folder / "sources.json").write_text(json.dumps(self._sources) + "\n", encoding="utf-8")

    def _write(self, column: str, text: bytes) -> None:
        if column not in self._writers:
            files = RunWriter(self._folder / f"{column}.text", self._folder / f"{column}.index")
            self._writers[column] = self._open_files.enter_context(files)
        self._writers[column].write(text, line_ends(text))


def write_text_store(folder: str | Path, pairs: Iterable[Pair], source: str = "train") -> None:
    """Streams pairs into `folder`, as those of one source."""
    with TextWriter(folder) as writer:
        writer.begin(source)
        for some in in_blocks(pairs):
            block = Block.of_pairs(some)
            for column, kind in (("picture", PICTURES), ("wave", SOUNDS)):
                values = [getattr(pair, column) for pair in some]
                if any(value is not None for value in values):
                    given = [None if value is None else (digest_of(value), value) for value in values]
                    block = writer.with_stored(block, column, kind, given)
            writer.write(block)
