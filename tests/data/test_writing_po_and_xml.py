"""Writers of PO and of XML: charsets, escapes, the places of texts, and what other programs read of it."""

import gettext
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.formats.write_po import PoWriter
from mt.data.formats.writing import Markup
from tests.data.written_files import FILES, PO, TEXTS


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
@settings(max_examples=25)
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
