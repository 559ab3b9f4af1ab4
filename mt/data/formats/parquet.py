"""Parquet files: tables of which only the columns with the sentences are read, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mt.data.fingerprint import fingerprint_of
from mt.data.formats.compressed import DamagedFile, find_file, is_compressed, read_blocks
from mt.data.formats.fields import WrongField, keys_to
from mt.data.formats.lines import UNREADABLE, FaultyLine, in_one_line
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair

TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
BATCH_ROWS = 1024
BUFFER_BYTES = 1 << 20  # without it a whole group of rows would be in memory, and that may be the whole file


@dataclass(frozen=True, kw_only=True)
class Parquet:
    """Pairs from Parquet files, plain or compressed once more; `path` is one path or a list read in turn.

    A dotted field reaches into structs ("translation.en"), unless a column with that very dot exists. Null is an empty
    sentence, a line end inside a sentence becomes a blank. A text that is not UTF-8 is a fault, and so is the damaged
    rest of a file. `links_field` holds gold alignments in Pharaoh format. Raises ValueError when a column is missing or
    holds no text.
    """

    path: Paths
    source_field: str
    target_field: str
    links_field: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))

    def __iter__(self) -> Iterator[Pair]:
        for path in self.path:
            yield from self._read(find_file(path))

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of("Parquet", file_stamps(self.path), self.source_field, self.target_field, self.links_field)

    def _read(self, path: Path) -> Iterator[Pair]:
        fields = [field for field in (self.source_field, self.target_field, self.links_field) if field is not None]
        number = 0
        try:
            with _whole(path) as file:
                for batch in _batches(file, fields, path):
                    columns = [
                        _texts(column, f"{path} row", number, field)
                        for column, field in zip(batch, fields, strict=True)
                    ]
                    yield from map(_pair, *columns)
                    number += len(columns[0])
        except DamagedFile as error:
            yield Pair("", "", fault=Fault(UNREADABLE, f"{path}: unreadable after row {number}: {error}"))


def _whole(path: Path) -> IO[bytes]:
    """The file, unpacked if it is compressed: a table is read from its end."""
    if not is_compressed(path):
        return open(path, "rb")
    file = TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    for block in read_blocks(path):
        file.write(block)
    file.seek(0)
    return file


def _batches(file: IO[bytes], fields: list[str], path: Path) -> Iterator[list[pa.Array]]:
    """The columns of these fields, some rows at a time. Raises DamagedFile."""
    with _damage_told():
        table = pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
    keys = [_keys(table.schema_arrow, field, path) for field in fields]
    batches = table.iter_batches(BATCH_ROWS, columns=[".".join(one) for one in keys])
    while True:
        with _damage_told():
            batch = next(batches, None)
        if batch is None:
            return
        yield [_column(batch, one) for one in keys]


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: of a column's name
        raise DamagedFile(f"not a sound Parquet file ({' '.join(str(error).split())})") from None


def _keys(schema: pa.Schema, field: str, path: Path) -> list[str]:
    """The names of a column of text and of the structs around it. Raises ValueError."""
    try:
        keys = keys_to(_columns(schema), field)
    except WrongField as wrong:
        raise ValueError(f"{path}: {wrong}") from None
    kind: pa.DataType = pa.struct(schema)
    for key in keys:
        kinds = [one.type for one in kind if one.name == key]
        if len(kinds) > 1:
            raise ValueError(f"{path}: field ({field}) must be one column, {len(kinds)} are named {key}")
        kind = kinds[0]
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(is_text(value_type) for is_text in TEXT_TYPES):
        raise ValueError(f"{path}: field ({field}) must be text, it is {kind}")
    return keys


def _columns(fields: Iterable[pa.Field]) -> dict[str, Any]:
    return {one.name: _columns(one.type) if pa.types.is_struct(one.type) else one.type for one in fields}


def _column(batch: pa.RecordBatch, keys: list[str]) -> pa.Array:
    column = batch.column(keys[0])
    return pc.struct_field(column, keys[1:]) if len(keys) > 1 else column


def _texts(column: pa.Array, place: str, first: int, field: str) -> list[str | FaultyLine | None]:
    try:
        return column.to_pylist()
    except UnicodeDecodeError:  # then one by one
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        kind = pa.large_binary() if pa.types.is_large_string(plain.type) else pa.binary()
        texts = plain.cast(kind).to_pylist()
    return [_decoded(text, f"{place} {first + index}: field ({field})") for index, text in enumerate(texts)]


def _decoded(text: bytes | None, place: str) -> str | FaultyLine | None:
    try:
        return None if text is None else text.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{place} is not UTF-8 at byte {error.start} (0x{text[error.start]:02x})"
        return FaultyLine(text.decode("utf-8", "replace"), Fault("not UTF-8", message))


def _pair(*texts: str | FaultyLine | None) -> Pair:
    fault, shown = None, []
    for text in texts:
        if isinstance(text, FaultyLine):
            text, fault = text.text, fault or text.fault
        shown.append(text and in_one_line(text))
    links = shown[2] if len(shown) > 2 else None
    return Pair(shown[0] or "", shown[1] or "", links, fault)
