"""Writers: only target texts change, every other byte stays, and a reader finds what was written."""

import bz2
import gettext
import gzip
import lzma
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.formats.compressed import read_blocks
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

PO = r"""# translator's comment
#, fuzzy
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#: src/a.c:10
#. extracted
msgid   "File \"x\"\t\\ & <b>"
msgstr	"Datei \"x\"\t\\ &amp;"

msgctxt "menu"
msgid "Open"
msgstr ""
"Öff"
"nen"

#, fuzzy, c-format
#| msgid "Old"
msgid "two\n"
"lines\n"
msgstr "zwei\n"

"Zeilen\n"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"   
msgid "new" msgstr ""

#~ msgid "gone"
#~ msgstr "weg"
"""
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a > comment --><tmx version="1.4"><header srclang='en' note="a > b"/><body>
  <tu tuid="1"><note>n</note>
    <tuv xml:lang="en-US"><seg>A &amp; B</seg></tuv>
    <tuv xml:lang='de'><seg>A &#38; <![CDATA[B<]]></seg></tuv></tu>
  <tu><tuv xml:lang="en"><seg>a<bpt i="1">&lt;b></bpt>c<ept i="1"/></seg></tuv><tuv xml:lang="de-AT"><seg/></tuv>
   <tuv xml:lang="de"><seg>ä<ph x="1>2">code</ph> <hi>b</hi>
      c</seg></tuv></tu>
  <tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
</body></tmx>
"""
XLIFF_1 = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file original="a>b" source-language="en"
 target-language='de'><body>
  <trans-unit id="1"><source>One <g id="1">two</g></source>
    <target state="translated">Eins <g id="1">zwei</g><x id="2"/></target></trans-unit>
  <trans-unit id="2">
\t<source>New</source>
\t<note>keep</note>
  </trans-unit>
  <trans-unit id="3"><source>E</source><target/><alt-trans><source>E</source><target>no</target></alt-trans>
  </trans-unit>
  <trans-unit id="4"><source>A. B.</source>
    <seg-source><mrk mtype="seg" mid="1">A.</mrk> <mrk mtype="seg" mid="2">B.</mrk></seg-source>
    <target><mrk mtype="seg" mid="2">b.</mrk> <mrk mtype="seg" mid="1">a.</mrk></target></trans-unit>
</body></file></xliff>
"""
XLIFF_2 = """<x:xliff xmlns:x="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="de">
<x:file id="f"><x:unit id="u"><x:segment><x:source>One</x:source>
    <x:target>Eins</x:target></x:segment>
  <x:segment id="s">
    <x:source>Two</x:source>
  </x:segment><x:ignorable><x:source> </x:source></x:ignorable></x:unit></x:file></x:xliff>"""
LANGUAGES = {"source_language": "en", "target_language": "de"}
FILES = {  # name -> writer, content
    "text": (TextWriter(), "one\r\ntwo\n\nlast \u2028 line"),
    "text with mark": (TextWriter(), "\ufeffone\ntwo\n"),
    "empty text": (TextWriter(), ""),
    "tsv": (TsvWriter(), 'a "x"\tb\tc\r\n\td\n\n'.replace("\n\n", "\ne\n")),
    "tsv by name": (TsvWriter(source_column="en", target_column="de"), "id\tde\ten\n1\tä\ta\n2\t\tb"),
    "jsonl": (
        JsonLinesWriter(source_field="t.en", target_field="t.de"),
        '{ "id":1, "t" : {"en":"a","de": "\\u00e4\\/\\n" } }\r\n\n'
        '{"t":{"de":"x","de":null,"en":"b"},"z":[{"de":"no"}]}',
    ),
    "po": (PoWriter(), PO),
    "po of windows": (PoWriter(), PO.replace("\n", "\r\n")),
    "tmx": (TmxWriter(**LANGUAGES), TMX),
    "xliff 1.2": (XliffWriter(**LANGUAGES), XLIFF_1),
    "xliff 2.0": (XliffWriter(**LANGUAGES), XLIFF_2),
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "a\nb",
        "\n",
        '"',
        "\\",
        "\\n",
        "</target>",
        "]]>",
        "&amp;",
        "<b>",
        "\t",
        "é\r",
        "\ufeff",
        "\x00",
        "\x0b",
        "%d",
        "#",
    ]
)


@pytest.fixture(params=FILES)
def case(request, tmp_path):
    writer, content = FILES[request.param]
    path = tmp_path / "in"
    path.write_bytes(content.encode())
    return writer, path


def content_of(path):
    return b"".join(read_blocks(path))


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


@settings(max_examples=150, deadline=None)
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


def test_po_texts_stand_where_they_stood_and_everything_else_stays(tmp_path):
    writer, content = FILES["po"]
    (tmp_path / "in").write_text(content, "utf-8")
    segments = writer.segments(tmp_path / "in")
    assert [one.source for one in segments] == [
        *('File "x"\t\\ & <b>', "Open", "two\nlines\n", "%d file", "%d files", "new"),
    ]
    writer.write(tmp_path / "in", tmp_path / "out", ["D", "Auf", "zwei\nZeilen", "%d D", None, "neu"])
    expected = (
        content.replace(r'msgstr	"Datei \"x\"\t\\ &amp;"', 'msgstr	"D"')
        .replace('msgstr ""\n"Öff"\n"nen"\n', 'msgstr "Auf"\n')
        .replace('msgstr[0] "%d Datei"', 'msgstr[0] "%d D"')
        .replace('msgid "new" msgstr ""', 'msgid "new" msgstr "neu"')
    )
    assert (tmp_path / "out").read_text("utf-8") == expected  # two lines are those that stood there, in one line


def test_po_lines_get_a_line_each_and_the_line_ends_that_gettext_demands(tmp_path):
    writer, content = FILES["po"]
    (tmp_path / "in").write_text(content, "utf-8")
    writer.write(tmp_path / "in", tmp_path / "out", [None, None, "eine\nandere\nSache", None, None, None])
    assert 'msgstr ""\n"eine\\n"\n"andere\\n"\n"Sache\\n"\n\n\nmsgid "%d file"' in (tmp_path / "out").read_text("utf-8")


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="needs GNU gettext (msgfmt)")
@settings(max_examples=25, deadline=None)
# gettext's catalogs part contexts from sources by U+0004, so that no text of theirs may hold it
@given(
    texts=st.lists(TEXTS.filter(lambda text: not {"\0", "\4"} & {*text} and text.strip("\n")), min_size=5, max_size=5)
)
def test_msgfmt_reads_what_was_written(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("po")
    content = PO.replace("#, fuzzy, c-format\n", "")
    (folder / "in").write_text(content, "utf-8")
    PoWriter().write(folder / "in", folder / "out.po", [*texts[:4], None, texts[4]])
    segments = PoWriter().segments(folder / "out.po")
    subprocess.run(["msgfmt", "--check-format", "out.po", "-o", "out.mo"], cwd=folder, check=True)
    catalog = gettext.GNUTranslations((folder / "out.mo").open("rb"))
    assert catalog.gettext(segments[0].source) == segments[0].target
    assert catalog.pgettext("menu", "Open") == segments[1].target
    assert catalog.gettext("two\nlines\n") == segments[2].target
    assert catalog.ngettext("%d file", "%d files", 1) == segments[3].target
    assert catalog.gettext("new") == segments[5].target


def test_a_po_file_is_written_in_its_charset_and_other_characters_are_refused(tmp_path):
    path = tmp_path / "in"
    raw = PO.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    path.write_bytes(raw)
    texts = [None] * 6
    PoWriter().write(path, tmp_path / "out", [*texts[:5], "schön"])
    assert (tmp_path / "out").read_bytes() == raw.replace(b'msgid "new" msgstr ""', b'msgid "new" msgstr "sch\xf6n"')
    with pytest.raises(ValueError, match=r"line \d+: the text 'č' cannot be written"):
        PoWriter().write(path, tmp_path / "out", [*texts[:5], "č"])


def test_bytes_of_a_charset_that_look_like_a_backslash_do_not_end_a_string(tmp_path):
    raw = PO.replace("UTF-8", "GBK").replace("Öff", "誠").encode("gbk")  # its second byte is that of "\"
    (tmp_path / "in").write_bytes(raw)
    segments = PoWriter().segments(tmp_path / "in")
    assert segments[1].target == "誠nen"
    PoWriter().write(tmp_path / "in", tmp_path / "out", [None, "誠", *[None] * 4])
    assert PoWriter().segments(tmp_path / "out")[1].target == "誠"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1", "windows-1252"])
@pytest.mark.parametrize("name", ["tmx", "xliff 1.2"])
def test_xml_keeps_its_encoding_and_writes_what_that_lacks_as_references(encoding, name, tmp_path):
    writer, content = FILES[name]
    declared = content.replace('<?xml version="1.0" encoding="UTF-8"?>', "").replace('<?xml version="1.0"?>', "")
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-be")}"?>' + declared
    raw = declared.encode(encoding) if encoding != "utf-16-be" else ("\ufeff" + declared).encode(encoding)
    (tmp_path / "in").write_bytes(raw)
    segments = writer.segments(tmp_path / "in")
    writer.write(tmp_path / "in", tmp_path / "same", [one.target for one in segments])
    assert (tmp_path / "same").read_bytes() == raw
    writer.write(tmp_path / "in", tmp_path / "out", ["ö č 😀", *[None] * (len(segments) - 1)])
    assert writer.segments(tmp_path / "out")[0].target == "ö č 😀"
    assert (b"&#269;" in (tmp_path / "out").read_bytes()) is (encoding in ("latin-1", "windows-1252"))


@pytest.mark.parametrize("name", ["tmx", "xliff 1.2", "xliff 2.0"])
def test_an_xml_parser_finds_what_was_written_and_the_same_elements(name, tmp_path):
    writer, content = FILES[name]
    (tmp_path / "in").write_text(content, "utf-8")
    segments = writer.segments(tmp_path / "in")
    new = [f"<{n}> & \"'\r\n\t]]> ä" for n in range(len(segments))]
    writer.write(tmp_path / "in", tmp_path / "out", new)
    root = ElementTree.parse(tmp_path / "out").getroot()
    texts = ["".join(one.itertext()) for one in root.iter()]
    assert all(text in texts for text in new)
    sources = [one.text for one in root.iter() if one.tag.endswith("source")]
    assert sources == [one.text for one in ElementTree.fromstring(content).iter() if one.tag.endswith("source")]


def test_inline_elements_go_with_another_text_stay_with_the_same_and_come_as_markup(tmp_path):
    writer, content = FILES["xliff 1.2"]
    (tmp_path / "in").write_text(content, "utf-8")
    segments = writer.segments(tmp_path / "in")
    assert segments[0] == ("One two", "Eins zwei")
    rest = [None] * (len(segments) - 1)
    inner = 'Eins <g id="1">zwei</g><x id="2"/>'
    for text, expected in (("Eins zwei", inner), ("eins", "eins"), (Markup('<x id="2"/>&lt;'), '<x id="2"/>&lt;')):
        writer.write(tmp_path / "in", tmp_path / "out", [text, *rest])
        assert (tmp_path / "out").read_text("utf-8") == content.replace(inner, expected)


def test_a_unit_without_a_target_gets_one_after_its_source(tmp_path):
    writer, content = FILES["xliff 1.2"]
    (tmp_path / "in").write_text(content, "utf-8")
    assert [one.source for one in writer.segments(tmp_path / "in")] == ["One two", "New", "E", "A.", "B."]
    writer.write(tmp_path / "in", tmp_path / "out", [None, "Neu", "Z", "1.", None])
    expected = (
        content.replace("<source>New</source>", "<source>New</source>\n\t<target>Neu</target>")
        .replace("<target/>", "<target>Z</target>")
        .replace(">a.<", ">1.<")
    )
    assert (tmp_path / "out").read_text("utf-8") == expected
    writer, content = FILES["xliff 2.0"]
    (tmp_path / "in").write_text(content, "utf-8")
    writer.write(tmp_path / "in", tmp_path / "out", [None, "Zwei"])
    added = "<x:source>Two</x:source>\n    <x:target>Zwei</x:target>"
    assert (tmp_path / "out").read_text("utf-8") == content.replace("<x:source>Two</x:source>", added)


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
