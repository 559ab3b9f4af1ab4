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


def test_damage_and_other_files_are_told_as_of_every_xml(tmp_path):
    content = version_1(unit_1("one", "eins"), unit_1("two", "zwei"))
    *pairs, last = read(tmp_path, content.replace("two</source>", "two</sauce>"))
    assert pairs == PAIRS[:1]
    assert last.fault.message.startswith(f"{tmp_path}/a.xlf: unreadable after unit 1: not well-formed XML at line 2, ")
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
