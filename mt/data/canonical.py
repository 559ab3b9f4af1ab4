"""Makes canonically equal texts equal: Unicode's form NFC, in linear time."""

from __future__ import annotations

import unicodedata

# Sorting the marks on one letter takes quadratic time, so text is composed in stretches.
STRETCH = 1024  # characters; no language has a thousand marks on a letter


def composed(text: str) -> str:
    """The text in NFC: "é" is always one character; blanks are unchanged.

    Where more than STRETCH marks follow one another, they are not all sorted together.
    """
    if len(text) <= STRETCH or text.isascii():
        return unicodedata.normalize("NFC", text)
    parts, start = [], 0
    while start < len(text):
        end = last = start + STRETCH
        while end > start + STRETCH // 2 and not _is_start(text[end : end + 1]):
            end -= 1
        if not _is_start(text[end : end + 1]):
            end = last
        parts.append(unicodedata.normalize("NFC", text[start:end]))
        start = end
    return "".join(parts)


def is_composed(text: str) -> bool:
    """Whether `composed` leaves the text as it is."""
    return text.isascii() or composed(text) == text


def _is_start(character: str) -> bool:
    """Whether the character never joins the one before: it is not a mark, a Hangul vowel or final consonant."""
    return not (unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff") if character else True
