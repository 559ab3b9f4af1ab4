"""Files that may be compressed: found by their plain name, recognised by their first bytes, read in blocks."""

from __future__ import annotations

import bz2
import io
import lzma
import select
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = 1 << 18  # large enough that a block costs little, small enough to stay in the processor's cache


class DamagedFile(ValueError):
    """A compressed file that cannot be read to its end. The message gives the reason; the reader adds the place."""


class _Gzip:
    """zlib's decompressor with the methods of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)  # 31: a gzip header, and a checksum that is verified
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # after a full block there may be more output, even when all input was consumed
        self.needs_input = not self._inner.unconsumed_tail and len(content) < max_length
        return content

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _zstd() -> zstd.ZstdDecompressor:
    # `zstd --long` makes frames that need more memory than the default limit
    limit = zstd.DecompressionParameter.window_log_max
    return zstd.ZstdDecompressor(options={limit: limit.bounds()[1]})


class Compression(NamedTuple):
    """A kind of compression: how its files begin, and what unpacks them."""

    name: str
    first_bytes: tuple[bytes, ...]
    new_decompressor: Callable[[], Any]


COMPRESSIONS = {  # by file extension, in the order in which `find_file` tries them
    ".gz": Compression("gzip", (b"\x1f\x8b",), _Gzip),
    ".xz": Compression("xz", (b"\xfd7zXZ\0",), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    ".bz2": Compression(  # with blocks, or empty
        "bzip2", (b"BZh?1AY&SY", b"BZh?\x17rE8P\x90"), bz2.BZ2Decompressor
    ),
    # a frame, or one that is skipped: pzstd begins with such a one
    ".zst": Compression("zstd", (b"\x28\xb5\x2f\xfd", *(bytes([n]) + b"\x2a\x4d\x18" for n in range(80, 96))), _zstd),
}
ANY_BYTE = ord("?")  # in `first_bytes`
LONGEST_START = max(len(start) for kind in COMPRESSIONS.values() for start in kind.first_bytes)


def compression_of(content: bytes) -> Compression | None:
    """The compression of a file that begins with `content`; None where no known one is recognised."""
    for kind in COMPRESSIONS.values():
        if any(len(content) >= len(start) and _agree(content, start) for start in kind.first_bytes):
            return kind
    return None


def _is_cut_start(content: bytes, kind: Compression) -> bool:
    """Whether `content` is too short to decide, and may be the start of such a file."""
    return any(len(content) < len(start) and _agree(content, start) for start in kind.first_bytes)


def _agree(content: bytes, start: bytes) -> bool:
    return all(one == first or first == ANY_BYTE for one, first in zip(content, start, strict=False))


def find_file(path: str | Path) -> Path:
    """The file at `path`, or its compressed form (`path`.gz, .xz, .bz2, .zst) when only that exists.

    Raises FileNotFoundError with one line that names the path, ValueError when several compressed forms exist.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, must be a file")
    if path.exists():  # a file, or a pipe
        return path
    found = [packed for ending in COMPRESSIONS if (packed := path.with_name(path.name + ending)).is_file()]
    if len(found) > 1:
        raise ValueError(f"{path} must be one file, there are {' and '.join(file.name for file in found)}: name one")
    if found:
        return found[0]
    raise FileNotFoundError(f"file not found: {path}")


def check_output(output: str | Path | None, inputs: Mapping[str, str | Path | Sequence[str | Path] | None]) -> None:
    """Raises ValueError where a command would overwrite one of its `inputs`, files by the flags that name them.

    An input is found as by `find_file`; folders, and "-" for standard input, are left out.
    """
    if output is None or not Path(output).is_file():
        return
    for flag, paths in inputs.items():
        for path in [paths] if isinstance(paths, str | Path) else paths or ():
            if str(path) != "-" and not Path(path).is_dir() and Path(output).samefile(find_file(path)):
                raise ValueError(f"--output ({output}) must be another file than {flag}: it would be overwritten")


def plain_ending(path: str | Path) -> str:
    """The end of a file's name without that of its compression: ".tsv" of "a.tsv.gz"."""
    path = Path(path)
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, judged by its first bytes and not by its name."""
    with open(path, "rb", buffering=0) as file:
        return compression_of(file.read(LONGEST_START)) is not None


def read_blocks(path: Path) -> Iterator[bytes]:
    """The content of a file, uncompressed, in blocks of at most BLOCK_BYTES; several packed members are one.

    The compression is recognised by its first bytes, not by its name. Raises DamagedFile when a compressed file is
    truncated, changed, or followed by other data; the content before that is yielded first.
    """
    with open(path, "rb", buffering=0) as file:
        yield from blocks_of(file, COMPRESSIONS.get(path.suffix))


def blocks_of(file: io.RawIOBase, expected: Compression | None = None) -> Iterator[bytes]:
    """The same of an open file, such as standard input. Blocks are yielded as soon as data arrives.

    `expected` is the compression by the file's name: it matters for a file that is empty, or truncated in its first
    few bytes.
    """
    first = _read(file)
    while first and not compression_of(first) and any(_is_cut_start(first, kind) for kind in COMPRESSIONS.values()):
        more = _read(file)  # a pipe may give a byte at a time
        if not more:
            break
        first += more
    kind = compression_of(first)
    if kind is None and expected is not None and _is_cut_start(first, expected):
        kind = expected
    if kind is not None:
        yield from _unpacked(first, file, kind)
        return
    while first:
        yield first
        first = _read(file)


def _read(file: io.RawIOBase) -> bytes:
    while (content := file.read(BLOCK_BYTES)) is None:  # a non-blocking stream: wait for data
        select.select([file], [], [])
    return content


def _unpacked(data: bytes, file: io.RawIOBase, compression: Compression) -> Iterator[bytes]:
    kind, _, new_decompressor = compression
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
                data = _read(file)
                if not data:
                    raise DamagedFile(f"not a sound {kind} file (it is cut off)")
        data = decompressor.unused_data or _read(file)
        while kind in ("gzip", "xz") and data and not data.lstrip(b"\0"):  # these two may be padded
            data = _read(file)
        if kind in ("gzip", "xz"):
            data = data.lstrip(b"\0")
