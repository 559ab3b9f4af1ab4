"""Sizes of the pages of a Parquet file, read from their headers before anything is unpacked.

A page is read as a whole, and a page of a dictionary may give every row its largest text, so that a file of some
hundred bytes could demand any amount of memory.
"""

from __future__ import annotations

from typing import IO, Any

from mt.data.formats.compressed import DamagedFile

PAGE_BYTES = 1 << 27  # the largest that common writers make are 100 MB
BATCH_BYTES = 1 << 27  # of a column, for the rows that are read together
HEADER_BYTES = 1 << 16


def rows_at_once(file: IO[bytes], metadata: Any, columns: list[str], most: int) -> int:
    """The number of rows of these columns that surely fit into BATCH_BYTES, at most `most`.

    Raises DamagedFile where a page is larger than PAGE_BYTES or a header cannot be read.
    """
    rows = most
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            if not any(
                column.path_in_schema == name or column.path_in_schema.startswith(f"{name}.") for name in columns
            ):
                continue
            starts = [column.data_page_offset]
            if column.has_dictionary_page and column.dictionary_page_offset:
                starts.append(column.dictionary_page_offset)
            largest = _largest_value(file, min(starts), column.total_compressed_size, column.num_values)
            rows = min(rows, max(BATCH_BYTES // max(largest, 1), 1))
    return rows


def _largest_value(file: IO[bytes], start: int, num_bytes: int, num_values: int) -> int:
    """The largest mean size of a row over a page; of a dictionary page, its largest text."""
    place, largest = max(start, 0), 0
    while place < start + num_bytes and num_values > 0:
        file.seek(place)
        header = _Header(file.read(HEADER_BYTES))
        numbers = [header.fields.get(key) for key in (1, 2, 3)]
        sizes = [one for one in numbers if isinstance(one, int) and one >= 0]
        if len(sizes) < len(numbers):
            raise DamagedFile("not a sound Parquet file (a page without its sizes)")
        kind, size, packed = sizes
        if size > PAGE_BYTES:
            raise DamagedFile(f"a page of {size:,} bytes, more than {PAGE_BYTES:,}")
        inner = header.fields.get(5 if kind == 0 else 8) if kind in (0, 3) else {}
        values = inner.get(1, 0) if isinstance(inner, dict) else None
        if not isinstance(values, int) or values < 0 or packed > num_bytes:
            raise DamagedFile("not a sound Parquet file (a page with impossible sizes)")
        largest = max(largest, size // max(values, 1))
        num_values -= values
        place += header.size + packed
    return largest


class _Header:
    """A page's header in Thrift's compact protocol: numbers and the structs around them, by the number of the field."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = 0  # bytes that it takes
        try:
            self.fields: dict[int, Any] = self._struct(0)
        except IndexError:
            raise DamagedFile("not a sound Parquet file (a page header that is cut off or too long)") from None

    def _byte(self) -> int:
        self.size += 1
        return self._content[self.size - 1]

    def _number(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 70:
                return number

    def _struct(self, depth: int) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        key = 0
        while start := self._byte():
            kind, step = start & 0x0F, start >> 4
            key = key + step if step else self._signed()
            fields[key] = self._value(kind, depth)
        return fields

    def _signed(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)

    def _value(self, kind: int, depth: int) -> Any:
        if depth > 8:
            raise DamagedFile("not a sound Parquet file (a page header that is too deep)")
        if kind in (1, 2):  # true and false
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind in (7, 8):  # a double, bytes
            length = 8 if kind == 7 else self._number()
            self.size += length
            return None
        if kind in (9, 10):  # a list, a set
            start = self._byte()
            length = start >> 4 if start >> 4 < 15 else self._number()
            if length > len(self._content):
                raise IndexError
            for _ in range(length):
                self._value(start & 0x0F, depth + 1)
            return None
        if kind == 12:
            return self._struct(depth + 1)
        raise DamagedFile("not a sound Parquet file (a page header of another kind)")
