"""Which encodings a file may declare."""

from __future__ import annotations

import codecs

# every ASCII character that is not a shift code, and sequences that other encodings read as escapes
PLAIN = bytes(set(range(128)) - {0x0E, 0x0F, 0x1B}) + rb"\u0041 \x41 \101 \n +AGE- ~{<Fg~} =41 %41 &#65; xn--a-b"
# Python codecs that are not charsets; two would warn about escapes when they are tried
NO_CHARSETS = frozenset("idna punycode charmap mbcs oem unicode-escape unicode_escape raw-unicode-escape".split())


def is_charset(encoding: str) -> bool:
    """Whether this encodes text, and ASCII as ASCII: not so UTF-16, UTF-7, unicode_escape, base64."""
    try:
        return codecs.lookup(encoding).name not in NO_CHARSETS and PLAIN.decode(encoding) == PLAIN.decode("ascii")
    except (LookupError, ValueError):  # ValueError: UnicodeError, and invalid names
        return False
