"""Damage in a TMX file costs the units that it is in, no others, and no more work than the file has bytes."""

from random import Random
from xml.parsers import expat

import pytest

from mt.data.pair import Fault, Pair
from tests.data.tmx_files import PAIRS, UNITS, read, tmx, unit


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
