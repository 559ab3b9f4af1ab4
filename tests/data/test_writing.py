"""Writers: only target texts change, every other byte stays, and a reader finds what was written."""

import bz2
import gzip
import lzma

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.formats.jsonl import JsonLines
from mt.data.formats.po import Po
from mt.data.formats.table import FORMATS, format_of
from mt.data.formats.tmx import Tmx
from mt.data.formats.tsv import Tsv
from mt.data.formats.write_lines import JsonLinesWriter, TextWriter, TsvWriter
from mt.data.formats.write_po import PoWriter
from mt.data.formats.write_xml import TmxWriter, XliffWriter
from mt.data.formats.writing import Markup
from mt.data.formats.xliff import Xliff
from tests.data.written_files import FILES, LANGUAGES, PO, TEXTS, TMX, XLIFF_1, content_of


@pytest.fixture(params=FILES)
def case(request, tmp_path):
    writer, content = FILES[request.param]
    path = tmp_path / "in"
    path.write_bytes(content.encode())
    return writer, path


def test_writing_back_what_was_read_gives_the_identical_file(case, tmp_path):
    writer, path = case
    segments = writer.segments(path)
    for texts in ([one.target for one in segments], [None] * len(segments)):
        writer.write(path, tmp_path / "out", texts)
        assert (tmp_path / "out").read_bytes() == path.read_bytes()


def test_each_text_alone_changes_nothing_of_the_others_and_what_was_written_is_read(case, tmp_path):
    writer, path = case
    segments = writer.segments(path)
    for number in range(len(segments)):
        new = f'<Ä> & "{number}" \\ \U0001f600'
        texts = [None] * len(segments)
        texts[number] = new
        writer.write(path, tmp_path / "out", texts)
        found = writer.segments(tmp_path / "out")
        assert [one.target.rstrip("\n") for one in found] == [
            new if n == number else one.target.rstrip("\n") for n, one in enumerate(segments)
        ]
        if not isinstance(writer, TextWriter):
            assert [one.source for one in found] == [one.source for one in segments]
        back = [one.target for one in segments]
        writer.write(tmp_path / "out", tmp_path / "back", back)
        assert [one.target for one in writer.segments(tmp_path / "back")] == back


@settings(max_examples=2 * settings.default.max_examples)
@given(data=st.data(), name=st.sampled_from([*FILES]))
def test_any_text_is_written_and_read_again_or_refused_in_one_line_with_nothing_written(data, name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    writer, content = FILES[name]
    (folder / "in").write_bytes(content.encode())
    segments = writer.segments(folder / "in")
    texts = [data.draw(st.none() | TEXTS) for _ in segments]
    try:
        writer.write(folder / "in", folder / "out", texts)
    except ValueError as error:
        assert "cannot be written" in str(error) and "\n" not in str(error)
        assert not (folder / "out").exists()
        return
    found = writer.segments(folder / "out")
    assert len(found) == len(segments)
    for text, one, before in zip(texts, found, segments, strict=True):
        is_left = text is None or text == writer.one_line(before.target)
        assert one.target == (before.target if is_left else writer.as_written(text, before.source))


LONE = "x\ud83d"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("text", text) for text in ("a\nb", "a\n", LONE)),
        *(("tsv", text) for text in ("a\tb", "a\nb", LONE)),
        *(("po", text) for text in ("a\0b", LONE)),
        *(("tmx", text) for text in ("a\0b", "\x0b", "\ufffe", Markup("<hi>"), Markup("</seg><seg>"), LONE)),
        *(("xliff 1.2", text) for text in ("\x01", Markup("</target><target>"))),
    ],
)
def test_what_cannot_stand_in_a_format_is_refused_with_its_place_and_the_file_stays(name, text, tmp_path):
    writer, content = FILES[name]
    (tmp_path / "in").write_bytes(content.encode())
    number = len(writer.segments(tmp_path / "in")) - 1
    texts = [None] * number + [text]
    with pytest.raises(ValueError, match=r"in line \d+: the text .* cannot be written"):
        writer.write(tmp_path / "in", tmp_path / "in", texts)
    assert (tmp_path / "in").read_bytes() == content.encode()


def test_a_wrong_number_of_texts_is_refused(case, tmp_path):
    writer, path = case
    count = len(writer.segments(path))
    with pytest.raises(ValueError, match=rf"in: texts \({count + 1}\) must be as many as its segments \({count}\)"):
        writer.write(path, tmp_path / "out", [None] * (count + 1))


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), (".zst", zstd.compress)],
)
def test_compression_is_kept_and_an_unchanged_file_is_the_same_packed_bytes(ending, pack, tmp_path):
    path, out = tmp_path / f"a.txt{ending}", tmp_path / f"b.txt{ending}"
    path.write_bytes(pack(b"one\ntwo\n"))
    TextWriter().write(path, out, ["one", None])
    assert out.read_bytes() == path.read_bytes()
    TextWriter().write(tmp_path / "a.txt", out, ["eins", None])
    assert out.read_bytes()[:2] == path.read_bytes()[:2] and content_of(out) == b"eins\ntwo\n"


@pytest.mark.parametrize(
    ("reader", "writer", "content"),
    [
        (Tsv, TsvWriter(), "a\tä\nb\tc\n"),
        (JsonLines, JsonLinesWriter(source_field="en", target_field="de"), '{"en": "a", "de": "x\\ny"}\n'),
        (Po, PoWriter(), PO.replace("#, fuzzy, c-format\n", "").replace('\nmsgid "new" msgstr ""', "")),
        (Tmx, TmxWriter(**LANGUAGES), TMX),
        (Xliff, XliffWriter(**LANGUAGES), XLIFF_1[: XLIFF_1.index('  <trans-unit id="2"')] + "</body></file></xliff>"),
    ],
)
def test_a_reader_finds_what_its_twin_wrote(reader, writer, content, tmp_path):
    how = {name: value for name, value in vars(writer).items() if name in reader.__dataclass_fields__}
    (tmp_path / "in").write_text(content, "utf-8")
    segments = writer.segments(tmp_path / "in")
    read = [pair.target for pair in reader(path=tmp_path / "in", **how)]
    writer.write(tmp_path / "in", tmp_path / "same", read)
    assert (tmp_path / "same").read_text("utf-8") == content
    new = [f"Ä<{n}>" for n in range(len(segments))]
    writer.write(tmp_path / "in", tmp_path / "out", new)
    found = [pair.target for pair in reader(path=tmp_path / "out", **how)]
    assert set(found) == set(new) and not any(pair.fault for pair in reader(path=tmp_path / "out", **how))


@pytest.mark.parametrize(
    ("writer", "content", "said"),
    [
        (TextWriter(), b"a\n\xff\n", r"in: not UTF-8 at line 2, byte 2 \(0xff\)"),
        (TsvWriter(target_column=2), b"a\tb\nc\n", r"in line 2: columns 0 and 2 must exist"),
        (TsvWriter(target_column="de"), b"en\n", r"in: column \(de\) must be one of its columns: en"),
        (FILES["jsonl"][0], b"[1]\n", r"in line 1: field \(t.en\) must be nested only in objects"),
        (FILES["jsonl"][0], b'{"t": {"en": "a"}}\n', r"in line 1: field \(t.de\) must exist"),
        (FILES["jsonl"][0], b'{"t": \n', r"in line 1: Expecting value"),
        (PoWriter(), b'msgid "a"\n', r"in line 1: not a whole PO entry"),
        (PoWriter(), b'msgid "a"\nmsgstr "\xff"\n', r"in line 2: not UTF-8"),
        (PoWriter(), b'msgid ""\nmsgstr "charset=none\\n"\n', r"in: its charset \(none\) is not known here"),
        (TmxWriter(**LANGUAGES), b"<tmx><body>", r"in: not well-formed XML: no element found"),
        (TmxWriter(**LANGUAGES), b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', r"in: the entity b is declared"),
        (
            XliffWriter(source_language="de", target_language="fr"),
            XLIFF_1.encode(),
            r"in: must be de > fr, it is en > de",
        ),
        (TmxWriter(**LANGUAGES), TMX.replace("UTF-8", "none").encode(), r"its encoding \(none\) is not known here"),
    ],
)
def test_a_file_that_is_not_sound_is_refused_in_one_line(writer, content, said, tmp_path):
    (tmp_path / "in").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        writer.segments(tmp_path / "in")


def test_every_format_has_a_row_with_its_reader_and_the_endings_of_its_files():
    assert {one.name for one in FORMATS if one.writer} == {"text", "tsv", "jsonl", "po", "tmx", "xliff"}
    for name, found in {"a.po": "po", "b.XLF.gz": "xliff", "c.tsv.zst": "tsv", "d.json": "jsonl", "e": None}.items():
        one = format_of(name)
        assert (one and one.name) == found


def test_of_many_texts_the_one_that_breaks_the_file_is_named(tmp_path):
    (tmp_path / "in").write_text("".join(f"{number}\n" for number in range(100)))
    texts = [f"x{number}" if number != 70 else "a\nb" for number in range(100)]
    with pytest.raises(ValueError, match=r"in line 71: the text 'a\\nb' cannot be written in this format"):
        TextWriter().write(tmp_path / "in", tmp_path / "out", texts)
