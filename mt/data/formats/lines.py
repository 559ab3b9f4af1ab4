"""Lines of text: one reader for every command, for files, pipes and standard input, plain or compressed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from mt.data.formats.compressed import DamagedFile, blocks_of, compression_of, find_file, read_blocks
from mt.data.pair import Fault

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UNREADABLE = "unreadable rest of file"  # the reason of the fault that ends a file
LONGEST_LINE = 1 << 22  # bytes; a longer line is a fault, so that no file can fill the memory with one
LONG = f"line over {LONGEST_LINE >> 20} MiB"  # the reason of that fault
SHOWN_BYTES = 1000  # of such a line, kept for messages
STDIN, STANDARD_INPUT = "-", "standard input"  # its path in commands that read sentences, its name in messages

# Byte order marks of other encodings of Unicode; longer ones first, since they begin with the shorter ones.
OTHER_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# Positions of NUL bytes in ASCII letters, in encodings without a byte order mark.
NULS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "UTF-32LE",
    (True, True, True, False): "UTF-32BE",
    (False, True, False, True): "UTF-16LE",
    (True, False, True, False): "UTF-16BE",
}
START_BYTES = 1024  # a text has no NUL among its first 4 bytes, and at most 8, or one in 16, among this many


class FaultyLine(NamedTuple):
    """A line that cannot be read: its readable part, and its fault."""

    text: str
    fault: Fault

    @property
    def ends_file(self) -> bool:
        """Whether this represents the rest of a file, not one line."""
        return self.fault.reason == UNREADABLE


Line = str | FaultyLine


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, or of standard input for "-", without their line ends.

    Only "\\n" and "\\r\\n" end a line: a Unicode line separator, a form feed or a lone "\\r" stays inside its sentence,
    so that line n of both languages is the same sentence. A byte order mark at the start is removed. Compression
    is recognised by the first bytes, not by the name.

    Raises ValueError naming file, line and byte when the file is not UTF-8 (byte 0 is the first one, uncompressed),
    file and line when a compressed file is damaged or a line is longer than LONGEST_LINE bytes; and as `portions` does.
    """
    for line in chain.from_iterable(portions_of(path)):
        if isinstance(line, FaultyLine):
            raise ValueError(line.fault.message)
        yield line


def check_lines(first: str | Path, lines: Sequence[str], others: Iterable[tuple[str | Path, Sequence[str]]]) -> None:
    """Raises ValueError where `lines` of the file `first` are none, or those of another file are not as many."""
    if not lines:
        raise ValueError(f"{first} has no lines: there is nothing to score")
    for path, other in others:
        if len(other) != len(lines):
            raise ValueError(f"{path} has {len(other)} lines, {first} has {len(lines)}: line n must belong to line n")


def scan_lines(path: str | Path, *, encoding: str = "utf-8") -> Iterator[Line]:
    """Yields the same lines, but a FaultyLine for each line that cannot be read, and continues.

    Where a compressed file is damaged, a last FaultyLine, with the reason UNREADABLE, represents the rest. Every line
    of an `encoding` other than UTF-8 must end in the byte of "\\n", too.
    """
    path = find_file(path)
    return chain.from_iterable(portions(read_blocks(path), str(path), encoding=encoding))


def portions_of(path: str | Path) -> Iterator[list[Line]]:
    """The lines of a file, or of standard input for "-", as `portions` gives them; a missing file is an error at once.

    Standard input is read without Python's own buffer, so that lines of a slow writer arrive at once.
    """
    if str(path) != STDIN:
        path = find_file(path)
        return portions(read_blocks(path), str(path))
    return portions(blocks_of(open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)), STANDARD_INPUT)


def portions(blocks: Iterable[bytes], name: str, *, encoding: str = "utf-8") -> Iterator[list[Line]]:
    """The lines that end in each block, in lists; `name` is the file's, for messages.

    Raises ValueError for anything but UTF-8 text: UTF-16, UTF-32, and binary data (NUL bytes at the start).
    """
    number, start = 0, 0  # lines and bytes before the line that has not ended yet
    unended: list[bytes] = []  # the kept part of that line
    size = 0  # bytes of that line so far
    is_start, iterator = True, iter(blocks)
    while True:
        try:
            block = next(iterator, None)
        except DamagedFile as error:
            message = f"{name}: unreadable after line {number}: {error}"
            yield [FaultyLine(b"".join(unended).decode(encoding, "replace"), Fault(UNREADABLE, message))]
            return
        end = 0 if block is None else block.rfind(b"\n") + 1
        if block is not None and not end:
            size += len(block)
            if size <= LONGEST_LINE:
                unended.append(block)
            else:  # of a line that is too long, the rest is only counted
                unended = [b"".join(unended)[:SHOWN_BYTES] or block[:SHOWN_BYTES]]
            continue
        content = (block or b"")[:end]
        lines: list[Line] = []
        if is_start and (size or content):
            refuse_other_data(b"".join([*unended, content]), name)
            is_start = False
        first_end = content.find(b"\n") + 1
        if size + max(first_end - 1, 0) > LONGEST_LINE:
            lines = [_too_long(b"".join(unended)[:SHOWN_BYTES], number + 1, name, encoding)]
            number, start, content = number + 1, start + size + first_end, content[first_end:]
        else:
            content = b"".join([*unended, content])
        found = _decoded(content, number, start, name, encoding)
        number, start = number + len(found), start + len(content)
        if lines or found:
            yield lines + found
        if block is None:
            return
        unended, size = [block[end:]] if end < len(block) else [], len(block) - end


def refuse_other_data(content: bytes, name: str) -> None:
    """Raises ValueError for the start of a file in another encoding of Unicode, or of binary data."""
    encoding = next((other for mark, other in OTHER_BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    encoding = encoding or NULS.get(tuple(byte == 0 for byte in content[:4]))
    if encoding:
        file = "FILE" if name == STANDARD_INPUT else shlex.quote(name)
        raise ValueError(f"{name}: must be UTF-8, this is {encoding}: iconv -f {encoding} -t UTF-8 {file} > NEW_FILE")
    packed = compression_of(content)
    if packed:
        raise ValueError(f"{name}: compressed twice, within there is another {packed.name} file: unpack it once")
    if b"\0" in content[:4] or content.count(b"\0", 0, START_BYTES) > max(8, len(content[:START_BYTES]) / 16):
        raise ValueError(f"{name}: binary data (NUL bytes at its start), not UTF-8 text")


def in_one_line(text: str) -> str:
    """The text with a blank for each line end inside; line ends before and after it are removed."""
    return text.replace("\r\n", "\n").strip("\n").replace("\n", " ") if "\n" in text else text


def _too_long(shown: bytes, number: int, name: str, encoding: str) -> FaultyLine:
    message = f"{name}: line {number} is longer than {LONGEST_LINE >> 20} MiB, the most that a line may have"
    return FaultyLine(shown.decode(encoding, "replace"), Fault(LONG, message))


def _decoded(content: bytes, number: int, start: int, name: str, encoding: str) -> list[Line]:
    """The lines of `content`, which starts at byte `start`, after line `number`."""
    skipped = len(BYTE_ORDER_MARK) if start == 0 and content.startswith(BYTE_ORDER_MARK) else 0
    try:  # decoding all lines together is ten times as fast as line by line
        text = content[skipped:].decode(encoding)
    except UnicodeDecodeError:
        return list(_decoded_singly(content[skipped:], number, start + skipped, name, encoding))
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    if not lines[-1]:  # after the last "\n"
        lines.pop()
    return lines  # type: ignore[return-value]  # as Line; a copy of the list would only cost time


def _decoded_singly(content: bytes, number: int, start: int, name: str, encoding: str) -> Iterator[Line]:
    raw_lines = content.split(b"\n")
    for place, raw in enumerate(raw_lines, start=1):
        if place < len(raw_lines):
            line = raw.removesuffix(b"\r")
        elif raw:  # the last line of a file, without a line end
            line = raw
        else:
            return
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            kind = encoding.upper()
            where = f"line {number + place}, byte {start + error.start} (0x{line[error.start]:02x})"
            yield FaultyLine(line.decode(encoding, "replace"), Fault(f"not {kind}", f"{name}: not {kind} at {where}"))
        start += len(raw) + 1
