"""The words of PO files as GNU gettext reads them: keywords, and strings with their escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator

BLANKS = " \t\r\f\v"
TOKEN = re.compile(
    r"(msgctxt|msgid_plural|msgid|domain|msgstr)(?![\w$])[ \t]*(?:\[[ \t]*(\d{1,9})[ \t]*\])?"
    r'|"([^"\\]*(?:\\.[^"\\]*)*)"'
)
# The escapes of C without \' and \?, which gettext does not know either; a hexadecimal one may have any length.
ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]+)|([0-7]{1,3})|([abfnrtv"\\])|)')
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\"}

Text = str | bytes  # bytes: with escapes that stand for bytes of the file's charset


class NotPo(ValueError):
    """A line that gettext would refuse, with the reason."""


def tokens(line: str, charset: str) -> Iterator[tuple[str, Text]]:
    """The keywords of a line, ("msgid", "") or ("msgstr[1]", ""), and its strings, ("", text).

    The line is neither blank nor a comment. A string has its escapes replaced. Raises NotPo where the line cannot be
    read; what comes before that place is yielded.
    """
    place, end = 0, len(line.rstrip(BLANKS))
    while place < end:
        token = TOKEN.match(line, place)
        if token is None:
            raise NotPo("not a PO entry")
        keyword, form, string = token.groups()
        if string is not None:
            yield "", unescaped(string, charset)
        elif form is not None and keyword != "msgstr":
            raise NotPo("not a PO entry")
        else:
            yield keyword if form is None else f"{keyword}[{int(form)}]", ""
        place = token.end()
        while place < end and line[place] in BLANKS:
            place += 1


def unescaped(string: str, charset: str) -> Text:
    """The content of a string. Raises NotPo for an invalid escape."""
    if "\\" not in string:
        return string
    parts: list[Text] = []
    place = 0
    while (start := string.find("\\", place)) >= 0:
        escape = ESCAPE.match(string, start)
        assert escape is not None  # a backslash is enough to match
        hexadecimal, octal, letter = escape.groups()
        parts.append(string[place:start])
        if letter:
            parts.append(ESCAPED[letter])
        elif hexadecimal or octal:
            # a byte takes the last eight bits of a longer number, as in gettext
            byte = int(hexadecimal[-2:], 16) if hexadecimal else int(octal, 8) & 0xFF
            if byte == 0:
                raise NotPo("an escape of the NUL character")
            parts.append(bytes([byte]))
        else:
            raise NotPo(f"an invalid escape ({string[start : start + 2]})")
        place = escape.end()
    return joined([*parts, string[place:]], charset)


def joined(parts: list[Text], charset: str) -> Text:
    """The parts as one text; bytes if one of them is."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "".join(texts)
    try:
        return b"".join(part if isinstance(part, bytes) else part.encode(charset) for part in parts)
    except UnicodeEncodeError:
        raise NotPo(f"escapes of bytes next to characters that are not {charset.upper()}") from None
