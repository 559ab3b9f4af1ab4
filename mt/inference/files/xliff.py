"""XLIFF 1.2 and 2: units without a translation get one, with a state that asks for a review."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from xml.parsers import expat

from mt.data.formats.write_xml import XliffWriter
from mt.data.formats.writing import Edit, Markup, Slot
from mt.inference.files.passage import FileFormat, FileSettings, Passage
from mt.inference.files.slots import is_wanted, num_left
from mt.inference.files.xml_inline import Inline, as_xml, segments


class XliffFile(FileFormat):
    """Units in the two languages of the settings."""

    name, title, endings = "xliff", "XLIFF", (".xlf", ".xliff")
    replaces = False

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        slots = _writer(settings).slots(content, name)
        return [xml_passage(slot, name) for slot in slots if is_wanted(slot, settings)]

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        return _writer(settings).sources(content, name)

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        return _writer(FileSettings()).decoded(content, name)

    def num_left(self, content: bytes, name: str, settings: FileSettings) -> int:
        return num_left(_writer(settings).slots(content, name), settings)


def _writer(settings: FileSettings) -> XliffWriter:
    return XliffWriter(
        source_language=settings.source_language, target_language=settings.target_language, review=settings.review
    )


def xml_passage(slot: Slot, name: str) -> Passage:
    """A segment as a passage; each part of one that is divided into parts is translated by itself."""
    markup = slot.markup or b""
    try:
        parts = segments(markup) or [(0, len(markup))]
        coded = [Inline(markup[first:last]).coded() for first, last in parts]
    except expat.ExpatError as error:  # such as an entity that an external document type may declare
        raise ValueError(f"{name} {slot.place}: {expat.ErrorString(error.code)}") from None
    between = [markup[last:first].decode() for (_, last), (first, _) in pairwise([(0, 0), *parts, (len(markup), 0)])]

    def put(texts: Sequence[str]) -> list[Edit]:
        made = [as_xml(one, text) for one, text in zip(coded, texts, strict=True)]
        pieces = [piece for pair in zip(between, [*made, ""], strict=True) for piece in pair]
        return slot.put(Markup("".join(pieces)))

    return Passage(slot.place, tuple(one.line for one in coded), put)
