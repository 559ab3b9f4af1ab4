"""Mojibake: UTF-8 that was read as Latin-1 or Windows-1252 somewhere, so that "schön" became "schÃ¶n"."""

from __future__ import annotations

import re

_BYTES = bytes(range(0x80, 0xC0))  # what follows the first byte of a character in UTF-8
_WINDOWS = "".join(sorted(set(_BYTES.decode("cp1252", "ignore")) - set(_BYTES.decode("latin-1"))))
NEXT = rf"\x80-\xbf{_WINDOWS}"  # those bytes, as either encoding shows them
# Those which correct text does not have right after an accented letter: "liberté »" has a hard blank (\xa0) and a quote
# there, "Úžasný" a letter, and all three could also be the bytes of a rare character.
_ODD = r"\x80-\x9f¡-§¨¬¯±´-¶¸¼-¿€‚ƒ„ˆ‰˜"

FIRST = "ÂÃÄ-Ûâà-ïð"  # every one begins with one of these and one of `NEXT`
_MOJIBAKE = re.compile(
    rf"Â[{NEXT}]"  # "Â°", "Â "
    # "schÃ¶n", "dÃ  "; but no Portuguese or Vietnamese word in capitals before a hard blank or a quote: "AMANHÃ »"
    rf"|(?<![A-ZÀ-ÞĐ])Ã[{NEXT}]|Ã[{NEXT}](?=[^\W\d_])"
    rf"|[Ä-Û][{_ODD}]"  # "Å¡", "Ð¿"
    rf"|â[€‚„\x80\x82\x84][{NEXT}]?"  # "â€™", "â‚¬"
    rf"|[à-ï](?:[{_ODD}][{NEXT}]|[{NEXT}][{_ODD}])"  # Chinese, Thai and so on: "è¿¹"
    r"|ð[Ÿ\x9f]"  # emoji
)
_ANY = re.compile(f"[{NEXT}]")


def has_mojibake(text: str) -> bool:
    """Whether the text holds a character whose UTF-8 bytes were read as characters.

    >>> has_mojibake("schÃ¶n"), has_mojibake("schön"), has_mojibake("« liberté »")
    (True, False, False)
    """
    # most texts hold no possible second byte, and need no further check
    return not text.isascii() and _ANY.search(text) is not None and _MOJIBAKE.search(text) is not None
