"""Writers of TMX and XLIFF."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from mt.data.formats.charsets import is_charset
from mt.data.formats.writing import Edit, Markup, Segment, Slot, Writer
from mt.data.formats.xml_content import FIRST_BYTES, encoding_of
from mt.data.formats.xml_units import CODES, in_one_line, language_match

UNITS = frozenset(["trans-unit", "segment"])
SIDES = ("source", "seg-source", "target")
NO_MARKS: Mapping[str, str] = {}


@dataclass
class _Text:
    """The content of an element that holds a text, in bytes of the UTF-8 form, and its parts by name."""

    start: int
    end: int = 0
    text: list[str] = field(default_factory=list)
    is_empty_tag: bool = False  # <target/>: `start` to `end` is the whole element
    name: str = ""  # with its prefix
    tag: int = 0  # where its start tag begins
    around: int = 0  # of a variant of TMX: where its start tag begins
    state: str = ""
    parts: dict[str, _Text] = field(default_factory=dict)


@dataclass
class _Unit:
    line: int
    tag: int  # where its start tag begins
    name: str  # of its element
    state: str  # of a segment of XLIFF 2
    is_locked: bool  # translate="no", of itself or around it
    around: int  # where the start tag that names the languages begins
    tuv_end: int = 0  # where the last variant of a unit of TMX ends
    texts: dict[str, _Text] = field(default_factory=dict)  # of its sides, or of its languages
    ends: dict[str, int] = field(default_factory=dict)  # where those elements end


class _Units:
    """The units of a file with their texts, collected from a parser's events."""

    def __init__(self, content: bytes, units: frozenset[str], name: str) -> None:
        self.units: list[_Unit] = []
        self.languages: list[tuple[str, str | None]] = []
        self._around = self._variant = 0
        self._locks: list[tuple[int, bool]] = []  # depth and value of each translate="…" that is open
        self._content, self._kinds, self._name = content, units, name
        self._unit: _Unit | None = None
        self._language = ""
        self._side: tuple[str, int] | None = None
        self._depth = self._codes = 0
        self._open: list[tuple[_Text, int, str | None]] = []
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = False
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = self._refuse
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise ValueError(f"{name}: not well-formed XML: {error}") from None

    def _refuse(self, entity: str, *_: Any) -> None:
        raise ValueError(
            f"{self._name}: the entity {entity[:100]} is declared, and files that declare entities are not read"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        full, name = name, name.rpartition(":")[2]
        if self._side is not None:
            if name in CODES:
                self._codes = self._codes or self._depth
            part = attributes.get("mid") if name == "mrk" and attributes.get("mtype") == "seg" else None
            if part is not None:
                self._open.append((self._text_here(full), self._depth, part))
            return
        place = self._parser.CurrentByteIndex
        if "translate" in attributes:
            self._locks.append((self._depth, attributes["translate"] == "no"))
        if name == "file" and "source-language" in attributes:
            self.languages.append((attributes["source-language"], attributes.get("target-language")))
            self._around = place
        elif "srcLang" in attributes:
            self.languages.append((attributes["srcLang"], attributes.get("trgLang")))
            self._around = place
        if name in self._kinds:
            is_locked = bool(self._locks) and self._locks[-1][1]
            state = attributes.get("state", "")
            self._unit = _Unit(self._parser.CurrentLineNumber, place, name, state, is_locked, self._around)
            self.units.append(self._unit)
            self._unit_depth = self._depth
        elif name == "tuv":
            self._language = attributes.get("xml:lang") or attributes.get("lang", "")
            self._variant = place
        elif self._unit is not None and (name == "seg" or (name in SIDES and self._depth == self._unit_depth + 1)):
            self._side = (self._language if name == "seg" else name, self._depth)
            text = self._text_here(full)
            text.state, text.around = attributes.get("state", ""), self._variant
            self._open.append((text, self._depth, None))

    def _text_here(self, name: str) -> _Text:
        start = self._parser.CurrentByteIndex
        end = tag_end(self._content, start)
        is_empty = self._content[end - 2 : end] == b"/>"
        return _Text(start if is_empty else end, end, is_empty_tag=is_empty, name=name, tag=start)

    def _data(self, text: str) -> None:
        if self._side is not None and not self._codes:
            for one, _, _ in self._open:
                one.text.append(text)

    def _end(self, name: str) -> None:
        if self._side is not None and self._open and self._open[-1][1] == self._depth:
            text, _, part = self._open.pop()
            place = self._parser.CurrentByteIndex
            if not text.is_empty_tag:
                text.end = place
            assert self._unit is not None
            if part is not None:
                if part in self._open[0][0].parts:
                    raise ValueError(f"{self._name} line {self._unit.line}: each mid must occur once")
                self._open[0][0].parts[part] = text
            else:
                side = self._side[0]
                self._unit.texts.setdefault(side, text)
                self._unit.ends.setdefault(side, text.end if text.is_empty_tag else tag_end(self._content, place))
                self._side = None
        elif name.rpartition(":")[2] in self._kinds and self._side is None:
            self._unit = None
        elif self._unit is not None and name.rpartition(":")[2] == "tuv":
            self._unit.tuv_end = tag_end(self._content, self._parser.CurrentByteIndex)
        if self._codes == self._depth:
            self._codes = 0
        if self._locks and self._locks[-1][0] == self._depth:
            self._locks.pop()
        self._depth -= 1


@dataclass(frozen=True, kw_only=True)
class _XmlWriter(Writer):
    """`review`: see `Writer`. Inline elements: the text of a segment is what readers give, without codes. A new text
    replaces the whole content, inline elements included, unless it is `Markup` with its own elements; an unchanged
    text keeps them. XML's special characters are escaped, and characters that the file's encoding lacks
    are written as character references.
    """

    source_language: str
    target_language: str
    review: bool | None = None
    one_line = staticmethod(in_one_line)

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        encoding = encoding_of(content[:1000])
        if encoding not in FIRST_BYTES.values() and not is_charset(encoding):
            raise ValueError(f"{name}: its encoding ({encoding}) is not known here")
        if encoding == "utf-8":
            return content, bytes
        if encoding == "utf-16":
            encoding = "utf-16le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-16be"
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: not {encoding.upper()} at byte {error.start}") from None
        if text.encode(encoding) != content:
            raise ValueError(f"{name}: {encoding} cannot be written back byte for byte: make it UTF-8 first")
        return text.encode(), lambda new: new.decode().encode(encoding, "xmlcharrefreplace")


@dataclass(frozen=True, kw_only=True)
class TmxWriter(_XmlWriter):
    """TMX: a segment for each unit with a variant of both languages, found as `mt.data.formats.tmx.Tmx` does.

    Of several variants of a language in a unit the first of the best ones counts. A unit without a variant in the
    target language is not a segment, unless `adds_variants`: it then gets one after the last, written as the source's
    variant is. With `review` a new variant names its maker (creationtool). Inline elements: see `_XmlWriter`.
    """

    adds_variants: bool = False

    def slots(self, content: bytes, name: str) -> list[Slot]:
        slots = []
        for unit in _Units(content, frozenset(["tu"]), name).units:
            sides = [self._best(unit, language) for language in (self.source_language, self.target_language)]
            source, target = sides
            if source is None or source is target or (target is None and not self.adds_variants):
                continue
            segment = Segment("".join(source.text), "".join(target.text) if target else "")
            put = _putting(content, target) if target else self._adding(content, unit, source)
            slots.append(Slot(segment, f"line {unit.line}", put, markup=_markup(content, source)))
        return slots

    def _adding(self, content: bytes, unit: _Unit, source: _Text) -> Callable[[str], list[Edit]]:
        """A function that adds a variant with the blanks that the source's has."""
        seg, seg_name = source.tag, source.name.encode()
        tuv, name = source.around, source.name.replace("seg", "tuv").encode()
        inner = _blanks_before(content, seg)
        seg_end = source.end if source.is_empty_tag else tag_end(content, source.end)
        behind = re.compile(rb"\s*").match(content, seg_end)
        outer, place = _blanks_before(content, tuv), unit.tuv_end
        maker = b' creationtool="mt-trainer"' if self.review else b""

        def put(new: str) -> list[Edit]:
            tags = b'<%b xml:lang="%b"%b>' % (name, escape(self.target_language).encode(), maker)
            text = b"<%b>%b</%b>" % (seg_name, _as_xml(new), seg_name)
            closing = behind[0] if behind else b""
            return [Edit(place, place, outer + tags + inner + text + closing + b"</%b>" % name)]

        return put

    def _best(self, unit: _Unit, own: str) -> _Text | None:
        other = self.target_language if own == self.source_language else self.source_language
        fits = {
            language: fit
            for language in unit.texts
            if (fit := language_match(language, own)) and fit >= language_match(language, other)
        }
        return unit.texts[max(fits, key=lambda language: fits[language])] if fits else None


class XliffWriter(_XmlWriter):
    """XLIFF 1.2 and 2.0: a segment for each unit, or each `mid` where both sides are divided into segments.

    A unit without a target is also a segment, and gets one after its source (1.2: its seg-source), with the line end
    and blanks before that. Without `review` states are unchanged; with it, new targets get in 1.2 the state
    needs-review-translation (True) or translated (False) and the qualifier leveraged-mt, in 2.0 their segment gets the
    state translated, and a file without a target language gets it. Files must be in these languages, in this
    direction. Inline elements: see `_XmlWriter`.
    """

    def slots(self, content: bytes, name: str) -> list[Slot]:
        found = _Units(content, UNITS, name)
        for source_language, target_language in found.languages:
            if not language_match(source_language, self.source_language) or (
                target_language is not None and not language_match(target_language, self.target_language)
            ):
                languages = f"{self.source_language} > {self.target_language}"
                own = f"{source_language[:100]} > {(target_language or 'none named')[:100]}"
                raise ValueError(f"{name}: must be {languages}, it is {own}")
        slots = []
        for unit in found.units:
            source, target = unit.texts.get("source"), unit.texts.get("target")
            if source is None:
                continue
            whole = unit.texts.get("seg-source") or source
            parts = whole.parts
            pairs: list[tuple[_Text, _Text | None]] = [(source, target)]
            if target is not None and parts and target.parts:
                pairs = [(parts[mid], target.parts[mid]) for mid in parts if mid in target.parts]
            marks, around = self._marks(content, unit, target)
            for one, other in pairs:
                segment = Segment("".join(one.text), "".join(other.text) if other else "")
                put = _putting(content, other, marks, target) if other else _adding(content, unit, marks)
                markup = _markup(content, whole if one is source else one)
                state = unit.state or (target.state if target else "")
                place, put = f"line {unit.line}", _also(put, around)
                slots.append(Slot(segment, place, put, markup=markup, state=state, is_locked=unit.is_locked))
        return slots

    def sources(self, content: bytes, name: str) -> list[bytes]:
        """The content of each unit's source, as it stands in the file."""
        units = _Units(content, UNITS, name).units
        return [_markup(content, unit.texts["source"]) for unit in units if "source" in unit.texts]

    def _marks(self, content: bytes, unit: _Unit, target: _Text | None) -> tuple[dict[str, str], list[Edit]]:
        """The attributes of a new target, and the changes of the elements around it."""
        if self.review is None:
            return {}, []
        if unit.name == "segment":
            around = [_attributes(content, unit.tag, {"state": "translated"})]
            around.append(_attributes(content, unit.around, {"trgLang": self.target_language}, keeps=True))
            return {}, around
        state = "needs-review-translation" if self.review else "translated"
        around = [_attributes(content, unit.around, {"target-language": self.target_language}, keeps=True)]
        return {"state": state, "state-qualifier": "leveraged-mt"}, around


def _putting(
    content: bytes, text: _Text, marks: Mapping[str, str] = NO_MARKS, marked: _Text | None = None
) -> Callable[[str], list[Edit]]:
    """A function that replaces the content of an element, and sets attributes of it, or of `marked` around it."""

    def put(new: str) -> list[Edit]:
        raw, outer = _as_xml(new), marked or text
        if not text.is_empty_tag:
            changes = [_attributes(content, outer.tag, marks)] if marks else []
            return [*changes, Edit(text.start, text.end, raw)]
        tag = content[text.start : text.end]
        others = []
        if outer is text:
            tag = _with_attributes(tag, marks)
        elif marks:
            others = [_attributes(content, outer.tag, marks)]
        whole = tag[:-2].rstrip() + b">" + raw + f"</{text.name}>".encode()
        return [*others, Edit(text.start, text.end, whole)]

    return put


def _adding(content: bytes, unit: _Unit, marks: Mapping[str, str]) -> Callable[[str], list[Edit]]:
    last = "seg-source" if "seg-source" in unit.ends else "source"
    place, source = unit.ends[last], unit.texts["source"]
    prefix = f"{source.name.rpartition(':')[0]}:" if ":" in source.name else ""
    blanks = _blanks_before(content, source.tag)

    def put(new: str) -> list[Edit]:
        name = f"{prefix}target".encode()
        return [Edit(place, place, blanks + _with_attributes(b"<%b>" % name, marks) + _as_xml(new) + b"</%b>" % name)]

    return put


def _also(put: Callable[[str], list[Edit]], others: list[Edit]) -> Callable[[str], list[Edit]]:
    return lambda new: [*others, *put(new)]


def _attributes(content: bytes, tag: int, values: Mapping[str, str], *, keeps: bool = False) -> Edit:
    """The change of the start tag at this place that sets these attributes; `keeps`: only those that it lacks."""
    end = tag_end(content, tag)
    return Edit(tag, end, _with_attributes(content[tag:end], values, keeps=keeps))


def _with_attributes(tag: bytes, values: Mapping[str, str], *, keeps: bool = False) -> bytes:
    for name, value in values.items():
        new = f'{name}="{escape(value)}"'.encode()
        found = re.search(rb"""(?<=\s)%b\s*=\s*(?:"[^"]*"|'[^']*')""" % re.escape(name.encode()), tag)
        if found and not keeps:
            tag = tag[: found.start()] + new + tag[found.end() :]
        elif not found:
            end = re.match(rb"(.*?)\s*/?>\Z", tag, re.DOTALL)
            assert end is not None
            tag = tag[: end.end(1)] + b" " + new + tag[end.end(1) :]
    return tag


def _blanks_before(content: bytes, place: int) -> bytes:
    found = re.search(rb"\s*\Z", content[max(place - 1000, 0) : place])
    return found[0] if found else b""


def _markup(content: bytes, text: _Text) -> bytes:
    """The content of an element as it stands in the file."""
    return b"" if text.is_empty_tag else content[text.start : text.end]


def _as_xml(text: str) -> bytes:
    """The text as an element's content; a carriage return, which a parser would change, as a reference."""
    if not isinstance(text, Markup):
        return escape(text, {"\r": "&#13;"}).encode()
    try:
        expat.ParserCreate("utf-8").Parse(f"<x>{text}</x>".encode(), True)
    except expat.ExpatError as error:
        raise ValueError(f"not well-formed XML: {expat.ErrorString(error.code)}") from None
    return text.encode()


def tag_end(content: bytes, start: int) -> int:
    """The place after the tag that begins at `start`; an attribute's value may contain ">"."""
    found = re.compile(rb"""<[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""").match(content, start)
    assert found is not None, "the parser has read a tag here"
    return found.end()
