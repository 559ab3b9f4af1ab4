"""Which encodings a file may say that it is in."""

from __future__ import annotations

import codecs

# every ASCII character that shifts nothing, and what other encodings read as an escape of another character
PLAIN = bytes(set(range(128)) - {0x0E, 0x0F, 0x1B}) + rb"\u0041 \x41 \101 \n +AGE- ~{<Fg~} =41 %41 &#65; xn--a-b"
# codecs of Python that are for something else; two would warn of escapes when they are tried
NO_CHARSETS = frozenset("idna punycode charmap mbcs oem unicode-escape unicode_escape raw-unicode-escape".split())


def is_charset(encoding: str) -> bool:
    """Whether this encodes text, and ASCII as ASCII: not so UTF-16, UTF-7, unicode_escape, base64."""
    try:
        return codecs.lookup(encoding).name not in NO_CHARSETS and PLAIN.decode(encoding) == PLAIN.decode("ascii")
    except (LookupError, ValueError):  # ValueError: UnicodeError, and names that are none
        return False
