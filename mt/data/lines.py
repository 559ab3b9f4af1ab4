"""Lines of a UTF-8 text file, plain or .gz, exactly as a parallel corpus means them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def find_file(path: str | Path) -> Path:
    """The file at `path`, or its compressed form `path`.gz when only that exists.

    Raises FileNotFoundError with one line that names the path.
    """
    path = Path(path)
    if path.is_file():
        return path
    compressed = path.with_name(path.name + ".gz")
    if compressed.is_file():
        return compressed
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, a file is needed")
    raise FileNotFoundError(f"file not found: {path}")


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a file without their line ends.

    Only "\\n" and "\\r\\n" end a line: a Unicode line separator, a form feed or a lone "\\r" stays inside its sentence,
    so that line n of both languages is the same sentence. A byte order mark at the start of the file is removed.
    Raises ValueError naming file, line and byte when the file is not UTF-8 (byte 0 is the first one, uncompressed).
    """
    path = find_file(path)
    start = 0  # byte offset of the line within the uncompressed file
    with _open(path) as file:
        lines = iter(file)
        number = 0
        while True:
            try:
                line = next(lines, None)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise ValueError(f"{path}: not a sound gzip file after line {number} ({error})") from None
            if line is None:
                return
            number += 1
            content = line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line
            skipped = 0
            if number == 1 and content.startswith(BYTE_ORDER_MARK):
                skipped = len(BYTE_ORDER_MARK)
                content = content[skipped:]
            try:
                yield content.decode("utf-8")
            except UnicodeDecodeError as error:
                value = content[error.start]
                raise ValueError(
                    f"{path}: not UTF-8 at line {number}, byte {start + skipped + error.start} (0x{value:02x})"
                ) from None
            start += len(line)


def _open(path: Path) -> BinaryIO:
    # a binary file splits on "\n" alone; a text file would also have to guess
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]
