"""Writers of formats with one record per line: plain text, tab-separated columns, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mt.data.formats.lines import BYTE_ORDER_MARK, refuse_other_data
from mt.data.formats.writing import Edit, Segment, Slot, Writer

BLANKS = " \t\n\r"  # of JSON
DECODER = json.JSONDecoder()


class _Line(NamedTuple):
    number: int  # from 1
    start: int  # its first byte in the content
    text: str  # without its end

    @property
    def place(self) -> str:
        return f"line {self.number}"

    def bytes_to(self, character: int) -> int:
        """The byte offset in the content of a character of the line."""
        return self.start + len(self.text[:character].encode())


def lines_of(content: bytes, name: str) -> Iterator[_Line]:
    """The lines, as `mt.data.formats.lines` cuts them. Raises ValueError for bytes that are not UTF-8."""
    refuse_other_data(content, name)
    place = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    number = 0
    while place < len(content):
        number += 1
        end = content.find(b"\n", place)
        raw = content[place:] if end < 0 else content[place:end].removesuffix(b"\r")
        try:
            yield _Line(number, place, raw.decode())
        except UnicodeDecodeError as error:
            at = f"byte {place + error.start} (0x{raw[error.start]:02x})"
            raise ValueError(f"{name}: not UTF-8 at line {number}, {at}") from None
        place = len(content) if end < 0 else end + 1


class TextWriter(Writer):
    """Plain text: each line is a text to translate, and is replaced by its translation."""

    def slots(self, content: bytes, name: str) -> list[Slot]:
        def slot(line: _Line) -> Slot:
            end = line.bytes_to(len(line.text))

            def put(text: str) -> list[Edit]:
                # an empty last line without a line end would disappear
                raw = text.encode() or (b"\n" if end == len(content) else b"")
                return [Edit(line.start, end, raw)]

            return Slot(Segment(line.text, line.text), line.place, put)

        return [slot(line) for line in lines_of(content, name)]


@dataclass(frozen=True, kw_only=True)
class TsvWriter(Writer):
    """Tab-separated columns, as `mt.data.formats.tsv.Tsv` reads them; a line that ends right before the target's column
    gets that column. A text cannot hold a tab or a line end."""

    source_column: int | str = 0
    target_column: int | str = 1
    header: bool = False

    def slots(self, content: bytes, name: str) -> list[Slot]:
        lines = lines_of(content, name)
        names: list[str] = []
        if self.header or isinstance(self.source_column, str) or isinstance(self.target_column, str):
            first = next(lines, None)
            names = first.text.split("\t") if first else []
        source, target = (_position(column, names, name) for column in (self.source_column, self.target_column))
        return [self._slot(line, source, target, name) for line in lines]

    def _slot(self, line: _Line, source: int, target: int, name: str) -> Slot:
        cells = line.text.split("\t")
        is_new = len(cells) == target
        if max(source, target - is_new) >= len(cells):
            raise ValueError(f"{name} line {line.number}: columns {source} and {target} must exist, counted from 0")
        begin = len("\t".join(cells[:target])) + (target > 0)
        present = "" if is_new else cells[target]
        start, end = (line.bytes_to(min(place, len(line.text))) for place in (begin, begin + len(present)))

        def put(text: str) -> list[Edit]:
            return [Edit(start, end, (b"\t" if is_new else b"") + text.encode())]

        return Slot(Segment(cells[source], present), line.place, put)


def _position(column: int | str, names: list[str], name: str) -> int:
    if isinstance(column, int):
        return column
    if column not in names:
        raise ValueError(f"{name}: column ({column}) must be one of its columns: {', '.join(names)}")
    return names.index(column)


@dataclass(frozen=True, kw_only=True)
class JsonLinesWriter(Writer):
    """JSON Lines, as `mt.data.formats.jsonl.JsonLines` reads them, with fields inside objects ("translation.en").

    Both fields must exist; null means not translated yet. In lists of languages and translations nothing can be
    written. Characters outside ASCII are escaped in lines that escape theirs.
    """

    source_field: str
    target_field: str

    def slots(self, content: bytes, name: str) -> list[Slot]:
        return [self._slot(line, name) for line in lines_of(content, name) if line.text.strip()]

    def _slot(self, line: _Line, name: str) -> Slot:
        try:
            texts = [_text_in(line.text, field) for field in (self.source_field, self.target_field)]
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} line {line.number}: {error}") from None
        (source, _, _), (target, begin, stop) = texts
        start, end = line.bytes_to(begin), line.bytes_to(stop)
        is_ascii = line.text.isascii() and "\\u" in line.text

        def put(text: str) -> list[Edit]:
            return [Edit(start, end, json.dumps(text, ensure_ascii=is_ascii).encode())]

        return Slot(Segment(source, target), line.place, put)


def _text_in(line: str, field: str) -> tuple[str, int, int]:
    """The text of a field, and the characters of the line at which its value begins and ends. Raises ValueError."""
    start, stop = _skip(line, 0), len(line)
    value, stop = DECODER.raw_decode(line, start)
    if line[stop:].strip(BLANKS):
        raise ValueError(f"not a JSON object (more after character {stop})")
    rest = field
    while rest:
        if not isinstance(value, dict):
            raise ValueError(f"field ({field}) must be nested only in objects to be written")
        key = rest
        while key not in value:
            key, dot, _ = key.rpartition(".")
            if not dot:
                raise ValueError(f"field ({field}) must exist")
        start, stop = _value_of(line, start, key)
        value, rest = value[key], rest[len(key) + 1 :]
    if value is not None and not isinstance(value, str):
        raise ValueError(f"field ({field}) must be text, it is {type(value).__name__}")
    return value or "", start, stop


def _value_of(line: str, place: int, name: str) -> tuple[int, int]:
    """The range of a key's value in the object that begins at `place`; of a duplicate key, the last one."""
    found = (0, 0)
    place = _skip(line, place + 1)
    while line[place] != "}":
        key, place = DECODER.raw_decode(line, place)
        start = _skip(line, _skip(line, place) + 1)  # after the colon
        _, end = DECODER.raw_decode(line, start)
        if key == name:
            found = (start, end)
        place = _skip(line, end)
        if line[place] == ",":
            place = _skip(line, place + 1)
    return found


def _skip(line: str, place: int) -> int:
    while place < len(line) and line[place] in BLANKS:
        place += 1
    return place
