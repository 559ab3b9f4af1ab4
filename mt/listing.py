"""Lists in messages, shortened to the first few: a folder may hold a million files, a header ten thousand columns."""

from collections.abc import Collection
from itertools import islice

from mt.terminal import escaped

MOST = 10  # items that are shown
LONGEST = 80  # characters of each


def listed(items: Collection[object], *, between: str = ", ", longest: int = LONGEST) -> str:
    """The first MOST items on one line, each of at most `longest` characters, and how many more there are.

    `a, b, c … and 17 more`
    """
    shown = between.join(_short(str(item), longest) for item in islice(items, MOST))
    return f"{shown} … and {len(items) - MOST} more" if len(items) > MOST else shown


def _short(text: str, longest: int) -> str:
    return escaped(text if len(text) <= longest else f"{text[:longest]}…")
