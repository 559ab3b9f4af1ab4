"""PO files, the translations of programs with gettext."""

from __future__ import annotations

import gettext
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mt.data.fingerprint import fingerprint_of
from mt.data.formats.compressed import DamagedFile, find_file, read_blocks
from mt.data.formats.lines import FaultyLine, in_one_line, is_known_encoding, scan_lines
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair

log = logging.getLogger(__name__)

CHARSET = re.compile(rb"charset=([\w.:-]+)")
PLURAL_FORMS = re.compile(r"^plural-forms:.*?\bplural\s*=\s*([^;\n]+)", re.IGNORECASE | re.MULTILINE)
LINE = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)?\s*(.*)")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)")
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
NOT_PO = "not a PO entry"
SHOWN_CHARACTERS = 60  # of a wrong line
SAMPLE = range(200)  # numbers that show which plural form is used most


@dataclass(frozen=True, kw_only=True)
class Po:
    """Pairs from PO files in any encoding, plain or compressed; `path` is one path or a list read in turn.

    The source is the msgid, with `reverse` the msgstr. No pairs, but counted in the log, are entries that are fuzzy,
    obsolete or not translated. A plural entry gives two: msgid with the form for one, msgid_plural with the form that
    most numbers take; only the latter where both are the same. A line end inside a sentence becomes a blank. An entry
    with a line that is not PO, or not in the file's encoding, is a fault.
    """

    path: Paths
    reverse: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))

    def __iter__(self) -> Iterator[Pair]:
        for path in self.path:
            for pair in _PoReader(find_file(path)).read():
                yield pair._replace(source=pair.target, target=pair.source) if self.reverse else pair

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of("Po", file_stamps(self.path), self.reverse)


@dataclass
class _Entry:
    texts: dict[str, str] = field(default_factory=dict)  # by keyword, as they are written
    keyword: str = ""  # whose text goes on in the next line
    is_fuzzy: bool = False
    fault: Fault | None = None

    @property
    def is_complete(self) -> bool:
        """Whether a comment or another msgid belongs to the next entry."""
        return self.keyword.startswith("msgstr")

    def text(self, keyword: str) -> str:
        """The text of a keyword, "" where it is not there."""
        return in_one_line(ESCAPE.sub(_unescaped, self.texts.get(keyword, "")))


class _PoReader:
    """The entries of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entry = _Entry()
        self._form_of: Callable[[int], int] = gettext.c2py("n != 1")  # unless the header says otherwise
        self._num_of: Counter[str] = Counter()

    def read(self) -> Iterator[Pair]:
        for number, line in enumerate(scan_lines(self._path, encoding=self._encoding()), start=1):
            if isinstance(line, FaultyLine):
                if line.ends_file:
                    yield Pair("", "", fault=line.fault)
                    return
                self._wrong(line.fault)
                line = line.text
            yield from self._line(line.strip(), number)
        yield from self._finished()
        if self._num_of["fuzzy"] or self._num_of["obsolete"] or self._num_of["untranslated"]:
            log.info(
                "%s: left out %d fuzzy, %d obsolete and %d untranslated entries",
                *(self._path, self._num_of["fuzzy"], self._num_of["obsolete"], self._num_of["untranslated"]),
            )

    def _encoding(self) -> str:
        try:
            charset = CHARSET.search(next(read_blocks(self._path), b""))
        except DamagedFile:  # told when the lines are read
            charset = None
        encoding = charset[1].decode().lower() if charset else "utf-8"
        if encoding == "charset":  # of a file that nobody has filled in
            return "utf-8"
        if not is_known_encoding(encoding):
            raise ValueError(f"{self._path}: its charset ({encoding}) is not known here")
        return encoding

    def _line(self, line: str, number: int) -> Iterator[Pair]:
        ends_entry = not line or (self._entry.is_complete and line.startswith(("#", "msgid", "msgctxt")))
        if ends_entry and (self._entry.is_complete or self._entry.fault):
            yield from self._finished()
        if line.startswith("#~"):
            self._num_of["obsolete"] += bool(re.match(r'#~\s*msgid\s*"', line))
            self._entry = _Entry()  # the flags before it were its own
        elif line.startswith("#,"):
            self._entry.is_fuzzy |= "fuzzy" in re.split(r"[,\s]+", line)
        elif line and not line.startswith("#"):
            keyword, written = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
            is_twice = keyword in self._entry.texts
            self._entry.keyword = keyword = keyword or self._entry.keyword
            string = STRING.fullmatch(written)
            if keyword and string and not is_twice:
                self._entry.texts[keyword] = self._entry.texts.get(keyword, "") + string[1]
            else:
                shown = line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
                self._wrong(Fault(NOT_PO, f"{self._path} line {number}: not a PO entry: {shown}"))

    def _wrong(self, fault: Fault) -> None:
        self._entry.fault = self._entry.fault or fault

    def _finished(self) -> Iterator[Pair]:
        """The pairs of the entry that is complete, and a new entry."""
        entry, self._entry = self._entry, _Entry()
        if entry.fault is not None:
            yield Pair(entry.text("msgid"), entry.text("msgstr") or entry.text("msgstr[0]"), fault=entry.fault)
        elif not entry.text("msgid"):
            yield from self._header(entry)
        elif entry.is_fuzzy:
            self._num_of["fuzzy"] += 1
        else:
            pairs = [pair for pair in self._pairs(entry) if pair.target]
            self._num_of["untranslated"] += not pairs
            yield from pairs

    def _pairs(self, entry: _Entry) -> Iterator[Pair]:
        if "msgid_plural" not in entry.texts:
            yield Pair(entry.text("msgid"), entry.text("msgstr"))
            return
        one = self._form_of(1)
        ((most, _),) = Counter(map(self._form_of, SAMPLE)).most_common(1)
        if one != most:
            yield Pair(entry.text("msgid"), entry.text(f"msgstr[{one}]"))
        yield Pair(entry.text("msgid_plural"), entry.text(f"msgstr[{most}]"))

    def _header(self, entry: _Entry) -> Iterator[Pair]:
        text = ESCAPE.sub(_unescaped, entry.texts.get("msgstr", ""))
        plural = PLURAL_FORMS.search(text)
        if plural is None or "EXPRESSION" in plural[1]:  # of a file that nobody has filled in
            return
        try:
            form_of = gettext.c2py(plural[1])
            form_of(0)
            self._form_of = form_of
        except (ValueError, ZeroDivisionError) as error:
            yield Pair("", text, fault=Fault(NOT_PO, f"{self._path}: its Plural-Forms cannot be read ({error})"))


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    return ESCAPED.get(code, code)
