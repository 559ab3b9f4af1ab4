"""TMX: units of any file become pairs, in little memory, and no file makes us read another one."""

import codecs
import gzip
import tracemalloc

import pytest

from mt.data.formats.tmx import Tmx
from mt.data.pair import Pair
from tests.data.tmx_files import PAIRS, UNITS, read, tmx, unit, variant


def test_units_are_pairs_in_either_direction(tmp_path):
    assert read(tmp_path, tmx(*UNITS)) == PAIRS
    assert read(tmp_path, tmx(*UNITS), "de", "en") == [Pair(target, source) for source, target, *_ in PAIRS]
    assert read(tmp_path, tmx(*UNITS), "de", "fr") == [Pair("zwei <2>", "deux")]
    assert read(tmp_path, tmx()) == []


@pytest.mark.parametrize(
    "present, wanted, text",
    [
        (["en"], "en", "0"),
        (["EN"], "en", "0"),
        (["en-US"], "en", "0"),
        (["en_us"], "EN-US", "0"),
        (["en-US", "en"], "en", "1"),
        (["en-US", "en-GB"], "en", "0"),
        (["en-US", "en-GB"], "en-gb", "1"),
        (["en", "en"], "en", "0"),
        (["en-Latn-US"], "en-Latn", "0"),
    ],
)
def test_a_language_is_found_exactly_first_and_then_with_any_region(tmp_path, present, wanted, text):
    variants = [variant(language, str(number)) for number, language in enumerate(present)]
    assert read(tmp_path, tmx(unit(*variants, de="x")), source=wanted) == [Pair(text, "x")]


def test_the_older_attribute_and_a_region_on_each_side(tmp_path):
    content = tmx(unit(variant("pt-BR", "trem", "lang"), variant("pt", "comboio", "lang")))
    assert read(tmp_path, content, "pt", "pt-BR") == [Pair("comboio", "trem")]
    assert read(tmp_path, content, "pt-BR", "pt") == [Pair("trem", "comboio")]


@pytest.mark.parametrize("present", ["eng", "e", "de-en", "fr"])
def test_other_languages_are_not_taken_and_the_file_is_refused_with_those_it_has(tmp_path, present):
    with pytest.raises(ValueError) as error:
        read(tmp_path, tmx(unit(variant(present, "x"), de="y"), unit(de="z")))
    message = f"{tmp_path}/memory.tmx: no unit has both en and de, its languages are: de, {present}"
    assert str(error.value) == message


def test_what_is_left_out_is_logged(tmp_path, caplog):
    caplog.set_level("INFO")
    units = [unit(en="a", de="b"), unit(en="a", fr="c"), unit(variant("en", "again"), en="a", de="b")]
    read(tmp_path, tmx(*units))
    assert "3 units, left out 1 without both en and de, and 1 further variants of a language" in caplog.text
    caplog.clear()
    read(tmp_path, tmx(*UNITS))
    assert not caplog.text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a <hi type='b'>bold <hi>word</hi></hi> here", "a bold word here"),
        ("<bpt i='1'>&lt;b></bpt>bold<ept i='1'>&lt;/b></ept>.", "bold."),
        ("a <ph x='1'>&lt;img alt='<sub>text of <hi>an</hi> image</sub>'/></ph>b", "a b"),
        ("a<it pos='begin'>x</it> <ut>y</ut>b", "a b"),
        ("one<ph type='lb'>&lt;br/></ph>two", "one two"),
        ("\n   one\n   two  \n", "one two"),
        ("one\r\ntwo&#13;&#10;three", "one two three"),
        ("one&#10;two&#x1F600;", "one two\U0001f600"),
        ("one<!-- comment --> <?x y?>two", "one two"),
        (" one ", " one "),
        ("", ""),
    ],
    ids="hi pair sub alone line-break indented windows reference comment blanks empty".split(),
)
def test_text_inside_stays_codes_go_and_line_ends_become_blanks(tmp_path, text, expected):
    assert read(tmp_path, tmx(unit(en=text, de="x"))) == [Pair(expected, "x")]


@pytest.mark.parametrize(
    "encoding, declared, mark",
    [
        ("utf-8", None, b""),
        ("utf-8", "UTF-8", codecs.BOM_UTF8),
        ("utf-8", "utf8", b""),
        ("utf-16-le", "UTF-16", codecs.BOM_UTF16_LE),
        ("utf-16-be", "utf-16", codecs.BOM_UTF16_BE),
        ("utf-16-le", None, codecs.BOM_UTF16_LE),
        ("utf-16-be", "UTF-16", b""),
        ("utf-16-le", "unicode", b""),
        ("utf-16-le", "UTF-8", codecs.BOM_UTF16_LE),
        ("utf-8", "UTF-16", codecs.BOM_UTF8),
        ("iso-8859-1", "ISO-8859-1", b""),
        ("windows-1252", "windows-1252", b""),
        ("iso-8859-15", "iso-8859-15", b""),
    ],
)
def test_every_declared_encoding_is_read(tmp_path, encoding, declared, mark):
    before = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else '<?xml version="1.0"?>\n'
    content = mark + tmx(unit(en="shown", de="schön üß"), before=before).encode(encoding)
    assert read(tmp_path, content) == [Pair("shown", "schön üß")]


def test_encodings_of_several_bytes_a_character_are_read(tmp_path):
    for encoding, text in (("shift_jis", "日本語ソ"), ("gb18030", "中文"), ("euc-kr", "한국어"), ("big5", "中文")):
        content = tmx(unit(en="x", ja=text), before=f'<?xml version="1.0" encoding="{encoding}"?>\n')
        assert read(tmp_path, content.encode(encoding), target="ja") == [Pair("x", text)]


@pytest.mark.parametrize("encoding", "klingon hex rot13 undefined cp037 utf-7 unicode_escape idna".split())
def test_under_an_unknown_encoding_every_unit_is_a_fault(tmp_path, encoding):
    pairs = read(tmp_path, tmx(*UNITS, before=f'<?xml version="1.0" encoding="{encoding}"?>\n'))
    message = f"{tmp_path}/memory.tmx line 1: its encoding ({encoding}) is not known here"
    assert [pair.fault for pair in pairs] == [("unknown encoding", message)] * len(UNITS)


BILLION_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "declarations, name",
    [
        (f'<!ENTITY l0 "lol">{BILLION_LAUGHS}', "l0"),
        ('<!ENTITY file SYSTEM "file:///etc/passwd">', "file"),
        ('<!ENTITY page PUBLIC "x" "http://127.0.0.1/x">', "page"),
        ('<!ENTITY % more SYSTEM "more.dtd"> %more;', "more"),
        ('<!NOTATION gif SYSTEM "gif"><!ENTITY image SYSTEM "image.gif" NDATA gif>', "image"),
    ],
    ids=["billion-laughs", "file", "network", "parameter", "unparsed"],
)
@pytest.mark.parametrize("external", ["", 'SYSTEM "tmx14.dtd" '], ids=["internal", "external"])
def test_files_that_declare_entities_are_refused(tmp_path, declarations, name, external):
    (tmp_path / "more.dtd").write_text('<!ENTITY lol "lol">')
    before = f'<?xml version="1.0"?>\n<!DOCTYPE tmx {external}[{declarations}]>\n'
    with pytest.raises(ValueError) as error:
        read(tmp_path, tmx(unit(en="&l9;&file;", de="x"), before=before))
    refusal = f"the entity {name} is declared, and files that declare entities are not read"
    assert str(error.value) == f"{tmp_path}/memory.tmx line 2: {refusal}"


def test_a_document_type_is_neither_fetched_nor_needed(tmp_path):
    (tmp_path / "tmx14.dtd").write_text("<!ENTITY stolen 'x'> this is no DTD")
    before = f'<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "{tmp_path}/tmx14.dtd" [<!ELEMENT tmx ANY>]>'
    assert read(tmp_path, tmx(*UNITS, before=before)) == PAIRS


def test_an_entity_that_only_the_document_type_may_know_is_a_fault_of_its_unit(tmp_path):
    units = [unit(en="a&nbsp;b", de="x"), unit(en="a<ph>&nbsp;</ph>", de="y"), unit(en="c", de="z")]
    first, *others = read(tmp_path, tmx(*units))
    assert first[:2] == ("ab", "x")
    assert first.fault == ("unknown entity", f"{tmp_path}/memory.tmx line 5: the entity &nbsp; is not known")
    assert others == [Pair("a", "y"), Pair("c", "z")]


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "no element found"),
        ("one\teins\n", "syntax error"),
        ("<tmx></tmx><tmx></tmx>", "junk after document element"),
        (b"\x00" * 50, "not well-formed"),
    ],
    ids=["empty", "text", "two", "nul"],
)
def test_what_is_no_xml_is_one_fault(tmp_path, content, message):
    (pair,) = read(tmp_path, content)
    assert message in pair.fault.message


def test_other_xml_is_refused_by_its_outermost_element(tmp_path):
    with pytest.raises(ValueError, match=r"memory\.tmx: must be TMX, but its outermost element is <html>"):
        read(tmp_path, "<html><body><tu></tu></body></html>")


def test_files_may_be_packed_and_several(tmp_path):
    packed = gzip.compress(tmx(*UNITS).encode())
    (tmp_path / "a.tmx.gz").write_bytes(packed)
    (tmp_path / "b.tmx.gz").write_bytes(packed[:-12])
    corpus = Tmx(path=[tmp_path / "a.tmx", tmp_path / "b.tmx"], source_language="en", target_language="de")
    *pairs, last = corpus
    assert pairs[:2] == PAIRS
    assert "not a sound gzip file (it is cut off)" in last.fault.message
    before = corpus.fingerprint()
    (tmp_path / "b.tmx.gz").write_bytes(packed)
    assert list(corpus) == PAIRS * 2
    assert corpus.fingerprint() != before


def test_one_language_for_both_sides_is_refused():
    with pytest.raises(ValueError, match="source_language and target_language must differ, both are EN"):
        Tmx(path="x", source_language="EN", target_language="en")


@pytest.mark.slow
def test_a_large_file_is_read_in_little_memory(tmp_path):
    path = tmp_path / "memory.tmx"
    with open(path, "w") as file:
        start, end = tmx("#").split("#")
        file.write(start)
        for number in range(30_000):
            file.write(unit(en=f"sentence {number} {'x' * 200}", de=f"Satz {number}"))
        file.write(end)
    tracemalloc.start()
    try:
        assert sum(1 for _ in Tmx(path=path, source_language="en", target_language="de")) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000 < path.stat().st_size / 3
    finally:
        tracemalloc.stop()
