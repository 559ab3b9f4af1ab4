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
from mt.data.formats.fields import WrongField, fields_in, keys_to
from mt.data.formats.lines import UNREADABLE, FaultyLine, in_one_line
from mt.data.formats.parquet_pages import rows_at_once
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair

TEXT_TYPES = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary),
)
TEXT_BYTES = 1 << 20  # a longer text is a fault
SHOWN = 200
BATCH_ROWS = 1024
BUFFER_BYTES = 1 << 20  # without it, a whole row group would be in memory, which may be the whole file


@dataclass(frozen=True, kw_only=True)
class Parquet:
    """Pairs from Parquet files, plain or additionally compressed; `path` is one path or a list read in turn.

    A dotted field means a nested one in structs, maps, and lists of languages and translations ("translation.en"),
    unless a column with exactly this name exists. Null, and a language that a row does not have, is an empty sentence,
    a line end inside a sentence becomes a blank. Binary columns are UTF-8. A text that is not UTF-8 or longer than
    TEXT_BYTES is a fault, and so is the damaged rest of a file, or a file with larger pages than PAGE_BYTES.
    `links_field` holds gold alignments in Pharaoh format. Raises ValueError when a column is missing or is not text.
    """

    path: Paths
    source_field: str
    target_field: str
    links_field: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))

    def __iter__(self) -> Iterator[Pair]:
        for path in path_list(self.path):
            yield from self._read(find_file(path))

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        return fingerprint_of(
            "Parquet", file_stamps(path_list(self.path)), self.source_field, self.target_field, self.links_field
        )

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
    file = TemporaryFile()  # noqa: SIM115 - the reader closes it
    for block in read_blocks(path):
        file.write(block)
    file.seek(0)
    return file


def _batches(file: IO[bytes], fields: list[str], path: Path) -> Iterator[list[pa.Array]]:
    """The columns of these fields, some rows at a time. Raises DamagedFile."""
    with _damage_told():
        table = pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
    keys = [_keys(table.schema_arrow, field, path) for field in fields]
    columns = [".".join(one) for one, _ in keys]
    with _damage_told():
        num_rows = rows_at_once(file, table.metadata, columns, BATCH_ROWS)
    batches = table.iter_batches(num_rows, columns=list(dict.fromkeys(columns)))
    while True:
        with _damage_told():
            batch = next(batches, None)
        if batch is None:
            return
        yield [_column(batch, one, inner) for one, inner in keys]


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except DamagedFile:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: from a column's name
        raise DamagedFile(f"not a sound Parquet file ({' '.join(str(error).split())})") from None


def _keys(schema: pa.Schema, field: str, path: Path) -> tuple[list[str], str | None]:
    """The names of a column and of the structs around it, and the key where it is a map. Raises ValueError."""
    try:
        keys = keys_to(_columns(schema), field)
    except WrongField as wrong:
        raise ValueError(f"{path}: {wrong}") from None
    kind: pa.DataType = pa.struct(schema)
    for place, key in enumerate(keys):
        kinds = [one.type for one in kind if one.name == key]
        if len(kinds) > 1:
            raise ValueError(f"{path}: field ({field}) must be one column, {len(kinds)} are named {key}")
        kind = kinds[0]
        if _is_text(_text_inside(kind)):
            rest = field.removeprefix(".".join(keys[: place + 1])).removeprefix(".")
            if rest:
                return keys[: place + 1], rest
    if not _is_text(kind):
        raise ValueError(f"{path}: field ({field}) must be text, it is {kind}")
    return keys, None


def _is_text(kind: pa.DataType | None) -> bool:
    value_type = kind.value_type if kind is not None and pa.types.is_dictionary(kind) else kind
    return value_type is not None and any(is_text(value_type) for is_text in TEXT_TYPES)


def _text_inside(kind: pa.DataType) -> pa.DataType | None:
    """The type of the texts of a map, or of lists of languages and translations; None for other types."""
    if pa.types.is_map(kind):
        return kind.item_type
    if pa.types.is_struct(kind) and {one.name for one in kind} == {"language", "translation"}:
        lists = [one.type for one in kind]
        if all(pa.types.is_list(one) or pa.types.is_large_list(one) for one in lists):
            return kind.field("translation").type.value_type
    return None


def _columns(fields: Iterable[pa.Field]) -> dict[str, Any]:
    """The columns by name, with their nested fields; None where only the rows show them."""
    columns: dict[str, Any] = {}
    for one in fields:
        if _text_inside(one.type) is not None:
            columns[one.name] = None
        else:
            columns[one.name] = _columns(one.type) if pa.types.is_struct(one.type) else one.type
    return columns


def _column(batch: pa.RecordBatch, keys: list[str], inner: str | None) -> pa.Array | list[Any]:
    column = batch.column(keys[0])
    column = pc.struct_field(column, keys[1:]) if len(keys) > 1 else column
    if inner is None:
        return column
    # a text that is not UTF-8 must not end the reading: texts as bytes, decoded one by one
    rows = column.cast(_as_bytes(column.type)).to_pylist()
    return [(fields_in(row) or {}).get(inner) for row in rows]


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, pa.large_binary())
    fields = [
        pa.field(one.name, pa.list_(pa.large_binary()) if one.name == "translation" else one.type) for one in kind
    ]
    return pa.struct(fields)


def _texts(column: pa.Array | list[Any], place: str, first: int, field: str) -> list[str | FaultyLine | None]:
    if isinstance(column, list):
        texts = column
    else:
        try:
            texts = column.to_pylist()
        except UnicodeDecodeError:  # then one by one
            plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            texts = plain.cast(pa.large_binary()).to_pylist()
    return [
        text
        if text is None or (isinstance(text, str) and len(text) <= TEXT_BYTES)
        else _decoded(text, place, row, field)
        for row, text in enumerate(texts, start=first)
    ]


def _decoded(text: str | bytes, place: str, row: int, field: str) -> str | FaultyLine:
    where = f"{place} {row}: field ({field})"
    if len(text) > TEXT_BYTES:
        shown = text[:SHOWN] if isinstance(text, str) else text[:SHOWN].decode("utf-8", "replace")
        return FaultyLine(shown, Fault("too long text", f"{where} is longer than {TEXT_BYTES:,} bytes"))
    try:
        return text if isinstance(text, str) else text.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{where} is not UTF-8 at byte {error.start} (0x{error.object[error.start]:02x})"
        return FaultyLine(error.object.decode("utf-8", "replace"), Fault("not UTF-8", message))


def _pair(*texts: str | FaultyLine | None) -> Pair:
    fault: Fault | None = None
    shown: list[str | None] = []
    for text in texts:
        if isinstance(text, FaultyLine):
            fault = fault or text.fault
            text = text.text
        shown.append(text and in_one_line(text))
    links = shown[2] if len(shown) > 2 else None
    return Pair(shown[0] or "", shown[1] or "", links, fault)
