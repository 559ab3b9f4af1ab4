"""Parquet tables: only the columns asked for, in batches, whatever kind of text they hold."""

import gzip
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mt.data.formats.parquet import BATCH_ROWS, Parquet
from mt.data.pair import Pair

ROWS = [{"en": "one", "de": "eins"}, {"en": "two\nlines", "de": "zwei\r\nZeilen"}, {"en": None, "de": "nichts"}]
PAIRS = [Pair("one", "eins"), Pair("two lines", "zwei Zeilen"), Pair("", "nichts")]


def write(path, table, **options):
    pq.write_table(table if isinstance(table, pa.Table) else pa.Table.from_pylist(table), path, **options)
    return str(path)


def reader(path, source_field="en", target_field="de", **settings) -> Parquet:
    return Parquet(path=path, source_field=source_field, target_field=target_field, **settings)


KINDS = {"string": pa.string(), "large": pa.large_string(), "dictionary": pa.dictionary(pa.int32(), pa.string())}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_text_gives_the_same_pairs(tmp_path, kind):
    columns = {name: pa.array([row[name] for row in ROWS]).cast(kind) for name in ("en", "de")}
    corpus = reader(write(tmp_path / "pairs.parquet", pa.table(columns)))
    assert list(corpus) == list(corpus) == PAIRS


def test_many_batches_and_groups_keep_the_order(tmp_path):
    count = 2 * BATCH_ROWS + 17
    rows = [{"id": n, "en": f"en {n}", "de": f"de {n}", "links": f"{n}-0"} for n in range(count)]
    path = write(tmp_path / "pairs.parquet", rows, row_group_size=BATCH_ROWS - 5)
    expected = [Pair(f"en {n}", f"de {n}", f"{n}-0") for n in range(count)]
    assert list(reader(path, links_field="links")) == expected


def test_dotted_fields_reach_into_structs_unless_a_column_has_that_name(tmp_path):
    rows = [{"translation": {"en": "in", "x.y": "dotted"}, "translation.de": "own", "id": 1}, {"translation": None}]
    path = write(tmp_path / "pairs.parquet", rows)
    assert list(reader(path, "translation.en", "translation.de")) == [Pair("in", "own"), Pair("", "")]
    assert next(iter(reader(path, "translation.x.y", "translation.de"))) == Pair("dotted", "own")


def test_text_that_is_not_utf8_is_a_fault_and_the_other_rows_are_read(tmp_path):
    raw = pa.array([b"one", b"tw\xffo", None, b"four"])
    sources = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    path = write(tmp_path / "pairs.parquet", pa.table({"en": sources, "de": ["eins", "zwei", "drei", "vier"]}))
    first, second, third, fourth = reader(path)
    assert (first, third, fourth) == (Pair("one", "eins"), Pair("", "drei"), Pair("four", "vier"))
    assert second[:2] == ("tw\ufffdo", "zwei")
    assert second.fault == ("not UTF-8", f"{path} row 1: field (en) is not UTF-8 at byte 2 (0xff)")


@pytest.mark.parametrize(
    "field, message",
    [
        ("fr", r"field \(fr\) must be one of: id, s, en, de$"),
        ("s.fr", "fr in s must be one of: t$"),
        ("id", r"field \(id\) must be text, it is int64$"),
        ("s", r"field \(s\) must be text, it is struct<t: string>$"),
    ],
    ids=["column", "inner", "number", "struct"],
)
def test_a_wrong_column_is_one_line(tmp_path, field, message):
    path = write(tmp_path / "pairs.parquet", [{"id": 1, "s": {"t": "x"}} | ROWS[0]])
    with pytest.raises(ValueError, match=message) as error:
        list(reader(path, field))
    assert str(error.value).startswith(f"{path}: ")


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["en", "en", "de"])
    with pytest.raises(ValueError, match=r"field \(en\) must be one column, 2 are named en"):
        list(reader(write(tmp_path / "pairs.parquet", table)))


@pytest.mark.parametrize("damage", ["cut", "another-kind", "empty"])
def test_a_file_that_is_no_table_is_one_fault(tmp_path, damage):
    path = tmp_path / "pairs.parquet"
    write(path, ROWS)
    path.write_bytes({"cut": path.read_bytes()[:-9], "another-kind": b"one\teins\n" * 9, "empty": b""}[damage])
    (pair,) = reader(path)
    assert pair.fault.reason == "unreadable rest of file"
    assert pair.fault.message.startswith(f"{path}: unreadable after row 0: not a sound Parquet file (")
    assert "\n" not in pair.fault.message


def test_a_page_that_was_changed_ends_the_file_after_the_rows_before(tmp_path):
    path = tmp_path / "pairs.parquet"
    rows = [{"en": f"en {n * n}", "de": f"de {n}"} for n in range(4 * BATCH_ROWS)]
    write(path, rows, row_group_size=2 * BATCH_ROWS, write_page_checksum=True, use_dictionary=False)
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[start + 200] ^= 0xFF
    path.write_bytes(content)
    *pairs, last = reader(path)
    assert pairs == [Pair(row["en"], row["de"]) for row in rows[: len(pairs)]]
    assert len(pairs) == 2 * BATCH_ROWS
    assert last.fault.message.startswith(f"{path}: unreadable after row {len(pairs)}: not a sound Parquet file (")


def test_files_may_be_packed_once_more_and_several(tmp_path):
    path = tmp_path / "pairs.parquet"
    write(path, ROWS)
    content = gzip.compress(path.read_bytes())
    (tmp_path / "packed.parquet.gz").write_bytes(content)
    (tmp_path / "cut.parquet.gz").write_bytes(content[:-4])
    corpus = reader([path, tmp_path / "packed.parquet", tmp_path / "cut.parquet"])
    *pairs, last = corpus
    assert pairs == PAIRS * 2
    message = f"{tmp_path}/cut.parquet.gz: unreadable after row 0: not a sound gzip file (it is cut off)"
    assert last.fault.message == message
    before = corpus.fingerprint()
    write(path, ROWS[:2])
    assert corpus.fingerprint() != before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the memory of a process")
def test_a_table_of_one_group_is_read_in_little_memory(tmp_path):
    text = "word " * 200
    rows = pa.table({"en": [f"{n} {text}" for n in range(100_000)], "de": ["x"] * 100_000})
    path = write(tmp_path / "pairs.parquet", rows, compression="none", use_dictionary=False, row_group_size=1 << 20)
    code = """
import re, sys
from mt.data.formats.parquet import Parquet
def peak(path):
    for pair in Parquet(path=path, source_field="en", target_field="de"):
        pass
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
before = peak(sys.argv[1])
print((peak(sys.argv[2]) - before) // 1024)
"""
    small = write(tmp_path / "small.parquet", ROWS)
    done = subprocess.run([sys.executable, "-c", code, small, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 80  # MB; the group alone has 100


TRANSLATIONS = [{"en": "A", "de": "B"}, {"en": "C"}, None, {"de": "D\nE", "fr": "x", "en": None}]
TRANSLATED = [Pair("A", "B"), Pair("C", ""), Pair("", ""), Pair("", "D E")]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
@pytest.mark.parametrize("inside", ["", "outer"])
def test_maps_are_read_by_their_keys(tmp_path, kind, inside):
    rows = [row and [(key, text and text.encode()) for key, text in row.items()] for row in TRANSLATIONS]
    column = pa.array(rows, pa.map_(pa.string(), pa.binary())).cast(pa.map_(pa.string(), kind))
    name = "translation"
    if inside:
        column, name = pa.StructArray.from_arrays([column], ["translation"]), f"{inside}.translation"
    path = write(tmp_path / "pairs.parquet", pa.table({inside or "translation": column}))
    assert list(reader(path, f"{name}.en", f"{name}.de")) == TRANSLATED


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_lists_of_languages_and_translations_are_read_by_language_and_the_first_counts(tmp_path, kind):
    rows = [
        row and {"language": [*row, "en"], "translation": [text and text.encode() for text in [*row.values(), "again"]]}
        for row in TRANSLATIONS
    ]
    lists = [("language", pa.list_(pa.string())), ("translation", pa.list_(pa.binary()))]
    column = pa.array(rows, pa.struct(lists)).cast(pa.struct([lists[0], ("translation", pa.list_(kind))]))
    path = write(tmp_path / "pairs.parquet", pa.table({"translation": column}))
    expected = [*TRANSLATED[:3], Pair("", "D E")]
    assert list(reader(path, "translation.en", "translation.de")) == expected


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(3)], ids=str)
def test_binary_columns_are_utf8(tmp_path, kind):
    table = pa.table({"en": pa.array([b"abc", b"\xc3\xa9x", b"a\xffx"], kind), "de": ["A", "B", "C"]})
    path = write(tmp_path / "pairs.parquet", table)
    first, second, third = reader(path)
    assert (first, second) == (Pair("abc", "A"), Pair("éx", "B"))
    assert third.fault == ("not UTF-8", f"{path} row 2: field (en) is not UTF-8 at byte 1 (0xff)")


@pytest.mark.slow  # a second: unpacks hundreds of megabytes
@pytest.mark.parametrize("packing", ["snappy", "zstd", "none"])
def test_a_small_file_that_stands_for_gigabytes_takes_little_memory(tmp_path, packing):
    """One text of 8 MiB for each of 2,000 rows, by a dictionary: as many bytes as one text."""
    text = "x" * (1 << 23)
    indices = pa.array([0] * 2000, pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array([text]))
    options = {"compression": packing, "dictionary_pagesize_limit": 1 << 26}
    path = write(tmp_path / "pairs.parquet", pa.table({"en": column, "de": ["x"] * 2000}), **options)
    assert Path(path).stat().st_size < 2 * len(text)
    before = pa.total_allocated_bytes()
    for number, pair in enumerate(reader(path)):
        assert pair.fault == ("too long text", f"{path} row {number}: field (en) is longer than 1,048,576 bytes")
        assert len(pair.source) == 200
        assert pa.total_allocated_bytes() - before < 1 << 29
        if number == 40:
            break


def test_a_page_that_is_too_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("mt.data.formats.parquet_pages.PAGE_BYTES", 10_000)
    path = write(tmp_path / "pairs.parquet", [{"en": "x" * 20_000, "de": "y"}], compression="zstd")
    (pair,) = reader(path)
    assert pair.fault.reason == "unreadable rest of file"
    assert pair.fault.message.startswith(f"{path}: unreadable after row 0: a page of 20,0")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_of_all_kinds_are_walked_through(tmp_path, version):
    rows = [{"en": f"en {n * n}", "de": f"de {n % 7}"} for n in range(3000)]
    options = {"data_page_version": version, "data_page_size": 500, "row_group_size": 1000, "write_statistics": True}
    path = write(tmp_path / "pairs.parquet", rows, **options)
    assert list(reader(path)) == [Pair(row["en"], row["de"]) for row in rows]
