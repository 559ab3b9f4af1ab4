"""Splits text into words, the same for links, gold, trees, context, alignment and markup."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile("[^ ]+")
# blanks at which str.split() also splits, but the rule below does not
OTHER_BLANK = re.compile(r"[^\S ]")


def split_words(text: str) -> list[str]:
    """The words of a text: separated by U+0020 only, as Pharaoh files and word aligners count them.

    A no-break space, an ideographic space or a tab is a character of its word. Double blanks give no empty words.
    """
    return WORD.findall(text)


def num_words(text: str) -> int:
    """How many words a text has."""
    return len(split_words(text))


def word_starts(text: str) -> list[int]:
    """The place of the first character of each word."""
    return [found.start() for found in WORD.finditer(text)]


def other_blank(text: str) -> str | None:
    """The first blank that does not end a word, as "U+00A0 (NO-BREAK SPACE)"; None: there is none."""
    found = OTHER_BLANK.search(text.strip())
    if found is None:
        return None
    name = unicodedata.name(found[0], "TAB" if found[0] == "\t" else "control character")
    return f"U+{ord(found[0]):04X} ({name})"
