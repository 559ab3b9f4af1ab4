"""Writers, one for each reader: they copy a file and change only its target texts.

A writer has the settings of its format's reader, without the path. `segments` yields the texts of a file, also those
that are not translated yet; `write` copies the file with other target texts and keeps everything else byte for byte:
 comments, order, attributes, blanks, encoding, line ends, kind of compression. Writing back what was read
gives the identical file.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mt.data.formats.compressed import DamagedFile, compression_of, find_file, read_blocks
from mt.data.formats.lines import in_one_line
from mt.data.whole_folder import write_whole

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)  # without name and time, so that the same content gives the same file
    return packer.compress(content) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd.compress,
}


class Markup(str):
    """A text that is XML already, with the file's inline elements: it is written unchanged."""


class Segment(NamedTuple):
    """A text to translate and its translation in the file, "" where there is none; line ends inside are kept."""

    source: str
    target: str


@dataclass(frozen=True)
class Slot:
    """A segment and the place of its target text: `put` returns the changes of the content for a new text."""

    segment: Segment
    place: str  # for messages: "line 3"
    put: Callable[[str], list[Edit]]
    markup: bytes | None = None  # in XML: the content of the source, with its inline elements
    state: str = ""  # of its target: "fuzzy" in PO, a state of XLIFF
    is_locked: bool = False  # it is not to be translated


class Edit(NamedTuple):
    """New bytes for a part of the content."""

    start: int
    end: int
    new: bytes


class Writer:
    """Base of a format's writer; a subclass finds the places of a file's texts with `slots`.

    Writers of formats that say how sure a translation is have `review`: new texts are marked as waiting for a review
    (True) or as finished (False); None: what the file says stays.
    """

    def slots(self, content: bytes, name: str) -> list[Slot]:
        """The segments of a file with this content (as `decoded` gives it), in order. Raises ValueError."""
        raise NotImplementedError

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        """The uncompressed content of a file as `slots` takes it, and the function that restores the file's form."""
        return content, bytes

    def segments(self, path: str | Path) -> list[Segment]:
        """The texts of a file, plain or compressed, in order.

        Raises ValueError where something cannot be read: a writer copies only valid files.
        """
        path = find_file(path)
        content, _ = self.decoded(content_of(path), str(path))
        return [slot.segment for slot in self.slots(content, str(path))]

    def write(self, path_in: str | Path, path_out: str | Path, texts: Sequence[str | None]) -> None:
        """Copies a file with `texts` as the targets of its segments, one for each; None keeps a target.

        The copy is written completely or not at all; the paths may be equal. A text equal to the present one, exactly
        or with line ends as blanks (as readers give it), keeps the file's own notation. The whole
        file is held in memory. Raises ValueError for a wrong number of texts, and for a text that the format or its
        encoding cannot express: the result is read back before it is kept.
        """
        path = find_file(path_in)
        packed = path.read_bytes()
        content, encoded = self.decoded(content_of(path), str(path))
        slots = self.slots(content, str(path))
        if len(texts) != len(slots):
            raise ValueError(f"{path}: texts ({len(texts)}) must be as many as its segments ({len(slots)})")
        changed = {
            number: text
            for number, (slot, text) in enumerate(zip(slots, texts, strict=True))
            if text is not None and self._is_other(text, slot.segment)
        }
        if not changed:
            write_whole(Path(path_out), packed)
            return
        edits: list[Edit] = []
        for number, text in changed.items():
            try:
                edits += slots[number].put(text)
            except ValueError as error:  # an encoding that lacks a character, or invalid markup
                raise ValueError(f"{path} {slots[number].place}: {_shown(text)} cannot be written ({error})") from None
        new = encoded(edited(content, edits))
        self._check(content, self.decoded(new, str(path))[0], slots, changed, path)
        kind = compression_of(packed)
        write_whole(Path(path_out), PACK[kind.name](new) if kind else new)

    one_line = staticmethod(in_one_line)  # a text as the format's reader yields it

    def as_written(self, text: str, source: str) -> str:
        """The text as it is written for this source and read back."""
        return text

    def _is_other(self, text: str, present: Segment) -> bool:
        """Whether a text must replace the present one."""
        if isinstance(text, Markup):
            return True
        return text != self.one_line(present.target) and self.as_written(text, present.source) != present.target

    def _check(self, old: bytes, new: bytes, slots: Sequence[Slot], changed: Mapping[int, str], path: Path) -> None:
        """Raises ValueError, naming a text, unless `new` has the segments of `old` with the changed texts."""
        wrong = self._wrong(new, slots, changed)
        if wrong is None:
            return
        numbers = list(changed)
        if wrong not in changed:  # a text has broken the format: find the first one that does
            fewest, most = 1, len(numbers)
            while fewest < most:
                middle = (fewest + most) // 2
                first = {number: changed[number] for number in numbers[:middle]}
                edits = [edit for number, text in first.items() for edit in slots[number].put(text)]
                if self._wrong(edited(old, edits), slots, first) is None:
                    fewest = middle + 1
                else:
                    most = middle
            wrong = numbers[fewest - 1]
        raise ValueError(f"{path} {slots[wrong].place}: {_shown(changed[wrong])} cannot be written in this format")

    def _wrong(self, new: bytes, slots: Sequence[Slot], changed: Mapping[int, str]) -> int | None:
        """The first wrong segment of new content, -1 if their number differs; None if all are right."""
        try:
            found = [slot.segment for slot in self.slots(new, "")]
        except ValueError:
            return -1
        if len(found) != len(slots):
            return -1
        for number, (slot, one) in enumerate(zip(slots, found, strict=True)):
            text = changed.get(number)
            expected = slot.segment.target if text is None else self.as_written(text, slot.segment.source)
            if one.target != expected and not isinstance(text, Markup):
                return number
        return None


def content_of(path: Path) -> bytes:
    """The uncompressed content of a file. Raises ValueError where it is damaged."""
    try:
        return b"".join(read_blocks(path))
    except DamagedFile as error:
        raise ValueError(f"{path}: {error}") from None


def edited(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The content with these changes; one that several slots share (the flag of an entry) is made once."""
    parts, place = [], 0
    for edit in sorted(dict.fromkeys(edits), key=lambda one: one.start):
        parts += [content[place : edit.start], edit.new]
        place = edit.end
    return b"".join([*parts, content[place:]])


def _shown(text: str) -> str:
    shown = ascii(text) if not text.isprintable() else f"'{text}'"
    return f"the text {shown if len(shown) <= 60 else shown[:60] + '…'}"
