"""The writer of PO files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mt.data.formats.charsets import is_charset
from mt.data.formats.po import CHARSET, PLURAL_FORMS, plural_rule
from mt.data.formats.po_tokens import BLANKS, TOKEN, NotPo, joined, unescaped
from mt.data.formats.writing import Edit, Segment, Slot, Writer

ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
ESCAPES["\v"] = "\\v"
SHOWN = 60
FUZZY = re.compile(r"(?<=[\s,=])fuzzy(?=[\s,]|$)")
FUZZY_FLAG = re.compile(rb"(?<=[\s,=])fuzzy[ \t]*(?:,[ \t]*|$)|,[ \t]*fuzzy[ \t]*$")


@dataclass
class _String:
    """A quoted string: its line, and its characters there, quotes included."""

    line: int
    start: int
    end: int
    content: str


@dataclass
class _Entry:
    parts: dict[str, list[_String]] = field(default_factory=dict)
    keyword: str = ""
    is_parted: bool = False  # a blank line follows
    flags: list[int] = field(default_factory=list)  # lines with flags
    is_fuzzy: bool = False
    previous: int | None = None  # the first line with the text that a fuzzy entry was made for (#|)


@dataclass(frozen=True, kw_only=True)
class PoWriter(Writer):
    """PO files: a segment for each msgstr, and for each form of a plural entry; the source is msgid for the singular
    form and msgid_plural for the others.

    Fuzzy and untranslated entries are also segments. With `review` an entry with a new text gets the flag `fuzzy`
    (True) or loses it (False), and a template gets the charset UTF-8; None: flags are unchanged, so that a fuzzy entry
    stays fuzzy. The header and obsolete entries are not segments. A text is written in the charset of the header, on
    one line, or on one for each line that it has. It begins and ends with a line end where the msgid does, as gettext
    demands, and only there.
    """

    review: bool | None = None

    def slots(self, content: bytes, name: str) -> list[Slot]:
        return _Reader(content, name, self.review).read()

    def as_written(self, text: str, source: str) -> str:
        return _with_line_ends(text, source)


class _Reader:
    def __init__(self, content: bytes, name: str, review: bool | None) -> None:
        self._name, self._review = name, review
        self._raw = content.split(b"\n")
        self._starts = [0]
        for raw in self._raw:
            self._starts.append(self._starts[-1] + len(raw) + 1)
        self._line_end = b"\r\n" if self._raw[0].endswith(b"\r") else b"\n"
        self._charset = "utf-8"
        self._form_of_one = 0
        self._lines: list[str] = []
        self._entry = _Entry()
        self._slots: list[Slot] = []
        self._shared: list[Edit] = []  # changes of the header that come with any new text

    def read(self) -> list[Slot]:
        for number, raw in enumerate(self._raw):
            raw = raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw
            text = raw.decode("latin-1").lstrip(BLANKS)
            if not text:
                self._entry.is_parted = True
            elif text.startswith("#"):
                if self._is_complete:
                    self._finish()
                if text.startswith("#~"):
                    self._entry = _Entry()  # the flags before it belonged to it
                elif text.startswith(("#,", "#=")):
                    self._entry.flags.append(number)
                    self._entry.is_fuzzy |= FUZZY.search(text) is not None
                elif text.startswith("#|") and self._entry.previous is None:
                    self._entry.previous = number
            else:
                if self._is_complete and (self._entry.is_parted or self._is_header) and not _goes_on(text):
                    self._finish()
                self._line(number)
                continue
            self._lines.append("")
        self._finish()
        return self._slots

    @property
    def _is_complete(self) -> bool:
        return self._entry.keyword.startswith("msgstr")

    @property
    def _is_header(self) -> bool:
        return "msgctxt" not in self._entry.parts and not self._text("msgid")

    def _line(self, number: int) -> None:
        try:
            line = self._raw[number].decode(self._charset)
        except UnicodeDecodeError:
            is_before_charset = self._is_header and self._is_complete
            if not is_before_charset:
                raise self._wrong(number, f"not {self._charset.upper()}") from None
            line = self._raw[number].decode("latin-1")
        self._lines.append(line)
        place, end = len(line) - len(line.lstrip(BLANKS + "\ufeff")), len(line.rstrip(BLANKS))
        while place < end:
            token = TOKEN.match(line, place)
            if token is None:
                raise self._wrong(number, "not a PO entry")
            keyword, form, string = token.groups()
            if string is not None:
                if not self._entry.keyword:
                    raise self._wrong(number, "not a PO entry")
                one = _String(number, token.start(), token.end(), string)
                self._entry.parts[self._entry.keyword].append(one)
                self._entry.is_parted = False
            else:
                keyword = keyword if form is None else f"{keyword}[{int(form)}]"
                if self._is_complete and not keyword.startswith("msgstr["):
                    self._finish()
                if keyword in self._entry.parts:
                    raise self._wrong(number, "not a PO entry")
                self._entry.keyword = keyword
                self._entry.parts[keyword] = []
            place = token.end()
            while place < end and line[place] in BLANKS:
                place += 1

    def _finish(self) -> None:
        entry, is_header = self._entry, self._is_header
        self._entry = _Entry()
        if not entry.parts or "domain" in entry.parts:
            return
        targets = [keyword for keyword in entry.parts if keyword.startswith("msgstr")]
        if "msgid" not in entry.parts or not targets or not all(entry.parts.values()):
            first = next((one.line for strings in entry.parts.values() for one in strings), 0)
            raise self._wrong(first, "not a whole PO entry")
        if is_header:
            self._header(self._decoded(entry.parts["msgstr"]) if "msgstr" in entry.parts else "")
            return
        for keyword in targets:
            is_one = keyword in ("msgstr", f"msgstr[{self._form_of_one}]") or "msgid_plural" not in entry.parts
            source = self._decoded(entry.parts["msgid" if is_one else "msgid_plural"])
            strings = entry.parts[keyword]
            put = self._putting(strings, source, [*self._shared, *self._flag_edits(entry)])
            segment, place = Segment(source, self._decoded(strings)), f"line {strings[0].line + 1}"
            self._slots.append(Slot(segment, place, put, state="fuzzy" if entry.is_fuzzy else ""))

    def _header(self, text: str) -> None:
        charset, plural = CHARSET.search(text), PLURAL_FORMS.search(text)
        if charset and charset[1] == "CHARSET" and self._review is not None:
            # a template: gettext refuses texts that are not ASCII without a charset
            found = re.search(rb"(?<=charset=)CHARSET", b"\n".join(self._raw))
            self._shared = [Edit(found.start(), found.end(), b"UTF-8")] if found else []
        if charset and charset[1] != "CHARSET":
            if not is_charset(charset[1]):
                raise ValueError(f"{self._name}: its charset ({charset[1][:SHOWN]}) is not known here")
            self._charset = charset[1].lower()
        if plural and "EXPRESSION" not in plural[1]:
            try:
                self._form_of_one = plural_rule(plural[1])(1)
            except ValueError as error:
                raise ValueError(f"{self._name}: its Plural-Forms cannot be read ({error})") from None

    def _text(self, keyword: str) -> str:
        return "".join(one.content for one in self._entry.parts.get(keyword, []))

    def _decoded(self, strings: list[_String]) -> str:
        try:
            text = joined([unescaped(one.content, self._charset) for one in strings], self._charset)
            return text if isinstance(text, str) else text.decode(self._charset)
        except (NotPo, UnicodeDecodeError) as error:
            raise self._wrong(strings[0].line, str(error)) from None

    def _flag_edits(self, entry: _Entry) -> list[Edit]:
        """Sets or removes the flag `fuzzy`, as `review` says."""
        if self._review is None or self._review == entry.is_fuzzy:
            return []
        if self._review:
            if entry.flags:
                raw, start = self._raw[entry.flags[0]], self._starts[entry.flags[0]]
                place = start + raw.index(b"#") + 2
                return [Edit(place, place, b" fuzzy,")]
            first = min(one.line for strings in entry.parts.values() for one in strings)
            first = self._line_of_keyword(first) if entry.previous is None else entry.previous
            start = self._starts[first] + len(self._raw[first]) - len(self._raw[first].lstrip(b" \t\xef\xbb\xbf"))
            return [Edit(start, start, b"#, fuzzy" + self._line_end)]
        edits = []
        for number in entry.flags:
            raw, start = self._raw[number], self._starts[number]
            rest = FUZZY_FLAG.sub(b"", raw.rstrip())
            if rest != raw.rstrip():
                end = self._starts[number + 1]
                is_empty = not rest.strip().strip(b"#,= \t")
                edits.append(Edit(start, end, b"") if is_empty else Edit(start, start + len(raw.rstrip()), rest))
        return edits

    def _line_of_keyword(self, number: int) -> int:
        """The line of the keyword whose first string stands in a line."""
        while number and not self._raw[number].lstrip(b" \t\xef\xbb\xbf").startswith(b"msg"):
            number -= 1
        return number

    def _putting(self, strings: list[_String], source: str, flags: list[Edit]) -> Callable[[str], list[Edit]]:
        """A function that writes a text into the first of these strings, and removes lines that only hold others."""
        charset, line_end = self._charset, self._line_end
        first, *others = strings
        alone = {one.line for one in others if self._is_alone(one) and one.line != first.line}

        def put(text: str) -> list[Edit]:
            lines = _with_line_ends(text, source).split("\n")
            lines = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] or len(lines) == 1 else [])
            quoted = [_quoted(line, charset) for line in (lines if len(lines) == 1 else ["", *lines])]
            edits = [*flags, self._edit(first, line_end.join(quoted))]
            for one in others:
                if one.line in alone:
                    end = min(self._starts[one.line + 1], self._starts[-1] - 1)
                    edits.append(Edit(self._starts[one.line], end, b""))
                else:
                    edits.append(self._edit(one, b'""'))
            return edits

        return put

    def _is_alone(self, one: _String) -> bool:
        return self._lines[one.line].strip(BLANKS) == self._lines[one.line][one.start : one.end]

    def _edit(self, one: _String, new: bytes) -> Edit:
        line = self._lines[one.line]
        start, end = (
            self._starts[one.line] + len(line[:place].encode(self._charset)) for place in (one.start, one.end)
        )
        return Edit(start, end, new)

    def _wrong(self, number: int, why: str) -> ValueError:
        shown = self._raw[number][:SHOWN].decode("ascii", "replace").strip()
        return ValueError(f"{self._name} line {number + 1}: {why}: {shown}")


def _goes_on(line: str) -> bool:
    return line.startswith(('"', "msgstr"))


def _quoted(line: str, charset: str) -> bytes:
    letters = (ESCAPES.get(c) or (f"\\{ord(c):03o}" if c < " " or c == "\x7f" else c) for c in line)
    return b'"' + "".join(letters).encode(charset) + b'"'


def _with_line_ends(text: str, source: str) -> str:
    """The text with a line end at each end where the source has one; an empty text (not translated) stays empty."""
    if not text:
        return text
    if not source.startswith("\n"):
        text = text.lstrip("\n")
    elif not text.startswith("\n"):
        text = f"\n{text}"
    if not source.endswith("\n"):
        return text.rstrip("\n")
    return text if text.endswith("\n") else f"{text}\n"
