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
