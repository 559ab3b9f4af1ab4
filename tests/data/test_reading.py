"""Corpora are read exactly, and whatever is wrong with a file is said in one line that names the place."""

import gzip

import pytest

from mt.data.lines import read_lines
from mt.data.pair import Pair
from mt.data.text_files import TextFiles
from mt.data.tsv import Tsv


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


def test_compressed_form_of_a_missing_file_is_found(tmp_path):
    write(tmp_path / "text.en.gz", b"one\n")
    assert list(read_lines(tmp_path / "text.en")) == ["one"]


def test_wrong_encoding_names_file_line_and_byte(tmp_path):
    path = write(tmp_path / "text.de", "gut\nschön\n".encode("latin-1"))
    with pytest.raises(ValueError) as error:
        list(read_lines(path))
    assert one_line(error) == f"{path}: not UTF-8 at line 2, byte 7 (0xf6)"


def test_wrong_encoding_counts_the_byte_order_mark(tmp_path):
    path = write(tmp_path / "text.de", b"\xef\xbb\xbfsch\xf6n\n")
    with pytest.raises(ValueError, match=r"line 1, byte 6 \(0xf6\)"):
        list(read_lines(path))


@pytest.mark.parametrize("damage", ["cut", "changed", "not-gzip"])
def test_a_damaged_gzip_file_is_said_in_one_line(tmp_path, damage):
    path = tmp_path / "text.en.gz"
    whole = gzip.compress(b"".join(b"line %d\n" % n for n in range(1000)))
    damaged = {"cut": whole[:-12], "changed": whole[:50] + b"\xff" * 9 + whole[59:], "not-gzip": b"no gzip at all"}
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match="not a sound gzip file") as error:
        list(read_lines(path))
    assert str(path) in one_line(error)


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


@pytest.mark.parametrize("source, target", [(3, 5), (5, 3), (0, 2)])
def test_different_line_counts_name_both(tmp_path, source, target):
    write(tmp_path / "a.en", b"one\n" * source)
    write(tmp_path / "a.de", b"eins\n" * target)
    with pytest.raises(ValueError) as error:
        list(TextFiles(source=tmp_path / "a.en", target=tmp_path / "a.de"))
    message = one_line(error)
    assert f"{tmp_path / 'a.en'} has {source}" in message and f"{tmp_path / 'a.de'} has {target}" in message


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


def test_tsv_with_one_column_is_said_in_one_line(tmp_path):
    path = write(tmp_path / "pairs.tsv", b"one\teins\ntwo\n")
    with pytest.raises(ValueError) as error:
        list(Tsv(path=str(path)))
    expected = f"{path} line 2: target_column (1, counted from 0) is missing in 1 tab-separated column"
    assert one_line(error) == expected


def test_tsv_names_the_columns_there_are(tmp_path):
    path = write(tmp_path / "pairs.tsv", b"en\tde\none\teins\n")
    with pytest.raises(ValueError, match=r"target_column \(fr\) must be one of its columns: en, de"):
        list(Tsv(path=str(path), source_column="en", target_column="fr"))
