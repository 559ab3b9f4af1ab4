"""The content of a text of TMX or XLIFF as texts and codes, and a translation of it as XML."""

from __future__ import annotations

import re
from xml.parsers import expat
from xml.sax.saxutils import escape

from mt.data.formats.write_xml import tag_end
from mt.data.formats.writing import Markup
from mt.data.formats.xml_units import LINE_BREAKS
from mt.inference.files.coded_line import Code, CodedLine, Kind

SPANS = frozenset("g mrk pc hi".split())  # elements around words
OPENING, CLOSING = frozenset("bpt bx sc sm".split()), frozenset("ept ex ec em".split())
PARTNER = ("startRef", "rid", "i", "id")  # attributes that name the pair of an opening and a closing element
LINE_END = re.compile(r"([ \t]*\r?\n(?![ \t]))")
CARRIAGE_RETURN = {"\r": "&#13;"}


class Inline:
    """Reads the content of an element. Namespaces need not be declared in it."""

    def __init__(self, content: bytes):
        self._content = b"<x>" + content + b"</x>"
        self._pieces: list[str | Code] = []
        self._spans: list[tuple[str, bool]] = []  # open elements: the name of their codes, and whether they have tags
        self._whole: tuple[int, int, Code] | None = None  # an element that is one code: its depth and first byte
        self._depth = 0
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(self._content, True)

    def coded(self) -> CodedLine:
        """The line to translate. A line end is a code, unless blanks follow it: then it only wraps the text."""
        pieces: list[str | Code] = []
        for piece in self._pieces:
            if isinstance(piece, Code):
                pieces.append(piece)
                continue
            for number, part in enumerate(LINE_END.split(piece)):
                pieces.append(Code(escape(part, CARRIAGE_RETURN), Kind.BREAK) if number % 2 else part)
        return CodedLine.of(pieces)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 or self._whole is not None:
            return
        kind, start = name.rpartition(":")[2], self._parser.CurrentByteIndex
        is_protected = attributes.get("translate") == "no" or attributes.get("mtype") == "protected"
        if kind in SPANS and not is_protected:
            end = tag_end(self._content, start)
            is_empty = self._content[end - 2 : end] == b"/>"
            label = f"span {len(self._pieces)}"
            self._pieces.append(Code(self._content[start:end].decode(), Kind.HOLE if is_empty else Kind.OPEN, label))
            self._spans.append((label, not is_empty))
            return
        pair = next((attributes[one] for one in PARTNER if one in attributes), "")
        code = Code("", Kind.HOLE)
        if kind in OPENING:
            code = Code("", Kind.OPEN, pair)
        elif kind in CLOSING:
            code = Code("", Kind.CLOSE, pair)
        elif any(attributes.get(one, "").rpartition(":")[2] in LINE_BREAKS for one in ("type", "ctype", "subType")):
            code = Code("", Kind.BREAK)
        self._whole = self._depth, start, code

    def _end(self, name: str) -> None:
        place = self._parser.CurrentByteIndex
        if self._whole is not None and self._whole[0] == self._depth:
            _, start, code = self._whole
            first_end = tag_end(self._content, start)
            is_empty = self._content[first_end - 2 : first_end] == b"/>"
            stop = first_end if is_empty else tag_end(self._content, place)
            self._pieces.append(Code(self._content[start:stop].decode(), code.kind, code.name))
            self._whole = None
        elif self._whole is None and self._depth > 1:
            label, has_tags = self._spans.pop()
            if has_tags:
                end = tag_end(self._content, place)
                self._pieces.append(Code(self._content[place:end].decode(), Kind.CLOSE, label))
        self._depth -= 1

    def _text(self, text: str) -> None:
        if self._whole is None:
            self._pieces.append(text)


def as_xml(coded: CodedLine, translation: str) -> Markup:
    """A translation of the line as the content of an element."""
    return Markup(coded.restored(translation, lambda text: escape(text, CARRIAGE_RETURN)))


def segments(content: bytes) -> list[tuple[int, int]]:
    """The contents of the segments (mrk of the type seg) that the content of an element is divided into."""
    found: list[tuple[int, int]] = []
    whole, depth, starts = b"<x>" + content + b"</x>", 0, list[tuple[int, int]]()
    parser = expat.ParserCreate("utf-8")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if not starts and name.rpartition(":")[2] == "mrk" and attributes.get("mtype") == "seg":
            starts.append((depth, tag_end(whole, parser.CurrentByteIndex)))

    def end(name: str) -> None:
        nonlocal depth
        if starts and starts[-1][0] == depth:
            first = starts.pop()[1]
            found.append((first - len("<x>"), max(first, parser.CurrentByteIndex) - len("<x>")))
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(whole, True)
    return found
