"""Corpora are read exactly, and whatever is wrong with a file is said in one line that names the place."""

import bz2
import gzip
import lzma
import os
import sys
import threading
import tracemalloc
from contextlib import contextmanager

import pytest

from mt.data.formats.compressed import zstd
from mt.data.formats.lines import LONGEST_LINE, FaultyLine, in_one_line, read_lines, scan_lines
from mt.data.formats.text_files import TextFiles
from mt.data.formats.tsv import Tsv
from mt.data.held_out import HeldOut
from mt.data.pair import Fault, Pair


def write(path, content: bytes):
    if path.suffix == ".gz":
        content = gzip.compress(content)
    path.write_bytes(content)
    return path


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["text.en", "text.en.gz"])
@pytest.mark.parametrize(
    "content, lines",
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"\xef\xbb\xbfone\ntwo\n", ["one", "two"]),
        (b"one\n\xef\xbb\xbftwo\n", ["one", "\ufefftwo"]),
        (b"\n\nthree\n", ["", "", "three"]),
        (b" one \n\ttwo\n", [" one ", "\ttwo"]),
        (b"", []),
    ],
    ids=["unix", "no-end", "windows", "bom", "bom-inside", "blank-lines", "outer-blanks", "empty"],
)
def test_lines_are_what_stands_between_line_ends(tmp_path, name, content, lines):
    assert list(read_lines(write(tmp_path / name, content))) == lines


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\v", "\f", "\r", "\x1c", "\x1e"], ids=ascii)
def test_other_line_separators_stay_inside_the_sentence(tmp_path, separator):
    path = write(tmp_path / "text.en", f"one{separator}two\nthree\n".encode())
    assert list(read_lines(path)) == [f"one{separator}two", "three"]


@pytest.mark.parametrize(
    "text, line",
    [("one\ntwo", "one two"), ("\r\none\r\ntwo\n\n", "one two"), ("one\rtwo", "one\rtwo"), ("\n", "")],
    ids=["inside", "at-the-ends", "lone-return", "nothing-else"],
)
def test_a_line_end_inside_a_sentence_becomes_a_blank(text, line):
    assert in_one_line(text) == line


def test_wrong_encoding_names_file_line_and_byte(tmp_path):
    path = write(tmp_path / "text.de", "gut\nschön\n".encode("latin-1"))
    with pytest.raises(ValueError) as error:
        list(read_lines(path))
    assert one_line(error) == f"{path}: not UTF-8 at line 2, byte 7 (0xf6)"


def test_wrong_encoding_counts_the_byte_order_mark(tmp_path):
    path = write(tmp_path / "text.de", b"\xef\xbb\xbfsch\xf6n\n")
    with pytest.raises(ValueError, match=r"line 1, byte 6 \(0xf6\)"):
        list(read_lines(path))


def test_a_wrong_line_is_a_fault_and_the_others_are_read(tmp_path):
    path = write(tmp_path / "text.de", b"one\nsch\xf6n\r\nthree\n\xff")
    first, second, third, fourth = scan_lines(path)
    assert (first, third) == ("one", "three")
    assert second == FaultyLine("sch\ufffdn", Fault("not UTF-8", f"{path}: not UTF-8 at line 2, byte 7 (0xf6)"))
    assert fourth.fault.message == f"{path}: not UTF-8 at line 4, byte 17 (0xff)"
    assert not second.ends_file


def test_huge_lines_and_odd_characters_are_content(tmp_path):
    lines = ["x" * 3_000_000, "a\0b\x1f", "ü" * 700_001, ""]
    assert list(read_lines(write(tmp_path / "text.en", "".join(f"{line}\n" for line in lines).encode()))) == lines


def test_text_files_pair_their_lines_and_may_be_lists(tmp_path):
    for name, content in {"a.en": b"one\n", "a.de": b"eins\n", "b.en.gz": b"two\n", "b.de": b"zwei\n"}.items():
        write(tmp_path / name, content)
    corpus = TextFiles(source=[tmp_path / "a.en", tmp_path / "b.en.gz"], target=[tmp_path / "a.de", tmp_path / "b.de"])
    assert list(corpus) == list(corpus) == [Pair("one", "eins"), Pair("two", "zwei")]


def test_text_files_carry_gold_links(tmp_path):
    for name, content in {"a.en": b"one two\n", "a.de": b"eins zwei\n", "a.align": b"0-0 1-1\n"}.items():
        write(tmp_path / name, content)
    corpus = TextFiles(source=tmp_path / "a.en", target=tmp_path / "a.de", links=tmp_path / "a.align")
    assert list(corpus) == [Pair("one two", "eins zwei", "0-0 1-1")]


@pytest.mark.parametrize("with_links", [False, True])
def test_text_files_carry_trees(tmp_path, with_links):
    columns = {"a.en": b"one two\nthree\n", "a.de": b"eins zwei\ndrei\n", "a.tree": b"2 0\n\n", "a.align": b"0-0\n\n"}
    for name, content in columns.items():
        write(tmp_path / name, content)
    sides = {"source": tmp_path / "a.en", "target": tmp_path / "a.de"}
    links = {"links": tmp_path / "a.align"} if with_links else {}
    corpus, without = TextFiles(**sides, **links, tree=tmp_path / "a.tree"), TextFiles(**sides, **links)
    assert [pair.tree for pair in corpus] == ["2 0", ""] and [pair._replace(tree=None) for pair in corpus] == [*without]
    assert corpus.fingerprint() != without.fingerprint()
    write(tmp_path / "a.tree", b"2 0\n")
    with pytest.raises(ValueError, match=r"a\.en has 2, .*a\.tree has 1 lines"):
        list(corpus)


@pytest.mark.parametrize("source, target", [(3, 5), (5, 3), (0, 2)])
def test_different_line_counts_name_both(tmp_path, source, target):
    write(tmp_path / "a.en", b"one\n" * source)
    write(tmp_path / "a.de", b"eins\n" * target)
    with pytest.raises(ValueError) as error:
        list(TextFiles(source=tmp_path / "a.en", target=tmp_path / "a.de"))
    message = one_line(error)
    assert f"{tmp_path / 'a.en'} has {source}" in message and f"{tmp_path / 'a.de'} has {target}" in message


def test_a_damaged_file_ends_the_files_beside_it(tmp_path):
    whole = gzip.compress("".join(f"line {n}\n" for n in range(100_000)).encode())
    (tmp_path / "a.en.gz").write_bytes(whole[:-5000])
    write(tmp_path / "a.de", b"eins\n" * 100_000)
    write(tmp_path / "b.en", b"next\n")
    write(tmp_path / "b.de", b"naechste\n")
    corpus = TextFiles(
        source=[tmp_path / "a.en", tmp_path / "b.en"], target=[str(tmp_path / "a.de"), str(tmp_path / "b.de")]
    )
    *pairs, fault, last = corpus
    assert pairs == [Pair(f"line {n}", "eins") for n in range(len(pairs))] and len(pairs) > 1000
    place = f"{tmp_path / 'a.en.gz'}: unreadable after line {len(pairs)}: not a sound gzip file (it is cut off)"
    assert (fault.target, fault.fault) == ("eins", Fault("unreadable rest of file", place))
    assert last == Pair("next", "naechste")


def test_line_counts_are_reported_as_far_as_they_can_be_read(tmp_path):
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"one\n" * 1_000_000)[:-100])
    write(tmp_path / "a.de", b"eins\n" * 3)
    with pytest.raises(ValueError, match=r"a\.en\.gz has at least \d{6}, \S+a\.de has 3 lines"):
        list(TextFiles(source=tmp_path / "a.en", target=tmp_path / "a.de"))


def test_a_wrong_line_on_any_side_makes_a_pair_with_its_fault(tmp_path):
    write(tmp_path / "a.en", b"one\ntwo\nthree\n")
    write(tmp_path / "a.de", b"eins\nzw\xffei\ndrei\n")
    write(tmp_path / "a.align", b"0-0\n0-0\n\xfe\n")
    corpus = TextFiles(source=tmp_path / "a.en", target=tmp_path / "a.de", links=tmp_path / "a.align")
    first, second, third = corpus
    assert first == Pair("one", "eins", "0-0")
    assert second[:3] == ("two", "zw\ufffdei", "0-0")
    assert second.fault.message == f"{tmp_path / 'a.de'}: not UTF-8 at line 2, byte 7 (0xff)"
    assert third.fault.message == f"{tmp_path / 'a.align'}: not UTF-8 at line 3, byte 8 (0xfe)"


@pytest.mark.parametrize("kind", [TextFiles, Tsv])
def test_a_missing_file_is_named(tmp_path, kind):
    missing = str(tmp_path / "nowhere.en")
    corpus = Tsv(path=missing) if kind is Tsv else TextFiles(source=missing, target=missing)
    for use in (corpus.fingerprint, lambda: list(corpus)):
        with pytest.raises(FileNotFoundError) as error:
            use()
        assert one_line(error) == f"file not found: {missing}"


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"target \(1 files\) must be as many files as source \(2\)"):
        TextFiles(source=["a", "b"], target="c")


def test_fingerprint_changes_with_the_file_and_only_then(tmp_path):
    write(tmp_path / "a.en", b"one\n")
    write(tmp_path / "a.de", b"eins\n")
    corpus = TextFiles(source=tmp_path / "a.en", target=tmp_path / "a.de")
    before = corpus.fingerprint()
    assert corpus.fingerprint() == before
    write(tmp_path / "a.de", b"einser\n")
    assert corpus.fingerprint() != before


def test_tsv_columns_by_position_and_by_name(tmp_path):
    path = str(write(tmp_path / "pairs.tsv", b'id\ten\tde\n1\tone "a"\teins\n2\ttwo\tzwei\n'))
    by_name = Tsv(path=path, source_column="de", target_column="en")
    by_position = Tsv(path=path, source_column=2, target_column=1, header=True)
    assert list(by_name) == list(by_position) == [Pair("eins", 'one "a"'), Pair("zwei", "two")]
    assert by_name.fingerprint() != by_position.fingerprint()


def test_tsv_files_may_be_a_list_and_each_has_a_header(tmp_path):
    paths = [
        write(tmp_path / "a.tsv", b"en\tde\none\teins\n"),
        write(tmp_path / "b.tsv.gz", b"de\ten\nzwei\ttwo\n"),
    ]
    corpus = Tsv(path=paths, source_column="en", target_column="de")
    assert list(corpus) == [Pair("one", "eins"), Pair("two", "zwei")]
    assert corpus.fingerprint() != Tsv(path=paths[:1], source_column="en", target_column="de").fingerprint()


def test_a_tsv_line_without_a_column_is_a_fault_and_the_others_are_read(tmp_path):
    path = write(tmp_path / "pairs.tsv", b"one\teins\ntwo\n\nthree\tdr\xffei\nfour\tvier\n")
    first, second, third, fourth, fifth = Tsv(path=str(path))
    assert (first, fifth) == (Pair("one", "eins"), Pair("four", "vier"))
    message = f"{path} line 2: target_column (1, counted from 0) is missing in 1 tab-separated column"
    assert second == Pair("two", "", None, Fault("missing column", message))
    assert third.fault.reason == "missing column"
    assert fourth == Pair(
        "three", "dr\ufffdei", None, Fault("not UTF-8", f"{path}: not UTF-8 at line 4, byte 22 (0xff)")
    )


def test_a_held_out_set_is_refused_for_one_fault(tmp_path):
    path = write(tmp_path / "pairs.tsv", b"one\teins\ntwo\n")
    with pytest.raises(ValueError) as error:
        HeldOut.read("valid", Tsv(path=path))
    assert one_line(error) == f"{path} line 2: target_column (1, counted from 0) is missing in 1 tab-separated column"


def test_tsv_names_the_columns_there_are(tmp_path):
    path = write(tmp_path / "pairs.tsv", b"en\tde\none\teins\n")
    with pytest.raises(ValueError, match=r"target_column \(fr\) must be one of its columns: en, de"):
        list(Tsv(path=str(path), source_column="en", target_column="fr"))


GERMAN = "Grüße\nzwei\n"
OTHER_DATA = {
    "utf-16": (GERMAN.encode("utf-16"), "must be UTF-8, this is UTF-16: iconv -f UTF-16 -t UTF-8 "),
    "utf-16-be": (b"\xfe\xff" + GERMAN.encode("utf-16-be"), "must be UTF-8, this is UTF-16: "),
    "utf-16-le-no-mark": (GERMAN.encode("utf-16-le"), "must be UTF-8, this is UTF-16LE: iconv -f UTF-16LE"),
    "utf-16-be-no-mark": (GERMAN.encode("utf-16-be"), "must be UTF-8, this is UTF-16BE: "),
    "utf-32": (GERMAN.encode("utf-32"), "must be UTF-8, this is UTF-32: "),
    "utf-32-be": (b"\0\0\xfe\xff" + GERMAN.encode("utf-32-be"), "must be UTF-8, this is UTF-32: "),
    "utf-32-le-no-mark": (GERMAN.encode("utf-32-le"), "must be UTF-8, this is UTF-32LE: "),
    "zeros": (bytes(3000), "binary data (NUL bytes at its start), not UTF-8 text"),
    "no-line-end": (bytes(10_000_000), "binary data (NUL bytes at its start), not UTF-8 text"),
    "archive": (b"notes.txt".ljust(100, b"\0") + b"0000644\0" + b"x" * 900 + b"\n", "binary data ("),
    "twice": (gzip.compress(GERMAN.encode()), "compressed twice, "),
}


@pytest.mark.parametrize("kind", OTHER_DATA)
@pytest.mark.parametrize("packing", ["plain", "packed"])
def test_what_is_no_utf8_text_is_refused_in_one_line_that_says_what_it_is(tmp_path, kind, packing):
    content, message = OTHER_DATA[kind]
    if kind == "twice":
        content = gzip.compress(content)
    path = tmp_path / "text.de"
    path.write_bytes(gzip.compress(content) if packing == "packed" and kind != "twice" else content)
    for read in (read_lines, scan_lines):
        with pytest.raises(ValueError) as error:
            list(read(path))
        assert one_line(error).startswith(f"{path}: {message}")
    write(tmp_path / "text.en", b"one\ntwo\n")
    with pytest.raises(ValueError):  # dropping single lines would lose all of them
        list(TextFiles(source=path, target=tmp_path / "text.en"))


def test_a_path_in_the_advice_can_be_typed(tmp_path):
    path = write(tmp_path / "my text.de", GERMAN.encode("utf-16"))
    with pytest.raises(ValueError, match=f"iconv -f UTF-16 -t UTF-8 '{path}' > NEW_FILE"):
        list(read_lines(path))


def test_a_few_nul_bytes_are_content_and_so_are_marks_further_on(tmp_path):
    content = b"a word\0more\n\0\n\xff\xfeb\n" + b"word " * 300 + b"\n" + bytes(2000) + b"\n"
    lines = list(scan_lines(write(tmp_path / "text.en", content)))
    assert lines[:2] == ["a word\0more", "\0"] and lines[2].fault.reason == "not UTF-8" and lines[4] == "\0" * 2000


@pytest.mark.parametrize("over", [0, 1, 2, 300_000, 5_000_000])
def test_a_line_of_four_mebibytes_is_read_and_a_longer_one_is_a_fault(tmp_path, over):
    long = b"x" * (LONGEST_LINE + over)
    for name, content in (("middle", b"one\n" + long + b"\nthree\n"), ("last", b"one\n" + long)):
        path = write(tmp_path / name, content)
        one, two, *three = scan_lines(path)
        assert (one, three) == ("one", ["three"] if name == "middle" else [])
        if over:
            message = f"{path}: line 2 is longer than 4 MiB, the most that a line may have"
            assert two.fault == Fault("line over 4 MiB", message) and len(two.text) <= 1000
            with pytest.raises(ValueError, match="line 2 is longer than 4 MiB"):
                list(read_lines(path))
        else:
            assert two == long.decode()


def test_places_after_a_line_that_is_too_long_are_right(tmp_path):
    long = b"x" * (LONGEST_LINE + 10)
    path = write(tmp_path / "text.en", long + b"\n" + long + b"\nsch\xf6n\n")
    *_, last = scan_lines(path)
    assert last.fault.message == f"{path}: not UTF-8 at line 3, byte {2 * len(long) + 5} (0xf6)"


@pytest.mark.slow  # unpacks a hundred megabytes
def test_memory_is_bounded_whatever_a_line_unpacks_to(tmp_path):
    path = tmp_path / "text.en"
    path.write_bytes(gzip.compress(b"one\n" + b"x" * 100_000_000 + b"\ntwo\n", 1))
    tracemalloc.start()
    try:
        lines = list(scan_lines(path))
        assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST_LINE
    finally:
        tracemalloc.stop()
    assert lines[::2] == ["one", "two"] and lines[1].fault.reason == "line over 4 MiB"


@contextmanager
def standard_input(monkeypatch, content: bytes):
    """Standard input that a pipe brings in small pieces."""
    reader, writer = os.pipe()

    def write_all():
        with os.fdopen(writer, "wb", buffering=0) as file:
            for start in range(0, len(content), 3):
                file.write(content[start : start + 3])

    thread = threading.Thread(target=write_all)
    with os.fdopen(reader) as file:
        monkeypatch.setattr(sys, "stdin", file)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress, zstd.compress])
def test_standard_input_is_read_as_a_file_is(monkeypatch, tmp_path, pack):
    content = "\ufeffone\r\nGrüße\n\nlast".encode()
    with standard_input(monkeypatch, pack(content)):
        assert list(read_lines("-")) == ["one", "Grüße", "", "last"]
    with standard_input(monkeypatch, pack("one\n".encode("utf-16"))), pytest.raises(ValueError) as error:
        list(read_lines("-"))
    assert one_line(error) == "standard input: must be UTF-8, this is UTF-16: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE"


def test_a_pipe_has_a_path_too(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(gzip.compress(b"one\ntwo\n")))
    thread.start()
    assert list(read_lines(tmp_path / "pipe")) == ["one", "two"]
    thread.join()
