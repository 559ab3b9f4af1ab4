"""Files that may be compressed: found by their plain name, and read in blocks of bytes, whatever packed them."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = 1 << 18  # large enough that a block costs little, small enough to stay in the processor's cache


class DamagedFile(ValueError):
    """A compressed file that cannot be read to its end; says what it is not, and why. Whoever reads it knows where."""


class _Gzip:
    """zlib's decompressor with the methods of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)  # 31: a gzip header, and a checksum that is held against the content
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # a full block may have more behind it even when all input is taken
        self.needs_input = not self._inner.unconsumed_tail and len(content) < max_length
        return content

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _zstd() -> zstd.ZstdDecompressor:
    # `zstd --long` makes frames that need more memory than is allowed unless asked for
    limit = zstd.DecompressionParameter.window_log_max
    return zstd.ZstdDecompressor(options={limit: limit.bounds()[1]})


COMPRESSIONS: dict[str, tuple[str, Callable[[], Any]]] = {  # by the end of a file's name, in the order of looking
    ".gz": ("gzip", _Gzip),
    ".xz": ("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    ".bz2": ("bzip2", bz2.BZ2Decompressor),
    ".zst": ("zstd", _zstd),
}


def find_file(path: str | Path) -> Path:
    """The file at `path`, or its compressed form (`path`.gz, .xz, .bz2, .zst) when only that exists.

    Raises FileNotFoundError with one line that names the path, ValueError when several compressed forms exist.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, a file is needed")
    found = [packed for ending in COMPRESSIONS if (packed := path.with_name(path.name + ending)).is_file()]
    if len(found) > 1:
        raise ValueError(f"{path} must be one file, there are {' and '.join(file.name for file in found)}: name one")
    if found:
        return found[0]
    raise FileNotFoundError(f"file not found: {path}")


def plain_ending(path: str | Path) -> str:
    """The end of a file's name without that of its compression: ".tsv" of "a.tsv.gz"."""
    path = Path(path)
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix


def read_blocks(path: Path) -> Iterator[bytes]:
    """The content of a file, uncompressed, in blocks of at most BLOCK_BYTES; several packed members are one.

    Raises DamagedFile when a compressed file is cut off, changed, or has something else behind its end; what stands
    before that is yielded first.
    """
    with open(path, "rb", buffering=0) as file:
        if path.suffix in COMPRESSIONS:
            yield from _unpacked(file, *COMPRESSIONS[path.suffix])
        else:
            while block := file.read(BLOCK_BYTES):
                yield block


def _unpacked(file: BinaryIO, kind: str, new_decompressor: Callable[[], Any]) -> Iterator[bytes]:
    data = file.read(BLOCK_BYTES)
    if not data:
        raise DamagedFile(f"not a sound {kind} file (it is empty)")
    while data:
        decompressor = new_decompressor()
        while not decompressor.eof:
            try:
                content = decompressor.decompress(data, BLOCK_BYTES)
            except (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError) as error:  # OSError: bzip2's
                raise DamagedFile(f"not a sound {kind} file ({' '.join(str(error).split())})") from None
            if content:
                yield content
            data = b""
            if decompressor.needs_input and not decompressor.eof:
                data = file.read(BLOCK_BYTES)
                if not data:
                    raise DamagedFile(f"not a sound {kind} file (it is cut off)")
        data = decompressor.unused_data or file.read(BLOCK_BYTES)
        while kind in ("gzip", "xz") and data and not data.lstrip(b"\0"):  # these two may be padded
            data = file.read(BLOCK_BYTES)
        if kind in ("gzip", "xz"):
            data = data.lstrip(b"\0")
