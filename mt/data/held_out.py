"""Valid and test sets: unchanged lines, stored as plain text with the prepared data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mt.data.formats.lines import in_one_line
from mt.data.pair import Pair
from mt.data.whole_folder import write_whole


@dataclass(frozen=True)
class HeldOut:
    """Sentences to translate, their references, and gold alignments (Pharaoh) where every pair has one.

    `trees` are the sources' trees (`mt.data.pair.Pair`) where any has one, empty lines where one has none.
    """

    name: str
    sources: list[str]
    targets: list[str]
    links: list[str] | None = None
    trees: list[str] | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def pairs(self) -> list[Pair]:
        """The same as pairs."""
        nothing = [None] * len(self)
        columns = (self.sources, self.targets, self.links or nothing, self.trees or nothing)
        rows = zip(*columns, strict=True)
        return [Pair(source, target, links, tree=tree or None) for source, target, links, tree in rows]

    @classmethod
    def read(cls, name: str, pairs: Iterable[Pair]) -> HeldOut:
        """All pairs of a corpus; a line end inside a sentence becomes a blank, because one line is one sentence.

        Raises ValueError for a pair that could not be read: nothing is dropped from a held-out set.
        """
        listed = []
        for pair in pairs:
            if pair.fault is not None:
                raise ValueError(pair.fault.message)
            listed.append(pair._replace(source=in_one_line(pair.source), target=in_one_line(pair.target)))
        if not listed:
            raise ValueError(f"data.{name}: the corpus has no pair")
        sources, targets, links, _, trees = (list(column) for column in zip(*listed, strict=True))
        known = [tree or "" for tree in trees] if any(trees) else None
        return cls(name, sources, targets, None if None in links else links, known)

    def save(self, folder: str | Path, source_language: str, target_language: str) -> list[str]:
        """Writes NAME.SOURCE, NAME.TARGET and, when known, NAME.align and NAME.tree; returns the file names."""
        columns = {source_language: self.sources, target_language: self.targets}
        if self.links is not None:
            columns["align"] = self.links
        if self.trees is not None:
            columns["tree"] = self.trees
        for ending, lines in columns.items():
            write_whole(Path(folder) / f"{self.name}.{ending}", "".join(line + "\n" for line in lines))
        return [f"{self.name}.{ending}" for ending in columns]

    @classmethod
    def load(cls, folder: str | Path, name: str, source_language: str, target_language: str) -> HeldOut:
        """Reads what `save` wrote."""
        folder = Path(folder)
        known = (folder / f"{name}.{ending}" for ending in ("align", "tree"))
        return cls(
            name,
            _saved_lines(folder / f"{name}.{source_language}"),
            _saved_lines(folder / f"{name}.{target_language}"),
            *(_saved_lines(path) if path.is_file() else None for path in known),
        )


def _saved_lines(path: Path) -> list[str]:
    # our own file: every character counts, so neither a byte order mark nor a "\r" is removed
    return path.read_bytes().decode("utf-8").split("\n")[:-1]
