"""ICU messages with branches: `{count, plural, one {# file} other {# files}}`, also `select` and `selectordinal`.

The grammar is that of ICU's MessageFormat (https://unicode-org.github.io/icu/userguide/format_parse/messages/): text
between apostrophes that begins with a brace is quoted; `''` is an apostrophe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

START = r"\{\s{0,9}[\w.-]{1,99}\s{0,9},\s{0,9}(?P<kind>plural|selectordinal|select)\s{0,9},"
MAX_DEPTH = 8  # of messages in branches of messages

_START = re.compile(START)
_OFFSET = re.compile(r"\s*offset:\s*\d+")
_SELECTOR = re.compile(r"\s*(?:=\d+|[\w-]+)\s*\{")
_END = re.compile(r"\s*\}")
_SIGN = re.compile(r"[{}]|'(?=[{}])|''")


@dataclass(frozen=True)
class Frame:
    """A message and its branches: `frame` has one part more than `branches`, which come between its parts.

    `stop`: where it ends in its line. `has_numbers`: `#` in the branches means the number.
    """

    stop: int
    frame: tuple[str, ...]
    branches: tuple[str, ...]
    has_numbers: bool


def read_frame(line: str, start: int) -> Frame | None:
    """The message that begins at `start`; None where the line has no complete one there.

    Blanks at the edges of a branch belong to the frame.
    """
    found = _START.match(line, start)
    if found is None:
        return None
    place = found.end()
    has_numbers = found["kind"] != "select"
    if has_numbers and (offset := _OFFSET.match(line, place)):
        place = offset.end()
    frame, branches, begin = [], [], start
    while selector := _SELECTOR.match(line, place):
        stop = _branch_end(line, selector.end())
        if stop is None:
            return None
        branch = line[selector.end() : stop]
        text_start = stop - len(branch.lstrip()) if branch.strip() else stop
        text_stop = text_start + len(branch.strip())
        frame.append(line[begin:text_start])
        branches.append(line[text_start:text_stop])
        begin, place = text_stop, stop + 1
    end = _END.match(line, place)
    if end is None or not branches:
        return None
    return Frame(end.end(), (*frame, line[begin : end.end()]), tuple(branches), has_numbers)


def _branch_end(line: str, start: int) -> int | None:
    """The place of the brace that closes a branch."""
    depth, place = 0, start
    while found := _SIGN.search(line, place):
        place = found.end()
        if found[0] == "'":  # quoted, up to the next apostrophe
            closing = line.find("'", place)
            place = closing + 1 if closing >= 0 else len(line)
        elif found[0] == "{":
            depth += 1
        elif found[0] == "}":
            if depth == 0:
                return found.start()
            depth -= 1
    return None
