"""XLIFF of both versions: what has been translated becomes pairs, in the direction that is asked for."""

import gzip
import re

import pytest

from mt.data.formats.xliff import Xliff
from mt.data.pair import Fault, Pair


def version_1(*units, source="en", target="de", prefix=""):
    languages = f'source-language="{source}"' + (f' target-language="{target}"' if target else "")
    text = (
        '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
        f'<file original="a.txt" datatype="plaintext" {languages}>'
        f"<header><note>x</note></header><body>{''.join(units)}</body></file></xliff>"
    )
    return re.sub("<(/?)", rf"<\1{prefix}", text)


def version_2(*units, source="en", target="de"):
    return (
        f'<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="{source}" trgLang="{target}">'
        f'<file id="f">{"".join(units)}</file></xliff>'
    )


def unit_1(source, target=None, attributes="", state="", others=""):
    target = "" if target is None else f"<target{state}>{target}</target>"
    return f'<trans-unit id="x" {attributes}><source>{source}</source>{others}{target}</trans-unit>\n'


def segment(source, target=None, attributes=""):
    target = "" if target is None else f"<target>{target}</target>"
    return f"<segment {attributes}><source>{source}</source>{target}</segment>\n"


def unit_2(*segments, attributes=""):
    return f'<unit id="u" {attributes}><notes><note>x</note></notes>{"".join(segments)}</unit>\n'


UNITS = {"1.2": version_1(unit_1("one", "eins"), unit_1("two", "zwei"))}
UNITS["1.2 prefixed"] = version_1(unit_1("one", "eins"), unit_1("two", "zwei"), prefix="x:").replace("xmlns", "xmlns:x")
UNITS["2.0"] = version_2(
    unit_2(segment("one", "eins"), "<ignorable><source> </source></ignorable>"), unit_2(segment("two", "zwei"))
)
every_version = pytest.mark.parametrize("content", UNITS.values(), ids=UNITS)
PAIRS = [Pair("one", "eins"), Pair("two", "zwei")]


def read(tmp_path, content, source="en", target="de"):
    path = tmp_path / "a.xlf"
    path.write_text(content, encoding="utf-8")
    return list(Xliff(path=path, source_language=source, target_language=target))


@every_version
def test_units_are_pairs_in_the_direction_that_is_asked_for(tmp_path, content):
    assert read(tmp_path, content) == PAIRS
    assert read(tmp_path, content, "de", "en") == [Pair(target, source) for source, target, *_ in PAIRS]
    assert read(tmp_path, content.replace('"en"', '"en-US"').replace('"de"', '"de-AT"')) == PAIRS


@every_version
def test_other_languages_are_refused_with_those_of_the_file(tmp_path, content):
    with pytest.raises(ValueError) as error:
        read(tmp_path, content, "en", "fr")
    assert str(error.value) == f"{tmp_path}/a.xlf: must be in en and fr, its languages are: en > de"


def test_a_target_language_may_be_left_out_and_files_inside_may_differ(tmp_path, caplog):
    caplog.set_level("INFO")
    assert read(tmp_path, version_1(unit_1("one", "eins"), target=None)) == PAIRS[:1]
    both = version_1(unit_1("one", "eins")).replace(
        "</xliff>",
        '<file source-language="en" target-language="fr"><body>' + unit_1("one", "un") + "</body></file></xliff>",
    )
    assert read(tmp_path, both) == PAIRS[:1]
    assert "2 units, left out 0 without a translation and 1 in other languages than en and de" in caplog.text


@pytest.mark.parametrize(
    "unit",
    [
        unit_1("x"),
        unit_1("x", ""),
        unit_1("x", "x", state=' state="new"'),
        unit_1("x", "x", state=' state="needs-translation"'),
        unit_1("x", "x", attributes='translate="no"'),
        f'<group translate="no">{unit_1("x", "x")}</group>',
    ],
    ids=["no-target", "empty-target", "new", "needs-translation", "not-to-be", "group-not-to-be"],
)
def test_untranslated_units_are_left_out_and_logged(tmp_path, caplog, unit):
    caplog.set_level("INFO")
    assert read(tmp_path, version_1(unit_1("one", "eins"), unit, unit_1("two", "zwei"))) == PAIRS
    assert "a.xlf: 3 units, left out 1 without a translation and 0 in other languages" in caplog.text


@pytest.mark.parametrize(
    "unit",
    [
        unit_2(segment("x")),
        unit_2(segment("x", "x", 'state="initial"')),
        unit_2(segment("x", "x"), attributes='translate="no"'),
        f'<group id="g" translate="no">{unit_2(segment("x", "x"))}</group>',
    ],
    ids=["no-target", "initial", "not-to-be", "group-not-to-be"],
)
def test_untranslated_segments_are_left_out(tmp_path, unit):
    content = version_2(unit_2(segment("one", "eins")), unit, unit_2(segment("two", "zwei", 'state="final"')))
    assert read(tmp_path, content) == PAIRS


def test_a_unit_may_be_to_translate_in_a_group_that_is_not(tmp_path):
    unit = unit_1("one", "eins", attributes='translate="yes"')
    assert read(tmp_path, version_1(f'<group translate="no">{unit}</group>')) == PAIRS[:1]


def test_proposals_and_segmented_sources_are_no_sentences_of_the_unit(tmp_path):
    others = (
        '<seg-source><mrk mtype="seg" mid="1">one</mrk></seg-source>'
        "<alt-trans><source>other</source><target>anders</target></alt-trans>"
    )
    assert read(tmp_path, version_1(unit_1("one", '<mrk mtype="seg" mid="1">eins</mrk>', others=others))) == PAIRS[:1]
    matches = (
        '<mtc:matches xmlns:mtc="x"><mtc:match><source>other</source><target>anders</target></mtc:match></mtc:matches>'
    )
    assert read(tmp_path, version_2(unit_2(matches, segment("one", "eins")))) == PAIRS[:1]


@pytest.mark.parametrize(
    "text, expected",
    [
        ('a <g id="1" ctype="bold">bold <g id="2">word</g></g>', "a bold word"),
        ('a<x id="1"/>b<bx id="2"/>c<ex id="2"/>', "abc"),
        ('one<x id="1" ctype="lb"/>two', "one two"),
        ('<bpt id="1">&lt;b></bpt>bold<ept id="1">&lt;/b></ept>', "bold"),
        ('<pc id="1">bold <mrk id="m" type="term">term</mrk></pc>', "bold term"),
        ('a<sc id="1"/>b<ec startRef="1"/><sm id="2"/>c<em startRef="2"/><cp hex="001A"/>', "abc"),
        ('one<ph id="1" type="fmt" subType="xlf:lb"/>two', "one two"),
        ("\n  one\n  two\n", "one two"),
    ],
    ids="g x line-break pair pc points line-break-2 indented".split(),
)
def test_text_inside_stays_and_codes_go(tmp_path, text, expected):
    for content in (version_1(unit_1(text, "x")), version_2(unit_2(segment(text, "x")))):
        assert read(tmp_path, content) == [Pair(expected, "x")]


def test_damage_and_other_files_are_reported_as_of_every_xml(tmp_path):
    content = version_1(unit_1("one", "eins"), unit_1("two", "zwei"))
    *pairs, last = read(tmp_path, content.replace("two</source>", "two</sauce>"))
    assert pairs == PAIRS[:1]
    assert last.fault.message.startswith(f"{tmp_path}/a.xlf: not well-formed XML at line 2, ")
    with pytest.raises(ValueError, match="must be XLIFF, but its outermost element is <tmx>"):
        read(tmp_path, "<tmx></tmx>")
    with pytest.raises(ValueError, match=r"a\.xlf line 1: the entity x is declared"):
        read(tmp_path, f'<!DOCTYPE xliff [<!ENTITY x "y">]>{content}')
    (pair,) = read(tmp_path, f'<!DOCTYPE xliff SYSTEM "x.dtd">{version_1(unit_1("a&b;", "x"))}')
    assert pair == Pair(
        "a", "x", None, Fault("unknown entity", f"{tmp_path}/a.xlf line 1: the entity &b; is not known")
    )


def test_files_may_be_packed_and_several(tmp_path):
    (tmp_path / "a.xlf.gz").write_bytes(gzip.compress(UNITS["1.2"].encode()))
    (tmp_path / "b.xlf").write_text(UNITS["2.0"])
    corpus = Xliff(path=[tmp_path / "a.xlf", tmp_path / "b.xlf"], source_language="en", target_language="de")
    assert list(corpus) == list(corpus) == PAIRS * 2
    before = corpus.fingerprint()
    assert Xliff(path=corpus.path, source_language="de", target_language="en").fingerprint() != before
    (tmp_path / "b.xlf").write_text(UNITS["1.2"])
    assert corpus.fingerprint() != before


def segmented(source, target, with_source=True):
    def cut(segments):
        return " ".join(f'<mrk mtype="seg" mid="{mid}">{text}</mrk>' for mid, text in segments)

    plain = " ".join(text for _, text in source)
    seg_source = f"<seg-source>{cut(source)}</seg-source>" if with_source else ""
    return unit_1(plain if with_source else cut(source), cut(target), others=seg_source)


@pytest.mark.parametrize("with_source", [True, False], ids=["seg-source", "source"])
@pytest.mark.parametrize(
    "source, target, expected",
    [
        ([(1, "one."), (2, "two.")], [(1, "eins."), (2, "zwei.")], [("one.", "eins."), ("two.", "zwei.")]),
        ([(1, "one."), (2, "two.")], [(1, "eins."), (2, "")], [("one.", "eins.")]),
        ([(1, "one."), (2, "two.")], [(2, "zwei.")], [("two.", "zwei.")]),
        ([(1, "one."), (2, "two.")], [(2, "zwei."), (1, "eins.")], [("one.", "eins."), ("two.", "zwei.")]),
        ([("a", "one."), ("b", "two.")], [("b", '<g id="1">zwei</g>.'), ("c", "x")], [("two.", "zwei.")]),
        ([(1, "one.")], [(1, "")], []),
        ([(1, "one.")], [(2, "zwei.")], []),
    ],
    ids="whole half second turned inline empty other".split(),
)
def test_segments_are_paired_by_their_mid(tmp_path, source, target, expected, with_source):
    content = version_1(segmented(source, target, with_source), unit_1("last", "letzte"))
    assert read(tmp_path, content) == [*(Pair(*pair) for pair in expected), Pair("last", "letzte")]
    turned = read(tmp_path, content, "de", "en")
    assert turned == [*(Pair(target, source) for source, target in expected), Pair("letzte", "last")]


def test_segments_inside_codes_of_the_target_and_other_marks_are_seen(tmp_path):
    first, second = '<mrk mtype="seg" mid="1">a <mrk mtype="term">b</mrk></mrk>', '<mrk mtype="seg" mid="2">c</mrk>'
    others = f'<seg-source><g id="1">{first}</g> {second}</seg-source>'
    target = '<g id="1"><mrk mtype="seg" mid="1"><mrk mtype="protected">A</mrk> B</mrk></g>'
    assert read(tmp_path, version_1(unit_1("a b c", target, others=others))) == [Pair("a b", "A B")]


def test_half_a_translation_without_segments_in_the_source_is_none(tmp_path):
    target = '<mrk mtype="seg" mid="1">eins.</mrk> <mrk mtype="seg" mid="2"></mrk>'
    assert read(tmp_path, version_1(unit_1("one. two.", target), unit_1("a", "b"))) == [Pair("a", "b")]
    whole = '<mrk mtype="seg" mid="1">eins.</mrk> <mrk mtype="seg" mid="2">zwei.</mrk>'
    assert read(tmp_path, version_1(unit_1("one. two.", whole))) == [Pair("one. two.", "eins. zwei.")]


def test_a_mid_that_stands_twice_is_a_fault(tmp_path):
    unit = segmented([(1, "one."), (1, "two.")], [(1, "eins."), (2, "zwei.")])
    first, fault, last = read(tmp_path, version_1(unit_1("a", "b"), unit, unit_1("c", "d")))
    assert (first, last) == (Pair("a", "b"), Pair("c", "d"))
    message = f"{tmp_path}/a.xlf line 2: <seg-source> must have each mid once"
    assert fault == Pair("one. two.", "eins. zwei.", None, Fault("ambiguous segments", message))


def test_segments_of_version_2_are_paired_where_they_stand_whatever_the_order_of_the_target(tmp_path):
    segments = (
        segment("A.", "1.").replace("<target>", '<target order="3">'),
        "<ignorable><source> </source></ignorable>",
        segment("B.", "2.").replace("<target>", '<target order="1">'),
        segment("C."),
    )
    assert read(tmp_path, version_2(unit_2(*segments))) == [Pair("A.", "1."), Pair("B.", "2.")]


@pytest.mark.parametrize(
    "file, source, target, wanted, is_taken",
    [
        ("de", None, "fr", "de", False),
        ("de", None, "de", "de", True),
        ("de", None, "de-AT", "de", True),
        ("de-AT", None, "de", "de-AT", True),
        ("de-AT", None, "de-CH", "de-AT", False),
        ("de", "en-GB", "DE", "de", True),
        ("de", "fr", None, "de", False),
        (None, None, "fr", "de", False),
        (None, None, "de", "de", True),
        (None, None, "fr", "fr", True),
    ],
)
def test_the_language_of_a_source_or_target_is_heeded(tmp_path, caplog, file, source, target, wanted, is_taken):
    caplog.set_level("INFO")
    unit = unit_1("one", "eins", state=f' xml:lang="{target}"' if target else "")
    if source:
        unit = unit.replace("<source>", f'<source xml:lang="{source}">')
    content = version_1(unit_1("two", "zwei"), unit, target=file)
    pairs = read(tmp_path, content, "en", wanted)
    assert pairs == [Pair("two", "zwei"), *[Pair("one", "eins")] * is_taken]
    assert is_taken or "2 units, left out 0 without a translation and 1 in other languages" in caplog.text
    assert read(tmp_path, content, wanted, "en") == [Pair(target, source) for source, target, *_ in pairs]


NUMBERS = [Pair(f"en {number}", f"de {number}") for number in range(6)]
CONTENTS = {
    "1.2": version_1(*(unit_1(*pair[:2]) for pair in NUMBERS)),
    "2.0": version_2(*(unit_2(segment(*pair[:2])) for pair in NUMBERS)),
    "2.0 one unit": version_2(unit_2(*(segment(*pair[:2]) for pair in NUMBERS))),
    "prefixes": version_1(*(unit_1(*pair[:2]) for pair in NUMBERS), prefix="x:").replace("xmlns", "xmlns:x"),
    "groups": version_1(
        "<group><group>",
        *(unit_1(*pair[:2]) for pair in NUMBERS[:4]),
        "</group></group><group>",
        *(unit_1(*pair[:2]) for pair in NUMBERS[4:]),
        "</group>",
    ),
}


@pytest.mark.parametrize("damage", ["\x01", "<", "&x;", "</body>", "<!--", "<![CDATA[", "<?", "<source>"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_damaged_unit_costs_itself_alone(tmp_path, kind, damage):
    content = CONTENTS[kind]
    for lost in (0, 3, 5):
        pairs = read(tmp_path, content.replace(f"en {lost}", f"en {damage} {lost}"))
        assert [pair for pair in pairs if not pair.fault] == NUMBERS[:lost] + NUMBERS[lost + 1 :]
        assert len(pairs) == len(NUMBERS)


def test_units_after_damage_are_never_read_in_the_context_of_others(tmp_path):
    """A damaged unit at the end of a file inside, and damaged starts of files and groups."""

    def both(first, second='<file source-language="en" target-language="fr">', group="<group>"):
        units = "".join(unit_1(*pair[:2]) for pair in NUMBERS[:2])
        french = unit_1("en", "fr")
        return (
            '<xliff version="1.2"><file source-language="en" target-language="de"><body>'
            f"{group}{units}{first}</group></body></file>{second}<body>{french}</body></file></xliff>"
        )

    def texts(content, target="de"):
        pairs = read(tmp_path, content, "en", target)
        return [pair.target for pair in pairs if not pair.fault], sum(pair.fault is not None for pair in pairs)

    german = ["de 0", "de 1"]
    assert texts(both("")) == (german, 0)
    assert texts(both(unit_1("en \x01", "x"))) == (german, 1)
    assert texts(both(unit_1("en", "x").replace("</trans-unit>", ""))) == (german, 1)
    assert texts(both("", second='<file source-language="en" target-language=fr>')) == (german, 1)
    assert texts(both("", second='<fi\x01le source-language="en" target-language="fr">')) == (german, 1)
    assert texts(both("", group='<group translate="no>')) == ([], 2)
    assert texts(both(unit_1("en \x01", "x")), "fr") == (["fr"], 1)
    assert texts(both("</group></body></file><file>" + unit_1("en \x01", "x")), "fr")[0] == ["fr"]
