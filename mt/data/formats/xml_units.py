"""Reads translation units from XML files of any size: the common part of TMX and XLIFF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from xml.parsers import expat

from mt.data.fingerprint import fingerprint_of
from mt.data.formats.charsets import is_charset
from mt.data.formats.compressed import BLOCK_BYTES, DamagedFile, find_file, read_blocks
from mt.data.formats.lines import UNREADABLE
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.formats.undecoded import UNDECODED
from mt.data.formats.xml_content import FIRST_BYTES, encoding_of, in_utf8
from mt.data.formats.xml_damage import Damage, Structure, Window
from mt.data.pair import Fault, Pair

# Elements inside a sentence that contain or represent formatting of its document: they are removed with their content.
# Others (hi, g, mrk, pc) only mark words of the sentence: the words stay.
CODES = frozenset("bpt ept ph it ut x bx ex sc ec sm em cp".split())
LINE_BREAKS = frozenset(["lb", "pb"])  # types of codes that separate words like a blank
NOT_XML = "not well-formed XML"
TOO_LARGE = "too large unit"
UNIT_BYTES = 1 << 23  # of a unit, tag or comment, in UTF-8; a larger one is a fault
FIRST_PIECE_BYTES = 2048
DEPTH = 1000  # of nested elements
AROUND_BYTES = 4096  # for the names of the elements around a unit
DOCUMENT_TYPE_BYTES = 1 << 20
NUM_ATTRIBUTES, NUM_DEFAULTS = 1000, 64  # that a document type may declare, and those with a value for every element


@dataclass(frozen=True, kw_only=True)
class UnitFiles:
    """Base of a format's source of pairs: `path` is one path or a list read in turn, each by its own `reader`."""

    path: Paths
    source_language: str
    target_language: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))
        if language_match(self.source_language, self.target_language) == 2:
            raise ValueError(f"source_language and target_language must differ, both are {self.source_language}")

    def __iter__(self) -> Iterator[Pair]:
        for path in path_list(self.path):
            yield from self.reader(find_file(path)).read()

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of(
            type(self).__name__, file_stamps(path_list(self.path)), self.source_language, self.target_language
        )

    def reader(self, path: Path) -> UnitReader:
        """The reader of one file."""
        raise NotImplementedError


class UnitReader:
    """Base of a format, for one file: the `on_` methods say what its elements mean and collect `pairs`.

    An element whose content is a sentence calls `begin_text` at its start; `on_text` receives the sentence at its end.
    Names come without their namespace's prefix.
    """

    format = ""  # the name of the format
    structure: Structure  # its units and the elements around them

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pairs: list[Pair] = []
        self.num_units = 0  # read so far, with or without a pair
        self.is_damaged = False  # units may be missing
        self.fault: Fault | None = None  # of the sentences since it was last reset
        self._parser: Any = None
        self._parser_start = 0  # the byte of the file that corresponds to its first byte
        self._piece_bytes = BLOCK_BYTES  # passed to it at a time
        self._to_skip = 0  # elements that are open when a new parser starts, and were reported before
        self._window = Window()
        self._open: list[str] = []  # the elements around, with their prefixes
        self._unit_start: int | None = None  # the current unit: its first byte, and the elements around it
        self._unit_depth = 0
        self._last_tag = -1  # the last start tag of the structure
        self._text: list[str] = []  # of the current sentence
        self._text_name = ""
        self._depth = 0  # of elements inside that sentence; the element that holds it is 1, and 0 is outside
        self._code_depth = 0  # depth of the code that is being skipped
        self._parts: list[tuple[str, int, int]] = []  # of that sentence: name, first and last place in `_text`
        self._open_parts: list[tuple[int, str, int]] = []  # depth, name, first place
        self._defaults: dict[str, dict[str, str]] = {}  # of attributes, by element
        self._num_attributes = 0
        self._has_document_type = self._in_document_type = False
        self._encoding = "utf-8"

    def on_start(self, name: str, attributes: dict[str, str]) -> None:
        """An element starts, outside of all sentences."""

    def on_text(self, name: str, text: str, parts: dict[str, str] | None) -> None:
        """An element with a sentence has ended; `parts` are what `part_of` named, None for a name that occurs twice."""

    def on_end(self, name: str) -> None:
        """Another element has ended."""

    def on_damage(self, depth: int) -> None:
        """Reading continues after damage, at a place where `depth` elements are open."""

    def on_file_end(self) -> None:
        """The whole file was read."""

    def part_of(self, name: str, attributes: dict[str, str]) -> str | None:
        """The name of the part that an element inside a sentence forms; None for none."""
        return None

    def begin_text(self, name: str) -> None:
        """The content of the element that has just started is a sentence."""
        self._text_name, self._text, self._depth = name, [], 1
        self._parts, self._open_parts = [], []
        self._parser.CharacterDataHandler = self._text.append

    def read(self) -> Iterator[Pair]:
        """All pairs of the file.

        A unit that is damaged or larger than UNIT_BYTES is a pair with a fault, and reading continues at the next one.
        The damaged rest of a compressed file is one fault. Raises ValueError when it is another kind of file or
        declares entities or too many attributes, which can expand without limit or include other files.
        """
        blocks = read_blocks(self.path)
        try:
            first = next(blocks, b"")
            self._encoding = encoding_of(first)
            if self._encoding in FIRST_BYTES.values() or is_charset(self._encoding):
                yield from self._read(in_utf8(chain([first], blocks), self._encoding))
            else:
                fault = Fault(
                    "unknown encoding", f"{self.path} line 1: its encoding ({self._encoding}) is not known here"
                )
                self._window.damage = Damage(fault, 0, is_rest=True)
                yield from self._read(in_utf8(chain([first], blocks), "latin-1"))
        except DamagedFile as error:
            yield from self.pairs
            message = f"{self.path}: unreadable after unit {self.num_units}: {error}"
            yield Pair("", "", fault=Fault(UNREADABLE, message))
            return
        self.on_file_end()

    def _read(self, blocks: Iterator[bytes]) -> Iterator[Pair]:
        window = self._window
        self._start_parser(0, [])
        for block in chain(blocks, [None]):
            window.add(block or b"")
            unread: bytes | memoryview = block or b""
            is_end = block is None
            while True:
                if window.damage is None:
                    window.damage = self._parsed(unread, is_end)
                    yield from self.pairs
                    self.pairs.clear()
                if window.damage is None:
                    break
                self.is_damaged = True
                place = window.next_place(self.structure, is_end)
                if place is None:
                    break
                yield from window.faults()
                self._start_parser(place, window.damage.open)
                window.damage = None
                unread = window.after(place)
            window.forget(self._needed())
        yield from window.faults()

    def _parsed(self, content: bytes | memoryview, is_end: bool) -> Damage | None:
        """The damage in the content, whose elements were read up to there."""
        parsed = 0
        try:
            while parsed < len(content):
                self._parser.Parse(content[parsed : parsed + self._piece_bytes], False)
                parsed += self._piece_bytes
                self._piece_bytes *= 2
        except expat.ExpatError as error:
            place = self._parser_start + self._parser.ErrorByteIndex
            return self._damage(place, expat.ErrorString(error.code), search_from=place, parsed_to=place)
        except _Refused as error:
            return self._damage(error.place, str(error), search_from=error.place, parsed_to=error.place)
        if is_end:
            try:
                self._parser.Parse(b"", True)
            except expat.ExpatError as error:
                place = self._parser_start + self._parser.ErrorByteIndex
                begin = (
                    place if self._unit_start is None else self._unit_start + 1
                )  # an element without an end hides all later units
                why = expat.ErrorString(error.code)
                return self._damage(place, why, search_from=begin, parsed_to=self._window.end)
        if self._in_document_type and self._window.end > DOCUMENT_TYPE_BYTES:
            raise ValueError(f"{self.path}: its document type must be at most {DOCUMENT_TYPE_BYTES:,} bytes")
        if self._window.end - self._needed() > UNIT_BYTES:
            place = self._needed()
            line, _ = self._window.line_and_column(place)
            what = "a unit" if self._unit_start is not None else "a tag or comment"
            message = f"{self.path} line {line}: {what} of more than {UNIT_BYTES:,} bytes"
            return self._lost(Fault(TOO_LARGE, message), place, place + 1, self._window.end)
        return None

    def _damage(self, place: int, why: str, *, search_from: int, parsed_to: int) -> Damage:
        line, column = self._window.line_and_column(place)
        if self._window.has(place, UNDECODED.encode()):
            why = f"not {self._encoding}"
        fault = Fault(NOT_XML, f"{self.path}: {NOT_XML} at line {line}, column {column} ({why})")
        return self._lost(fault, place, search_from, parsed_to)

    def _lost(self, fault: Fault, place: int, search_from: int, parsed_to: int) -> Damage:
        """The damage at a place, after which a unit is searched for."""
        in_unit = self._unit_start is not None
        return Damage(
            fault,
            start=place if self._unit_start is None else self._unit_start,
            search_from=search_from,
            parsed_to=parsed_to,
            last_tag=self._last_tag,
            in_unit=in_unit,
            is_rest=not self._seen_root,
            open=self._open[: self._unit_depth] if in_unit else list(self._open),
        )

    @property
    def line(self) -> int:
        """The current line of the file."""
        return self._window.line_and_column(self._place())[0]

    @property
    def _seen_root(self) -> bool:
        return self._parser.StartElementHandler != self._check_root

    def _place(self) -> int:
        """The byte of the file at which the parser is."""
        return self._parser_start + max(self._parser.CurrentByteIndex, 0)

    def _needed(self) -> int:
        """The first byte that is needed to continue after damage."""
        if self._unit_start is not None:
            return self._unit_start
        return max(self._place(), self._parser_start)

    def _start_parser(self, place: int, around: list[str]) -> None:
        """Parses from this place of the file, where these elements are open."""
        is_first = place == 0 and not around and self._parser is None
        self._parser = parser = expat.ParserCreate("utf-8")
        self._open, self._unit_start = [], None
        self._depth = self._code_depth = 0
        parser.buffer_text = True
        parser.specified_attributes = True
        parser.StartElementHandler = self._check_root if is_first or not around else self._start
        parser.EndElementHandler = self._end
        parser.EntityDeclHandler = self._refuse_entity
        parser.SkippedEntityHandler = self._skipped_entity
        parser.AttlistDeclHandler = self._attribute_declared
        parser.StartDoctypeDeclHandler = self._document_type_starts
        parser.EndDoctypeDeclHandler = self._document_type_ends
        start = "".join(f"<{name}>" for name in around)
        if self._has_document_type and not is_first:
            start = (
                f'<!DOCTYPE {around[0] if around else "x"} SYSTEM "">{start}'  # other entities may be declared there
            )
        self._to_skip = len(around)
        self._open = list(around)
        self._parser_start = place - len(start.encode())
        parser.Parse(start.encode(), False)
        if not is_first:
            # After _Refused a parser continues to the end of its piece, so that large pieces are costly near damage;
            # but a tag that fills many small pieces is read again with each, so that their size grows.
            self._piece_bytes = FIRST_PIECE_BYTES
            self.on_damage(len(around))

    def _check_root(self, name: str, attributes: dict[str, str]) -> None:
        root = self.structure.root
        if name.rpartition(":")[2] != root:
            raise ValueError(f"{self.path}: must be {self.format}, but its outermost element is <{name[:100]}>")
        self._parser.StartElementHandler = self._start
        self._start(name, attributes)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._to_skip:
            self._to_skip -= 1
            return
        full_name = name
        if ":" in name:
            name = name.rpartition(":")[2]
        if self._defaults:
            attributes = self._defaults.get(full_name, {}) | attributes
        if len(self._open) + self._depth >= DEPTH:
            raise _Refused(f"elements nested more than {DEPTH:,} deep", self._place())
        if not self._depth:
            if name in self.structure.ranks:
                self._last_tag = self._place()
                if name in self.structure.units:
                    self._unit_starts()
            self.on_start(name, attributes)
            if not self._depth:
                self._open.append(full_name)
            return
        self._depth += 1
        if self._code_depth:
            return
        if name in CODES:
            self._code_depth = self._depth
            self._parser.CharacterDataHandler = None
            kinds = (attributes.get(kind, "") for kind in ("type", "ctype", "subType"))
            if not LINE_BREAKS.isdisjoint(kind.rpartition(":")[2] for kind in kinds):
                self._text.append(" ")
        elif (part := self.part_of(name, attributes)) is not None:
            self._open_parts.append((self._depth, part, len(self._text)))

    def _unit_starts(self) -> None:
        if self._unit_start is not None:
            raise _Refused("a unit inside a unit", self._last_tag)
        if sum(map(len, self._open)) > AROUND_BYTES:
            raise ValueError(
                f"{self.path}: the names of the elements around a unit must be at most {AROUND_BYTES:,} bytes"
            )
        self._unit_start, self._unit_depth = self._last_tag, len(self._open)

    def _end(self, name: str) -> None:
        if not self._depth:
            self._open.pop()
            self.on_end(name.rpartition(":")[2] if ":" in name else name)
            if self._unit_start is not None and len(self._open) == self._unit_depth:
                self._unit_start = None
            return
        if self._open_parts and self._open_parts[-1][0] == self._depth:
            _, part, start = self._open_parts.pop()
            self._parts.append((part, start, len(self._text)))
        if self._code_depth == self._depth:
            self._code_depth = 0
            self._parser.CharacterDataHandler = self._text.append
        self._depth -= 1
        if not self._depth:
            self._parser.CharacterDataHandler = None
            parts = {part: in_one_line("".join(self._text[start:end])) for part, start, end in self._parts}
            is_clear = len(parts) == len(self._parts)
            self.on_text(self._text_name, in_one_line("".join(self._text)), parts if is_clear else None)

    def _refuse_entity(self, name: str, *_: object) -> None:
        place = f"{self.path} line {self._parser.CurrentLineNumber}"
        raise ValueError(f"{place}: the entity {name[:100]} is declared, and files that declare entities are not read")

    def _skipped_entity(self, name: str, is_parameter: bool) -> None:
        # in a file with an external document type, which is not fetched, any entity may be declared there
        if self._depth and not self._code_depth:
            self.fault = Fault(
                "unknown entity", f"{self.path} line {self.line}: the entity &{name[:100]}; is not known"
            )

    def _document_type_starts(self, name: str, system_id: str | None, public_id: str | None, is_internal: bool) -> None:
        self._has_document_type = self._has_document_type or system_id is not None
        self._in_document_type = True

    def _document_type_ends(self) -> None:
        self._in_document_type = False

    def _attribute_declared(self, element: str, name: str, kind: str, default: str | None, is_required: bool) -> None:
        self._num_attributes += 1
        if default is not None:
            self._defaults.setdefault(element, {}).setdefault(name, default)
        num_defaults = sum(map(len, self._defaults.values())) if default is not None else 0
        if self._num_attributes > NUM_ATTRIBUTES or num_defaults > NUM_DEFAULTS:
            most = f"{NUM_ATTRIBUTES:,} attributes, and {NUM_DEFAULTS} with a default"
            place = f"{self.path} line {self._parser.CurrentLineNumber}"
            raise ValueError(f"{place}: a document type must declare at most {most}")


class _Refused(Exception):
    """XML that is valid but that these files never need, and its byte in the file."""

    def __init__(self, why: str, place: int) -> None:
        super().__init__(why)
        self.place = place


def in_one_line(text: str) -> str:
    """The text with a blank for each line end and the blanks around it; those at both ends of the text are removed."""
    if "\n" not in text:
        return text
    first, *others = text.split("\n")
    last = others.pop()
    lines = [first.rstrip(" \t\r"), *(line.strip(" \t\r") for line in others), last.lstrip(" \t\r")]
    return " ".join(filter(None, lines)).strip(" ")


def language_match(language: str, own: str) -> int:
    """How well a language tag matches `own`, ignoring case: 2 the same, 1 a variant of it (en-US of en), 0 not."""
    language, own = (tag.lower().replace("_", "-") for tag in (language, own))
    return 2 if language == own else int(language.startswith(f"{own}-"))
