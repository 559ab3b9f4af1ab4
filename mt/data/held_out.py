"""Valid and test sets: unchanged lines, stored as plain text with the prepared data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.data.formats.lines import in_one_line
from mt.data.images.store import PICTURES, SOUNDS, DecodedPicture, Kind, Pictures, Stored
from mt.data.pair import Pair
from mt.data.whole_folder import whole_folder, write_whole


@dataclass(frozen=True)
class HeldOut:
    """Sentences to translate, their references, and gold alignments (Pharaoh) where every pair has one.

    `trees` are the sources' trees (`mt.data.pair.Pair`) where any has one, empty lines where one has none; `images` the
    names of pictures, `boxes` those of target words in the prepared `pictures`; `sounds` the names of sounds, `waves`
    these.
    """

    name: str
    sources: list[str]
    targets: list[str]
    links: list[str] | None = None
    trees: list[str] | None = None
    images: list[str] | None = None
    boxes: list[str] | None = None
    pictures: Pictures | None = None
    sounds: list[str] | None = None
    waves: Pictures | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def pairs(self) -> list[Pair]:
        """The same as pairs."""
        columns: dict[str, Any] = {"links": self.links, "tree": self.trees, "image": self.images, "boxes": self.boxes}
        columns |= {"sound": self.sounds, "picture": self.pictures, "wave": self.waves}
        columns = {name: lines for name, lines in columns.items() if lines is not None}
        rows = zip(self.sources, self.targets, *columns.values(), strict=True)
        pairs = []
        for source, target, *of in rows:
            # an empty line: the pair has none
            known: dict[str, Any] = dict(zip(columns, of, strict=True))
            known = {name: one for name, one in known.items() if not isinstance(one, str) or one}
            pairs.append(Pair(source, target)._replace(**known))
        return pairs

    @classmethod
    def read(
        cls,
        name: str,
        pairs: Iterable[Pair],
        decode: Callable[[str], DecodedPicture] | None = None,
        decode_sound: Callable[[str], Stored] | None = None,
    ) -> HeldOut:
        """All pairs of a corpus; a line end inside a sentence becomes a blank, because one line is one sentence.

        `decode` reads the pictures that pairs name, `decode_sound` the sounds; None: they are left out.
        Raises ValueError for a pair that could not be read: nothing is dropped from a held-out set.
        """
        listed: list[Pair] = []
        pictures, waves = Pictures(), Pictures(kind=SOUNDS)
        for pair in pairs:
            if pair.fault is not None:
                raise ValueError(pair.fault.message)
            pair = pair._replace(source=in_one_line(pair.source), target=in_one_line(pair.target))
            decoded = heard = None
            try:
                if pair.image and decode is not None:
                    decoded = decode(pair.image)
                    pair = pair._replace(boxes=decoded.boxes(pair.boxes) if pair.boxes else None)
                if pair.sound and decode_sound is not None:
                    heard = decode_sound(pair.sound)
            except ValueError as error:
                raise ValueError(f"data.{name}, line {len(listed) + 1}: {error}") from None
            pictures.add(decoded)
            waves.add(heard)
            listed.append(pair)
        if not listed:
            raise ValueError(f"data.{name}: the corpus has no pair")
        links = [pair.links for pair in listed]
        of_others = ([getattr(pair, of) or "" for pair in listed] for of in ("tree", "image", "boxes", "sound"))
        trees, images, boxes, sounds = (lines if any(lines) else None for lines in of_others)
        known = [line for line in links if line is not None]
        return cls(
            name,
            [pair.source for pair in listed],
            [pair.target for pair in listed],
            links=known if len(known) == len(links) else None,
            trees=trees,
            images=None if decode is None else images,
            boxes=None if decode is None or images is None else boxes,
            pictures=None if decode is None or images is None else pictures,
            sounds=None if decode_sound is None else sounds,
            waves=None if decode_sound is None or sounds is None else waves,
        )

    def save(self, folder: str | Path, source_language: str, target_language: str) -> list[str]:
        """Writes NAME.SOURCE, NAME.TARGET, and what else is known; returns the names of files and folders."""
        columns = {source_language: self.sources, target_language: self.targets}
        if self.links is not None:
            columns["align"] = self.links
        if self.trees is not None:
            columns["tree"] = self.trees
        others = {"image": self.images, "boxes": self.boxes, "sound": self.sounds}
        columns |= {name: lines for name, lines in others.items() if lines is not None}
        for ending, lines in columns.items():
            write_whole(Path(folder) / f"{self.name}.{ending}", "".join(line + "\n" for line in lines))
        written = [f"{self.name}.{ending}" for ending in columns]
        for stored in filter(None, (self.pictures, self.waves)):
            with whole_folder(Path(folder) / f"{self.name}.{stored.kind.folder}") as new:
                stored.save(new)
            written.append(f"{self.name}.{stored.kind.folder}")
        return written

    @classmethod
    def load(cls, folder: str | Path, name: str, source_language: str, target_language: str) -> HeldOut:
        """Reads what `save` wrote."""
        folder = Path(folder)

        def lines(ending: str) -> list[str] | None:
            path = folder / f"{name}.{ending}"
            return _saved_lines(path) if path.is_file() else None

        def stored(kind: Kind) -> Pictures | None:
            path = folder / f"{name}.{kind.folder}"
            return Pictures.load(path, kind) if path.is_dir() else None

        return cls(
            name,
            _saved_lines(folder / f"{name}.{source_language}"),
            _saved_lines(folder / f"{name}.{target_language}"),
            links=lines("align"),
            trees=lines("tree"),
            images=lines("image"),
            boxes=lines("boxes"),
            pictures=stored(PICTURES),
            sounds=lines("sound"),
            waves=stored(SOUNDS),
        )


def _saved_lines(path: Path) -> list[str]:
    # our own file: every character counts, so neither a byte order mark nor a "\r" is removed
    return path.read_bytes().decode("utf-8").split("\n")[:-1]
