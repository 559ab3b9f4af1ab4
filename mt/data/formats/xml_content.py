"""The content of an XML file, converted from its encoding to UTF-8."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from mt.data.formats.undecoded import UNDECODED_ERRORS

FIRST_BYTES = {  # that identify an encoding, before the declaration counts
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16le",
    b"\0<": "utf-16be",
}
DECLARED_ENCODING = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z][\w.-]*)""")


def encoding_of(first: bytes) -> str:
    """The encoding of a file with these first bytes, by its byte order mark or its declaration."""
    for start, encoding in FIRST_BYTES.items():
        if first.startswith(start):
            return encoding
    declared = DECLARED_ENCODING.match(first[:1000])
    encoding = declared[1].decode().lower() if declared else "utf-8"
    return "utf-8" if encoding in ("utf8", "us-ascii", "ascii") else encoding


def in_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The blocks in UTF-8, with `undecoded.UNDECODED`, which XML refuses, in place of bytes not in the encoding.

    UTF-8 is passed through.
    """
    if encoding == "utf-8":
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)(UNDECODED_ERRORS)
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", True).encode()
