"""TMX: units of a translation memory that lack the target language get it."""

from __future__ import annotations

from collections.abc import Callable

from mt.data.formats.write_xml import TmxWriter
from mt.inference.files.passage import FileFormat, FileSettings, Passage
from mt.inference.files.slots import is_wanted, num_left
from mt.inference.files.xliff import xml_passage


class TmxFile(FileFormat):
    """Units with a variant in the source language of the settings."""

    name, title, endings = "tmx", "TMX", (".tmx",)
    replaces = False

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        slots = _writer(settings).slots(content, name)
        if not slots and b"<tuv" in content:
            raise ValueError(f"{name}: no unit has a variant in {settings.source_language}")
        return [xml_passage(slot, name) for slot in slots if is_wanted(slot, settings)]

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        return [slot.markup for slot in _writer(settings).slots(content, name)]

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        return _writer(FileSettings()).decoded(content, name)

    def num_left(self, content: bytes, name: str, settings: FileSettings) -> int:
        return num_left(_writer(settings).slots(content, name), settings)


def _writer(settings: FileSettings) -> TmxWriter:
    languages = {"source_language": settings.source_language, "target_language": settings.target_language}
    return TmxWriter(**languages, review=settings.review, adds_variants=True)
