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
from mt.data.formats.charsets import is_charset
from mt.data.formats.compressed import find_file
from mt.data.formats.lines import FaultyLine, in_one_line, scan_lines
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.formats.po_tokens import BLANKS, NotPo, Text, joined, tokens
from mt.data.pair import Fault, Pair

log = logging.getLogger(__name__)

CHARSET = re.compile(r"charset=([^ \t\n]+)")
PLURAL_FORMS = re.compile(r"^plural-forms:(.*)", re.IGNORECASE | re.MULTILINE)
NUM_PLURALS = re.compile(r"\bnplurals\s*=\s*(\d{1,9})(?!\d)")
PLURAL = re.compile(r"\bplural\s*=\s*([^;]+)")
NOT_PO = "not a PO entry"
TOO_LONG = "too long PO entry"
ENTRY_CHARACTERS = 1 << 22  # of all texts of an entry; a longer entry is a fault
SHOWN_CHARACTERS = 60  # of a wrong line, and of a wrong charset
SAMPLE = range(200)  # numbers for finding the most used plural form
CHECKED = range(1001)  # numbers for which a plural rule is tried, as msgfmt does


@dataclass(frozen=True, kw_only=True)
class Po:
    """Pairs from PO files, plain or compressed, read as GNU gettext reads them; `path` is one path or a list.

    The source is the msgid, with `reverse` the msgstr. Entries that are fuzzy, obsolete or not translated are
    skipped, and counted in the log. A plural entry gives two: msgid with the form for one, msgid_plural with the form
    that most numbers take; only the latter if both are the same. A line end inside a sentence becomes a blank. A fault
    is an entry that gettext would refuse, that is not in the charset of the header or longer than ENTRY_CHARACTERS, and
    a header whose charset or plural rule cannot be used; with an unknown charset every entry is a fault.
    """

    path: Paths
    reverse: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))

    def __iter__(self) -> Iterator[Pair]:
        for path in path_list(self.path):
            for pair in _PoReader(find_file(path)).read():
                yield pair._replace(source=pair.target, target=pair.source) if self.reverse else pair

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of("Po", file_stamps(path_list(self.path)), self.reverse)


@dataclass
class _Entry:
    parts: dict[str, list[Text]] = field(default_factory=dict)  # the strings by keyword
    keyword: str = ""  # the last one: the next string belongs to it
    has_string: bool = False  # after the last keyword
    size: int = 0  # characters of all strings
    line: int = 0  # of its first keyword
    is_fuzzy: bool = False
    is_parted: bool = False  # a blank line follows
    fault: Fault | None = None

    @property
    def is_complete(self) -> bool:
        return self.keyword.startswith("msgstr")

    @property
    def is_header(self) -> bool:
        return "msgctxt" not in self.parts and "msgid" in self.parts and not any(self.parts["msgid"])

    def expects(self, keyword: str) -> bool:
        """Whether gettext accepts this keyword next."""
        if self.keyword and not self.has_string:
            return False
        if keyword == "msgctxt":
            return not self.keyword
        if keyword == "msgid":
            return self.keyword in ("", "msgctxt")
        if keyword in ("msgid_plural", "msgstr"):
            return self.keyword == "msgid"
        num_forms = sum(one.startswith("msgstr[") for one in self.parts)
        return "msgid_plural" in self.parts and keyword == f"msgstr[{num_forms}]"

    def text(self, keyword: str, charset: str, errors: str = "strict") -> str:
        """The text of a keyword, "" where it is missing. Raises NotPo, UnicodeDecodeError."""
        text = joined(self.parts.get(keyword, []), charset)
        return text if isinstance(text, str) else text.decode(charset, errors)


class _PoReader:
    """The entries of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entry = _Entry()
        self._charset = "utf-8"  # unless the header says otherwise
        self._has_header = False
        self._charset_fault: Fault | None = None
        self._form_of: Callable[[int], int] = gettext.c2py("n != 1")  # unless the header says otherwise
        self._num_of: Counter[str] = Counter()

    def read(self) -> Iterator[Pair]:
        # latin-1 can decode any bytes: the charset may change inside a file, and is known only after the header
        for number, line in enumerate(scan_lines(self._path, encoding="latin-1"), start=1):
            if not isinstance(line, FaultyLine):
                yield from self._line(line.lstrip(BLANKS), number)
            elif line.ends_file:
                yield Pair("", "", fault=line.fault)
                return
            else:
                self._wrong(line.fault)
        yield from self._finished()
        if self._num_of["fuzzy"] or self._num_of["obsolete"] or self._num_of["untranslated"]:
            log.info(
                "%s: left out %d fuzzy, %d obsolete and %d untranslated entries",
                *(self._path, self._num_of["fuzzy"], self._num_of["obsolete"], self._num_of["untranslated"]),
            )

    def _line(self, line: str, number: int) -> Iterator[Pair]:
        if not line:
            if self._entry.fault:
                yield from self._finished()
            self._entry.is_parted = True
        elif line.startswith("#"):
            if self._entry.is_complete or (self._entry.parts and line.startswith("#~")):
                yield from self._finished()
            self._comment(line)
        else:
            # Ends a header before the next line is decoded, and an entry before a wrong line that follows a blank one.
            if self._entry.is_complete and (
                (self._entry.is_parted and not line.startswith('"'))
                or (self._entry.is_header and not line.startswith(('"', "msgstr")))
            ):
                yield from self._finished()
            line, fault = self._decoded(line, number)
            try:
                for keyword, text in tokens(line, self._charset):
                    if not keyword:
                        self._add(text, line, number)
                        continue
                    if self._entry.is_complete and not keyword.startswith("msgstr"):
                        yield from self._finished()
                    self._begin(keyword, line, number)
            except NotPo as error:
                self._wrong_line(str(error), line, number)
            if fault is not None:
                self._wrong(fault)

    def _decoded(self, line: str, number: int) -> tuple[str, Fault | None]:
        if line.isascii() and "\x1b" not in line:  # the character that begins an escape of ISO-2022
            return line, None
        raw = line.encode("latin-1")
        try:
            return raw.decode(self._charset), None
        except UnicodeDecodeError as error:
            if self._entry.is_header and not self._has_header and line.startswith(('"', "msgstr")):
                return line, None  # the header declares its charset later
            name, byte = self._charset.upper(), f"byte {error.start + 1} (0x{raw[error.start]:02x})"
            fault = Fault(f"not {name}", f"{self._path} line {number}: not {name} at {byte}")
            return raw.decode(self._charset, "replace"), fault

    def _comment(self, line: str) -> None:
        if line.startswith("#~"):
            self._num_of["obsolete"] += bool(re.match(r'#~[ \t]*msgid[ \t]*"', line))
            self._entry = _Entry()  # the flags before it belonged to it
        elif line.startswith(("#,", "#=")):
            self._entry.is_fuzzy |= "fuzzy" in re.split(r"[,\s]+", line[2:])

    def _begin(self, keyword: str, line: str, number: int) -> None:
        entry = self._entry
        if keyword == "domain" and not entry.parts:
            self._entry = _Entry(keyword=keyword)
            return
        if not entry.expects(keyword):
            self._wrong_line(NOT_PO, line, number)
        entry.line = entry.line or number
        entry.keyword, entry.has_string = keyword, False
        entry.parts.setdefault(keyword, [])

    def _add(self, text: Text, line: str, number: int) -> None:
        entry = self._entry
        if entry.keyword == "domain":  # its header follows
            self._form_of = gettext.c2py("n != 1")
            self._entry = _Entry()
        elif not entry.keyword:
            self._wrong_line(NOT_PO, line, number)
        else:
            entry.has_string, entry.is_parted = True, False
            entry.size += len(text)
            if entry.size > ENTRY_CHARACTERS:
                reason = f"an entry of more than {ENTRY_CHARACTERS:,} characters"
                self._wrong(Fault(TOO_LONG, f"{self._path} line {entry.line}: {reason}"))
            elif text:
                entry.parts[entry.keyword].append(text)

    def _wrong_line(self, why: str, line: str, number: int) -> None:
        shown = line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
        self._wrong(Fault(NOT_PO, f"{self._path} line {number}: {why}: {shown.rstrip(BLANKS)}"))

    def _wrong(self, fault: Fault) -> None:
        self._entry.fault = self._entry.fault or fault

    def _finished(self) -> Iterator[Pair]:
        """The pairs of the entry, and a new entry."""
        entry = self._entry
        if (entry.parts or entry.keyword) and not (entry.is_complete and entry.has_string):
            self._wrong(Fault(NOT_PO, f"{self._path} line {entry.line}: not a whole PO entry"))
        self._entry = _Entry()
        if entry.fault is not None:
            yield self._faulty(entry, entry.fault)
        elif not entry.parts:
            return
        elif entry.is_header:
            yield from self._header(entry)
        elif self._charset_fault is not None:
            yield self._faulty(entry, self._charset_fault)
        elif entry.is_fuzzy:
            self._num_of["fuzzy"] += 1
        else:
            yield from self._translated(entry)

    def _translated(self, entry: _Entry) -> Iterator[Pair]:
        try:
            pairs = [pair for pair in self._pairs(entry) if pair.target]
        except NotPo as error:
            yield self._faulty(entry, Fault(NOT_PO, f"{self._path} line {entry.line}: {error}"))
        except UnicodeDecodeError as error:
            name, byte = self._charset.upper(), f"(0x{error.object[error.start]:02x})"
            message = f"{self._path} line {entry.line}: an entry whose escapes are not {name} {byte}"
            yield self._faulty(entry, Fault(f"not {name}", message))
        else:
            self._num_of["untranslated"] += not pairs
            yield from pairs

    def _pairs(self, entry: _Entry) -> Iterator[Pair]:
        def text(keyword: str) -> str:
            return in_one_line(entry.text(keyword, self._charset))

        if "msgid_plural" not in entry.parts:
            yield Pair(text("msgid"), text("msgstr"))
            return
        one = self._form_of(1)
        ((most, _),) = Counter(map(self._form_of, SAMPLE)).most_common(1)
        if one != most:
            yield Pair(text("msgid"), text(f"msgstr[{one}]"))
        yield Pair(text("msgid_plural"), text(f"msgstr[{most}]"))

    def _faulty(self, entry: _Entry, fault: Fault) -> Pair:
        def shown(keyword: str) -> str:
            try:
                return in_one_line(entry.text(keyword, self._charset, "replace"))
            except NotPo:
                return ""

        return Pair(shown("msgid"), shown("msgstr") or shown("msgstr[0]"), fault=fault)

    def _header(self, entry: _Entry) -> Iterator[Pair]:
        try:
            text = entry.text("msgstr", self._charset, "replace")
        except NotPo:  # escapes mixed with characters of a charset that is not known yet: the header fields are ASCII
            text = "".join(part for part in entry.parts["msgstr"] if isinstance(part, str))
        self._has_header = True
        self._charset_fault = None
        charset = CHARSET.search(text)
        if charset and charset[1] != "CHARSET":  # the template's placeholder
            if is_charset(charset[1]):
                self._charset = charset[1].lower()
            else:
                shown = charset[1][:SHOWN_CHARACTERS]
                message = f"{self._path} line {entry.line}: its charset ({shown}) is not known here"
                self._charset, self._charset_fault = "latin-1", Fault("unknown charset", message)
                yield Pair("", in_one_line(text), fault=self._charset_fault)
        plural = PLURAL_FORMS.search(text)
        if plural and "EXPRESSION" not in plural[1]:  # as above
            try:
                self._form_of = plural_rule(plural[1])
            except ValueError as error:
                message = f"{self._path} line {entry.line}: its Plural-Forms cannot be read ({error})"
                yield Pair("", in_one_line(text), fault=Fault(NOT_PO, message))


def plural_rule(text: str) -> Callable[[int], int]:
    """The function from a number to its plural form that a header names. Raises ValueError."""
    rule, num_forms = PLURAL.search(text), NUM_PLURALS.search(text)
    if rule is None or num_forms is None:
        raise ValueError("they must be: nplurals=NUMBER; plural=EXPRESSION;")
    form_of = gettext.c2py(rule[1].strip())
    for number in CHECKED:
        try:
            form = form_of(number)
        except ArithmeticError as error:
            raise ValueError(f"{error} for n = {number}") from None
        if not 0 <= form < int(num_forms[1]):
            raise ValueError(f"form {form} for n = {number}, nplurals is {num_forms[1]}")
    return form_of
