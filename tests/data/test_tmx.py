"""TMX: units of any file become pairs, in little memory, and no file makes us read another one."""

import codecs
import gzip
import tracemalloc
from random import Random
from xml.parsers import expat

import pytest

from mt.data.formats.tmx import Tmx
from mt.data.pair import Fault, Pair

HEADER = '<header creationtool="x" segtype="sentence" adminlang="en" srclang="en" datatype="plaintext" o-tmf="x"/>'
PAIRS = [Pair("one & all", "eins"), Pair("two", "zwei <2>")]


def variant(language, text, attribute="xml:lang"):
    return f'<tuv {attribute}="{language}"><prop type="x">prop</prop><seg>{text}</seg></tuv>'


def unit(*variants, **languages):
    texts = [variant(language, text) for language, text in languages.items()]
    return f"<tu>\n<note>a note</note>{''.join([*variants, *texts])}\n</tu>\n"


def tmx(*units, before='<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'):
    return f'{before}<tmx version="1.4">{HEADER}<body>\n{"".join(units)}</body>\n</tmx>\n'


UNITS = [unit(en="one &amp; all", de="eins"), unit(de="zwei <![CDATA[<2>]]>", fr="deux", en="two")]


def read(tmp_path, content, source="en", target="de", name="memory.tmx"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(Tmx(path=path, source_language=source, target_language=target))


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
    "broken, at, why",
    [
        ("two</sag>", "sag>", "mismatched tag"),
        ("two & </seg>", " </seg>", "not well-formed (invalid token)"),
        ("two\x01</seg>", "\x01", "not well-formed (invalid token)"),
        ("two&nbsp;</seg>", "&nbsp;", "undefined entity"),
        ("t\ud7ffo < b</seg>", " b</seg>", "not well-formed (invalid token)"),
    ],
    ids=["tag", "ampersand", "control", "entity", "less-than"],
)
def test_malformed_xml_is_a_fault_of_its_unit_with_line_and_column(tmp_path, broken, at, why):
    content = tmx(*UNITS, unit(en="three", de="drei"), before='<?xml version="1.0"?>\n').replace("two</seg>", broken)
    place = content.index(at)
    line, column = content.count("\n", 0, place) + 1, place - content.rfind("\n", 0, place)
    first, fault, last = read(tmp_path, content)
    assert (first, last) == (PAIRS[0], Pair("three", "drei"))
    message = f"{tmp_path}/memory.tmx: not well-formed XML at line {line}, column {column} ({why})"
    assert fault.fault == Fault("not well-formed XML", message)
    assert fault.source.startswith('<tu> <note>a note</note><tuv xml:lang="de">')


@pytest.mark.parametrize(
    "end, num_pairs", [("tw", 1), ("two</se", 1), ("</seg></tuv>", 1), ("</tu>\n", 2), ("</body>", 2)]
)
def test_a_file_that_is_cut_off_is_a_last_fault(tmp_path, end, num_pairs):
    content = tmx(*UNITS)
    *pairs, last = read(tmp_path, content[: content.rindex(end) + len(end)])
    assert pairs == PAIRS[:num_pairs]
    assert "not well-formed XML at line" in last.fault.message


def test_bytes_that_are_not_the_declared_encoding_are_a_fault_of_their_unit(tmp_path):
    third = Pair("three", "drei")
    for encoding, why in (
        ("utf-8", "invalid token"),
        ("shift_jis", "not shift_jis"),
        ("windows-1252", "not windows-1252"),
    ):
        before = f'<?xml version="1.0" encoding="{encoding}"?>\n'
        wrong = b"tw\x81" if encoding == "windows-1252" else b"tw\xff"
        content = tmx(*UNITS, unit(en="three", de="drei"), before=before).encode().replace(b"two", wrong)
        first, fault, last = read(tmp_path, content)
        assert (first, last) == (PAIRS[0], third)
        assert why in fault.fault.message
    content = tmx(*UNITS, unit(en="three", de="drei")).encode("utf-16").replace("w".encode("utf-16le"), b"\x00\xd8", 1)
    pairs = read(tmp_path, content)
    assert pairs[-1] == third and sum(pair.fault is not None for pair in pairs) == 1


NUMBERS = [Pair(f"en {number}", f"de {number}") for number in range(7)]
DAMAGES = {
    "illegal character": ("en 3", "en\x013"),
    "character reference": ("en 3", "&#x1;"),
    "no end of a sentence": ("en 3</seg>", "en 3"),
    "no end of a variant": ("de 3</seg></tuv>", "de 3</seg>"),
    "two ends": ("de 3</seg></tuv>", "de 3</seg></tuv></tuv>"),
    "no end of the unit": ("de 3</seg></tuv>\n</tu>", "de 3</seg></tuv>\n"),
    "open attribute": ('<tuv xml:lang="en"><prop type="x">prop</prop><seg>en 3', '<tuv xml:lang="en><seg>en 3'),
    "comment without end": ("en 3", "<!-- en 3"),
    "character data without end": ("en 3", "<![CDATA[en 3"),
    "instruction without end": ("en 3", "<? en 3"),
    "unknown entity": ("en 3", "&en3;"),
    "attribute twice": ("<seg>en 3", '<seg a="1" a="1">en 3'),
    "tag without name": ("en 3", "< 3"),
    "end without start": ("en 3", "</body>"),
    "noncharacter": ("en 3", "en \uffff"),
    "second declaration": ("en 3", '<?xml version="1.0"?>'),
    "start tag of the unit": ("<note>a note</note>MARK", "<"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("block_bytes", [7, 1 << 18])
def test_a_damaged_unit_costs_itself_alone(tmp_path, monkeypatch, damage, block_bytes):
    monkeypatch.setattr("mt.data.formats.compressed.BLOCK_BYTES", block_bytes)
    content = tmx(*(unit(en=pair.source, de=pair.target) for pair in NUMBERS), before="")
    if damage == "start tag of the unit":
        parts = content.split("<tu>")
        content = "<tu>".join(parts[:4]) + "<tu <>" + "<tu>".join(parts[4:])
    else:
        old, new = DAMAGES[damage]
        assert content.count(old) == 1
        content = content.replace(old, new)
    pairs = read(tmp_path, content)
    assert [pair for pair in pairs if pair.fault is None] == NUMBERS[:3] + NUMBERS[4:]
    (fault,) = [pair.fault for pair in pairs if pair.fault is not None]
    assert fault.reason == "not well-formed XML"
    assert fault.message.startswith(f"{tmp_path}/memory.tmx: not well-formed XML at line ")


def test_damage_around_units_costs_none_of_them(tmp_path):
    content = tmx(*(unit(en=pair.source, de=pair.target) for pair in NUMBERS), before="")
    for old, new in (
        ("<header", "<header &"),
        ("</body>\n</tmx>", "</bo>\n</tmx>"),
        ("</tmx>", "</tmx>\x01"),
        ("</tu>", "</tu>\x01"),
    ):
        pairs = read(tmp_path, content.replace(old, new, 1))
        assert [pair for pair in pairs if pair.fault is None] == NUMBERS
        assert 1 <= sum(pair.fault is not None for pair in pairs) <= 2


def test_two_files_behind_one_another_are_both_read(tmp_path):
    pairs = read(tmp_path, tmx(*UNITS, before="") + tmx(*UNITS, before='<?xml version="1.0"?>'))
    assert [pair for pair in pairs if pair.fault is None] == PAIRS * 2
    assert len(pairs) == 5


def test_a_damaged_place_of_any_kind_costs_no_other_unit(tmp_path):
    """Bytes inside of one unit are changed at random."""
    random = Random(16)
    before, after = tmx("#").split("#")
    units = [unit(en=pair.source, de=pair.target) for pair in NUMBERS]
    for _ in range(300):
        changed = list(units[3])
        for _ in range(random.randint(1, 3)):
            changed[random.randrange(4, len(changed) - 8)] = random.choice(
                ["", "\x01", "<", ">", "&", '"', "/", "\ud7ff"]
            )
        pairs = read(tmp_path, before + "".join([*units[:3], *changed, *units[4:]]) + after)
        others = [pair for pair in pairs if pair.fault is None]
        assert others[:3] + others[-3:] == NUMBERS[:3] + NUMBERS[4:]
        assert len(pairs) - len(others) <= 2


def test_a_unit_of_any_size_is_read_up_to_a_limit_and_one_beyond_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("mt.data.formats.xml_units.UNIT_BYTES", 4000)
    monkeypatch.setattr("mt.data.formats.compressed.BLOCK_BYTES", 100)
    longest = unit(en="x" * 3700, de="y")
    for too_long in ("x" * 4000, f"<ph>{'x' * 4000}</ph>", f"<hi a='{'x' * 4000}'/>", f"<!--{'x' * 4000}-->"):
        content = tmx(longest, unit(en=too_long, de="z"), unit(en="a", de="b"))
        first, fault, last = read(tmp_path, content)
        assert (first, last) == (Pair("x" * 3700, "y"), Pair("a", "b"))
        message = f"{tmp_path}/memory.tmx line 7: a unit of more than 4,000 bytes"
        assert fault.fault == Fault("too large unit", message)
    first, fault, last = read(tmp_path, tmx(longest, f"<!--{'x' * 4200}-->", unit(en="a", de="b")))
    assert fault.fault.message == f"{tmp_path}/memory.tmx line 7: a tag or comment of more than 4,000 bytes"


@pytest.mark.parametrize("damaged", ["\x01", "<![CDATA[", "<?", "<!--", "</tu>", "<tu>", "&x;"])
def test_damage_is_got_over_at_a_cost_that_grows_with_the_file(tmp_path, monkeypatch, damaged):
    """Counts the bytes that the parser is given and takes."""
    monkeypatch.setattr("mt.data.formats.xml_units.UNIT_BYTES", 2000)
    monkeypatch.setattr("mt.data.formats.xml_damage.REREAD_BYTES", 8000)
    monkeypatch.setattr("mt.data.formats.compressed.BLOCK_BYTES", 1000)
    num_parsed = 0
    create = expat.ParserCreate

    class Counted:
        def __init__(self, encoding):
            object.__setattr__(self, "inner", create(encoding))

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def __setattr__(self, name, value):
            setattr(self.inner, name, value)

        def Parse(self, content, is_last):
            nonlocal num_parsed
            before = max(self.inner.CurrentByteIndex, 0)
            try:
                self.inner.Parse(content, is_last)
                num_parsed += len(content)
            except expat.ExpatError:
                num_parsed += max(self.inner.ErrorByteIndex - before, 0)
                raise

    monkeypatch.setattr(expat, "ParserCreate", Counted)
    costs = []
    for count in (200, 400, 800):
        num_parsed = 0
        units = [unit(en=f"{number}{damaged}", de="x") for number in range(count)]
        pairs = read(tmp_path, tmx(*units, before=""))
        assert len(pairs) >= count and any(pair.fault for pair in pairs)
        costs.append(num_parsed / len("".join(units)))
    assert max(costs) < 12


def test_a_document_type_may_declare_some_attributes_and_not_too_many(tmp_path):
    declared = '<!ATTLIST tuv xml:lang CDATA "de"><!ATTLIST tu x CDATA #IMPLIED>'
    before = f"<!DOCTYPE tmx [{declared}]>\n"
    units = ["<tu><tuv xml:lang='en'><seg>a</seg></tuv><tuv><seg>b</seg></tuv></tu>", unit(en="&x;", de="c")]
    first, fault, last = read(tmp_path, tmx(*units, units[0], before=before))
    assert first == last == Pair("a", "b") and fault.fault is not None
    for kind, count in (('CDATA "x"', 65), ("CDATA #IMPLIED", 1001)):
        declared = "".join(f"<!ATTLIST tu a{number} {kind}>\n" for number in range(100_000))
        with pytest.raises(ValueError, match=rf"memory.tmx line {count}: a document type must declare at most 1,000"):
            read(tmp_path, tmx(before=f"<!DOCTYPE tmx [{declared}]>\n"))
    with pytest.raises(ValueError, match="its document type must be at most 1,048,576 bytes"):
        read(tmp_path, tmx(before=f"<!DOCTYPE tmx [{'<!ELEMENT tmx ANY>' * 200_000}]>\n"))


def test_elements_may_not_be_as_deep_as_they_like(tmp_path):
    deep = "<hi>" * 2000 + "x" + "</hi>" * 2000
    first, fault, last = read(tmp_path, tmx(UNITS[0], unit(en=deep, de="x"), UNITS[1]))
    assert [first, last] == PAIRS and "elements nested more than 1,000 deep" in fault.fault.message
    with pytest.raises(ValueError, match="the names of the elements around a unit must be at most 4,096 bytes"):
        read(tmp_path, tmx(f"<{'a' * 5000}>{UNITS[0]}"))


def test_many_blanks_and_lines_in_a_sentence_are_no_work(tmp_path):
    """A cost that grows with the square of the blanks would take days."""
    blanks = " " * 1_000_000 + "\t" * 1_000_000
    assert read(tmp_path, tmx(unit(en=f"a{blanks}b", de=f"{blanks}\n{blanks}x{blanks}\n" + "\n \n" * 100_000))) == [
        Pair(f"a{blanks}b", "x")
    ]


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
