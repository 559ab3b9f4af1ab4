"""PO files: untranslated entries are filled in, and marked `fuzzy`, so that no program uses them unseen."""

from __future__ import annotations

from mt.data.formats.write_po import PoWriter
from mt.data.formats.writing import Slot
from mt.inference.files.passage import FileFormat, FileSettings, Passage
from mt.inference.files.rows import Rows
from mt.inference.files.slots import is_wanted, num_left


class PoFile(FileFormat):
    """The messages of a program with gettext, also a template (.pot)."""

    name, title, endings = "po", "PO", (".po", ".pot")
    replaces = False

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        slots = PoWriter(review=settings.review).slots(content, name)
        return [_passage(slot) for slot in slots if is_wanted(slot, settings)]

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        return [slot.segment.source for slot in PoWriter().slots(content, name)]

    def num_left(self, content: bytes, name: str, settings: FileSettings) -> int:
        return num_left(PoWriter().slots(content, name), settings)


def _passage(slot: Slot) -> Passage:
    rows = Rows.of(slot.segment.source)
    return Passage(slot.place, rows.lines, lambda texts: slot.put(rows.written(texts)))
