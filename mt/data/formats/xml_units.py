"""Translation units out of XML files of any size: what TMX and XLIFF have in common."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from xml.parsers import expat

from mt.data.fingerprint import fingerprint_of
from mt.data.formats.compressed import DamagedFile, find_file, read_blocks
from mt.data.formats.lines import UNREADABLE, is_known_encoding
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair

# Elements inside a sentence that hold or stand for formatting of the document it comes from: they go, with all that is
# in them. Others (hi, g, mrk, pc) only mark words of the sentence: the words stay.
CODES = frozenset("bpt ept ph it ut x bx ex sc ec sm em cp".split())
LINE_BREAKS = frozenset(["lb", "pb"])  # types of codes that part words as a blank does
READ_BY_EXPAT = frozenset(["utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii"])
FIRST_BYTES = {  # that show an encoding, whatever the file says of itself
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16le",
    b"\0<": "utf-16be",
}
DECLARED_ENCODING = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z][\w.-]*)""")
LINE_END = re.compile(r"[ \t\r]*\n\s*")  # and the indentation of the next line


@dataclass(frozen=True, kw_only=True)
class UnitFiles:
    """Base of a format's source of pairs: `path` is one path or a list read in turn, each by a `reader` of its own."""

    path: Paths
    source_language: str
    target_language: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))
        if language_match(self.source_language, self.target_language) == 2:
            raise ValueError(f"source_language and target_language must differ, both are {self.source_language}")

    def __iter__(self) -> Iterator[Pair]:
        for path in self.path:
            yield from self.reader(find_file(path)).read()

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of(type(self).__name__, file_stamps(self.path), self.source_language, self.target_language)

    def reader(self, path: Path) -> UnitReader:
        """What reads one file."""
        raise NotImplementedError


class UnitReader:
    """Base of a format, for one file: the `on_` methods say what its elements mean and collect `pairs`.

    An element whose content is a sentence calls `begin_text` at its start; `on_text` gets the sentence at its end, and
    what is inside is shown to nobody. Names come without their namespace's prefix.
    """

    format = ""  # what such a file is called
    root = ""  # its outermost element

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pairs: list[Pair] = []
        self.num_units = 0  # read so far, whether they gave a pair or not
        self.fault: Fault | None = None  # of the sentences since it was last taken away
        self._parser: Any = None
        self._text: list[str] = []  # of the sentence that is being read
        self._text_name = ""
        self._depth = 0  # of elements inside that sentence; the element that holds it is 1, and 0 is outside
        self._code_depth = 0  # where the code began that is being skipped

    def on_start(self, name: str, attributes: dict[str, str]) -> None:
        """An element starts, outside of all sentences."""

    def on_text(self, name: str, text: str) -> None:
        """An element with a sentence has ended."""

    def on_end(self, name: str) -> None:
        """Another element has ended."""

    def on_file_end(self) -> None:
        """The whole file was read."""

    def begin_text(self, name: str) -> None:
        """The content of the element that has just started is a sentence."""
        self._text_name, self._text, self._depth = name, [], 1
        self._parser.CharacterDataHandler = self._text.append

    def read(self) -> Iterator[Pair]:
        """All pairs of the file.

        Where it is damaged or no well-formed XML, a last pair with a fault stands for the rest. Raises ValueError when
        it is another kind of file or declares entities: what these stand for can be larger than any memory, or another
        file.
        """
        blocks = read_blocks(self.path)
        try:
            first = next(blocks, b"")
            for content in self._prepared(chain([first], blocks), _encoding(first)):
                self._parser.Parse(content, False)
                yield from self.pairs
                self.pairs.clear()
            self._parser.Parse(b"", True)
        except (expat.ExpatError, DamagedFile, UnicodeError) as error:
            yield from self.pairs
            message = f"{self.path}: unreadable after unit {self.num_units}: {_why(error)}"
            yield Pair("", "", fault=Fault(UNREADABLE, message))
            return
        yield from self.pairs
        self.on_file_end()

    def _prepared(self, blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        """The blocks in an encoding that the parser, which is made here, can read."""
        if encoding in READ_BY_EXPAT:
            self._start_parser(encoding)
            yield from blocks
            return
        if not is_known_encoding(encoding):
            raise ValueError(f"{self.path}: its encoding ({encoding}) is not known here")
        decoder = codecs.getincrementaldecoder(encoding)()
        self._start_parser("utf-8")
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", True).encode()

    def _start_parser(self, encoding: str) -> None:
        self._parser = parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.StartElementHandler = self._check_root
        parser.EndElementHandler = self._end
        parser.EntityDeclHandler = self._refuse_entity
        parser.SkippedEntityHandler = self._skipped_entity

    def _check_root(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] != self.root:
            raise ValueError(f"{self.path}: must be {self.format}, but its outermost element is <{name}>")
        self._parser.StartElementHandler = self._start
        self._start(name, attributes)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if not self._depth:
            self.on_start(name, attributes)
            return
        self._depth += 1
        if name in CODES and not self._code_depth:
            self._code_depth = self._depth
            self._parser.CharacterDataHandler = None
            kinds = (attributes.get(kind, "") for kind in ("type", "ctype", "subType"))
            if not LINE_BREAKS.isdisjoint(kind.rpartition(":")[2] for kind in kinds):
                self._text.append(" ")

    def _end(self, name: str) -> None:
        if not self._depth:
            self.on_end(name.rpartition(":")[2] if ":" in name else name)
            return
        if self._code_depth == self._depth:
            self._code_depth = 0
            self._parser.CharacterDataHandler = self._text.append
        self._depth -= 1
        if not self._depth:
            self._parser.CharacterDataHandler = None
            text = "".join(self._text)
            if "\n" in text:
                text = LINE_END.sub(" ", text).strip(" ")
            self.on_text(self._text_name, text)

    def _refuse_entity(self, name: str, *_: object) -> None:
        place = f"{self.path} line {self._parser.CurrentLineNumber}"
        raise ValueError(f"{place}: the entity {name} is declared, and files that declare entities are not read")

    def _skipped_entity(self, name: str, is_parameter: bool) -> None:
        # in a file with an external document type, which is not fetched, any entity may be declared there
        if self._depth and not self._code_depth:
            place = f"{self.path} line {self._parser.CurrentLineNumber}"
            self.fault = Fault("unknown entity", f"{place}: the entity &{name}; is not known")


def language_match(language: str, wanted: str) -> int:
    """How well a language tag fits the wanted one, in any case: 2 the same, 1 a kind of it (en-US of en), 0 not."""
    language, wanted = (tag.lower().replace("_", "-") for tag in (language, wanted))
    return 2 if language == wanted else int(language.startswith(f"{wanted}-"))


def _encoding(first: bytes) -> str:
    for start, encoding in FIRST_BYTES.items():
        if first.startswith(start):
            return encoding
    declared = DECLARED_ENCODING.match(first)
    return declared[1].decode().lower() if declared else "utf-8"


def _why(error: Exception) -> str:
    if isinstance(error, expat.ExpatError):
        place = f"line {error.lineno}, column {error.offset + 1}"
        return f"not well-formed XML at {place} ({expat.ErrorString(error.code)})"
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding} (0x{error.object[error.start]:02x})"
    return str(error)
