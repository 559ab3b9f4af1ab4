"""Cleaned pairs on disk: two plain text files that people can read, with an index so that line n costs one seek.

Files: source.text, target.text, and links.text where gold alignments are known, a line a pair; beside each an .index of
int64 byte offsets, one a line and one for the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mt.data.mapped import map_array
from mt.data.pair import Pair

COLUMNS = ("source", "target", "links")


class TextStore:
    """Memory-mapped pairs of sentences; only what is asked for is read."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._text = {}
        self._index = {}
        for column in COLUMNS:
            if (self.folder / f"{column}.text").is_file():
                self._text[column] = map_array(self.folder / f"{column}.text", np.uint8)
                self._index[column] = map_array(self.folder / f"{column}.index", np.int64)

    def __len__(self) -> int:
        return len(self._index["source"]) - 1

    def pair(self, number: int) -> Pair:
        """The pair at this line, counted from 0."""
        links = self._line("links", number) if "links" in self._text else ""
        return Pair(self._line("source", number), self._line("target", number), links or None)

    def lines(self, column: str) -> Iterator[str]:
        """Stream one column: "source" or "target"."""
        with open(self.folder / f"{column}.text", encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")

    def _line(self, column: str, number: int) -> str:
        start, end = self._index[column][number : number + 2]
        return self._text[column][start : end - 1].tobytes().decode("utf-8")


def write_text_store(folder: str | Path, pairs: Iterable[Pair]) -> int:
    """Stream pairs into `folder` and return how many there were. A line end inside a sentence is written as a blank."""
    folder = Path(folder)
    count, links_known = 0, False
    offsets = dict.fromkeys(COLUMNS, 0)
    pending: dict[str, list[int]] = {column: [0] for column in COLUMNS}
    with ExitStack() as stack:
        files = {column: stack.enter_context(open(folder / f"{column}.text", "wb")) for column in COLUMNS}
        indexes = {column: stack.enter_context(open(folder / f"{column}.index", "wb")) for column in COLUMNS}
        for pair in pairs:
            count += 1
            links_known = links_known or pair.links is not None
            for column, text in zip(COLUMNS, pair, strict=True):
                content = (text or "").replace("\n", " ").encode("utf-8") + b"\n"
                files[column].write(content)
                offsets[column] += len(content)
                pending[column].append(offsets[column])
            if count % 65536 == 0:
                _flush(indexes, pending)
        _flush(indexes, pending)
    if not links_known:
        (folder / "links.text").unlink()
        (folder / "links.index").unlink()
    return count


def _flush(indexes: dict, pending: dict[str, list[int]]) -> None:
    for column, offsets in pending.items():
        indexes[column].write(np.asarray(offsets, dtype=np.int64).tobytes())
        offsets.clear()
