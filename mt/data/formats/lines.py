"""Lines of a text file, plain or compressed, exactly as a parallel corpus means them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mt.data.formats.compressed import DamagedFile, find_file, read_blocks
from mt.data.pair import Fault

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UNREADABLE = "unreadable rest of file"  # the reason of the fault that ends a file


class FaultyLine(NamedTuple):
    """A line that cannot be read: what can be shown of it, and what is wrong."""

    text: str
    fault: Fault

    @property
    def ends_file(self) -> bool:
        """Whether this stands for the rest of a file, and not for one line."""
        return self.fault.reason == UNREADABLE


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their line ends.

    Only "\\n" and "\\r\\n" end a line: a Unicode line separator, a form feed or a lone "\\r" stays inside its sentence,
    so that line n of both languages is the same sentence. A byte order mark at the start of the file is removed.
    Raises ValueError naming file, line and byte when the file is not UTF-8 (byte 0 is the first one, uncompressed), or
    file and line when a compressed file is damaged.
    """
    for line in scan_lines(path):
        if isinstance(line, FaultyLine):
            raise ValueError(line.fault.message)
        yield line


def scan_lines(path: str | Path, *, encoding: str = "utf-8") -> Iterator[str | FaultyLine]:
    """Yield the same lines, but a line that cannot be read as a FaultyLine, and go on.

    Where a compressed file is damaged, a last FaultyLine for the reason UNREADABLE stands for the rest. Every line of
    an `encoding` other than UTF-8 must end in the byte of "\\n", too.
    """
    path = find_file(path)
    number, start = 0, 0  # lines and bytes before `unended`
    unended: list[bytes] = []
    blocks = read_blocks(path)
    while True:
        try:
            block = next(blocks, None)
        except DamagedFile as error:
            message = f"{path}: unreadable after line {number}: {error}"
            yield FaultyLine(b"".join(unended).decode(encoding, "replace"), Fault(UNREADABLE, message))
            return
        if block is None:
            break
        end = block.rfind(b"\n") + 1
        unended.append(block[:end] if end else block)
        if end:
            content = b"".join(unended)
            lines = _decoded(content, number, start, path, encoding)
            yield from lines
            number += len(lines)
            start += len(content)
            unended = [block[end:]]
    yield from _decoded(b"".join(unended), number, start, path, encoding)


def in_one_line(text: str) -> str:
    """The text with a blank for each line end inside; line ends before and behind it go."""
    return text.replace("\r\n", "\n").strip("\n").replace("\n", " ") if "\n" in text else text


def _decoded(content: bytes, number: int, start: int, path: Path, encoding: str) -> list[str | FaultyLine]:
    """The lines of `content`, which starts at byte `start`, behind line `number`."""
    skipped = len(BYTE_ORDER_MARK) if start == 0 and content.startswith(BYTE_ORDER_MARK) else 0
    try:  # all at once is ten times as fast as line by line
        text = content[skipped:].decode(encoding)
    except UnicodeDecodeError:
        return list(_decoded_singly(content[skipped:], number, start + skipped, path, encoding))
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    if not lines[-1]:  # behind the last "\n"
        lines.pop()
    return lines  # type: ignore[return-value]


def _decoded_singly(content: bytes, number: int, start: int, path: Path, encoding: str) -> Iterator[str | FaultyLine]:
    raw_lines = content.split(b"\n")
    for place, raw in enumerate(raw_lines, start=1):
        if place < len(raw_lines):
            line = raw.removesuffix(b"\r")
        elif raw:  # the last line of a file, that nothing ends
            line = raw
        else:
            return
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            name = encoding.upper()
            where = f"line {number + place}, byte {start + error.start} (0x{line[error.start]:02x})"
            yield FaultyLine(line.decode(encoding, "replace"), Fault(f"not {name}", f"{path}: not {name} at {where}"))
        start += len(raw) + 1
