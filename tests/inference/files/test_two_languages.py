"""PO, XLIFF and TMX: what lacks a translation gets one, marked for a review; what has one stays unless asked."""

import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from mt.inference.files.rows import Rows
from mt.inference.files.translate_file import translate_file
from tests.inference.files.samples import (
    PO,
    SETTINGS,
    TMX,
    XLIFF_1,
    XLIFF_2,
    FileSettings,
    capitals,
    lines_of,
    translate_in_capitals,
)


def out_of(tmp_path, kind, content, **settings):
    path = tmp_path / "in"
    path.write_text(content, "utf-8", newline="")
    how = {"source_language": "en", "target_language": "de"} | settings
    report = translate_file(path, tmp_path / "out", translate_in_capitals, format=kind, settings=FileSettings(**how))
    assert not report.notes
    return (tmp_path / "out").read_bytes().decode()


def entry(content, msgid):
    """The entry of a PO file with this msgid."""
    return next(one for one in content.split("\n\n") if f'msgid "{msgid}' in one)


def test_untranslated_entries_are_filled_and_fuzzy(tmp_path):
    out = out_of(tmp_path, "po", PO)
    assert '#, fuzzy, c-format\nmsgid "Baked %d of %s.\\n"\nmsgstr "BAKED %d OF %s.\\n"' in out
    assert '#, fuzzy\nmsgctxt "menu"\n' in out
    assert 'msgstr "OPEN THE <b>OVEN</b> &amp; WAIT AT https://example.org/a_b?c=1."' in out
    assert '#, fuzzy\n#| msgid "one cake"\n' in out and 'msgstr[0] "%d CAKE"\nmsgstr[1] "%d CAKES"' in out
    for untouched in ("old", "done"):
        assert entry(out, untouched) == entry(PO, untouched)
    assert '#, fuzzy, c-format\nmsgid "fuzzy and empty"\nmsgstr "FUZZY AND EMPTY"' in out
    assert out.endswith('#~ msgid "gone"\n#~ msgstr "weg"\n')


def test_without_a_mark_entries_are_as_if_a_person_had_translated_them(tmp_path):
    out = out_of(tmp_path, "po", PO, review=False)
    assert '#, c-format\nmsgid "Baked' in out and '\n#, c-format\nmsgid "fuzzy and empty"' in out
    assert entry(out, "old") == entry(PO, "old")
    assert out_of(tmp_path, "po", PO, review=False, replace="fuzzy").count("fuzzy") == 1  # the word
    assert 'msgid "old"\nmsgstr "OLD"' in (tmp_path / "out").read_text()


def test_a_template_gets_a_charset(tmp_path):
    out = out_of(tmp_path, "po", PO.replace("charset=UTF-8", "charset=CHARSET"))
    assert out == out_of(tmp_path, "po", PO)


def test_translations_are_replaced_only_if_asked(tmp_path):
    assert '#, fuzzy\nmsgid "old"\nmsgstr "OLD"' in out_of(tmp_path, "po", PO, replace="fuzzy")
    assert 'msgstr "fertig"' in (tmp_path / "out").read_text()
    assert '#, fuzzy\nmsgid "done"\nmsgstr "DONE"' in out_of(tmp_path, "po", PO, replace="all")
    with pytest.raises(ValueError, match=r"replace \(some\) must be one of: none, fuzzy, all"):
        FileSettings(replace="some")


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="needs GNU gettext")
def test_gettext_reads_what_was_written(tmp_path):
    for settings in ({}, {"review": False, "replace": "all"}):
        out_of(tmp_path, "po", PO, **settings)
        command = ["msgfmt", "-c", "--statistics", "-o", str(tmp_path / "mo"), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"})
        counts = done.stderr.splitlines()[-1]
        assert counts == ("7 translated messages." if settings else "1 translated message, 6 fuzzy translations.")


def test_lines_of_a_message_keep_their_columns_and_wrapped_ones_belong_together():
    rows = Rows.of(
        "Usage: bake\n  -x, --hex        print numbers\n\n"
        "This text goes over several lines, which belong\n"
        "together as one sentence.  And another.\n- a point\n"
    )
    assert rows.lines == (
        "Usage: bake",
        "print numbers",
        "This text goes over several lines, which belong together as one sentence.  And another.",
        "a point",
    )
    written = rows.written([capitals(line) for line in rows.lines])
    assert written == (
        "USAGE: BAKE\n  -x, --hex        PRINT NUMBERS\n\n"
        "THIS TEXT GOES OVER SEVERAL LINES, WHICH BELONG\n"
        "TOGETHER AS ONE SENTENCE.  AND ANOTHER.\n- A POINT\n"
    )


def test_units_of_xliff_get_targets_with_states(tmp_path):
    out = out_of(tmp_path, "xliff", XLIFF_1)
    state = 'state="needs-review-translation" state-qualifier="leveraged-mt"'
    assert f'</source><target {state}>READ <g id="1">THE <x id="2"/> BOOK</g> &amp; GO</target></trans-unit>' in out
    assert f'<target {state}>SAVE <bpt id="1">&lt;b></bpt>ALL<ept id="1">&lt;/b></ept></target>\n    <note>' in out
    assert '<target state="translated">Fertig</target>' in out and "<target>Brand" not in out
    assert f"<target {state}>COPY</target>" in out
    segments = '<mrk mtype="seg" mid="0">ONE.</mrk> <mrk mtype="seg" mid="1">TWO.</mrk>'
    assert f"</seg-source><target {state}>{segments}</target>" in out
    assert f"<target {state}>ESCAPED &lt;i&gt;TAGS&lt;/i&gt; OF {{name}}, A &amp;lt; B</target>" in out
    assert 'source-language="en-US" datatype="html" target-language="de">' in out
    assert 'state="translated" state-qualifier="leveraged-mt">READ' in out_of(tmp_path, "xliff", XLIFF_1, review=False)


def test_segments_of_xliff_2_get_targets_with_states(tmp_path):
    out = out_of(tmp_path, "xliff", XLIFF_2)
    assert '<segment id="s1" state="translated"><source>A <pc id="1">bold</pc> word<ph id="2"/></source>' in out
    assert '<target>A <pc id="1">BOLD</pc> WORD<ph id="2"/></target></segment>' in out
    assert '<segment id="s2" state="translated">' in out and "<target>LINE ONE\nLINE TWO</target>" in out
    assert 'version="2.0" srcLang="en" trgLang="de">' in out and "CODE" not in out


def test_units_of_a_memory_get_the_missing_language(tmp_path):
    out = out_of(tmp_path, "tmx", TMX)
    assert out.count("<tuv ") == TMX.count("<tuv ") + 1
    added = (
        '</tuv>\n    <tuv xml:lang="de" creationtool="mt-trainer">\n      <seg>THE <bpt i="1">&lt;b></bpt>SMALL'
        '<ept i="1">&lt;/b></ept> CAKES<ph x="1">{br}</ph></seg>\n    </tuv>\n  </tu>'
    )
    assert added in out and '<tuv xml:lang="de-AT"><seg>THREE</seg></tuv>' in out and "<seg>Zwei</seg>" in out
    ElementTree.fromstring(out.encode())
    french = out_of(tmp_path, "tmx", TMX, target_language="fr", review=False)
    assert french.count('<tuv xml:lang="fr">') == 4 and french.count("Quatre") == 1


def test_codes_of_one_unit_are_one_line_with_short_marks():
    assert lines_of("tmx", TMX, target_language="fr")[0] == "The <q1>small</q1> cakes{q3}"
    assert lines_of("xliff", XLIFF_1)[0] == "Read <q1>the {q2} book</q1> &amp; go"
    assert lines_of("xliff", XLIFF_1)[-1] == "Escaped <i>tags</i> of {name}, a < b"
    assert SETTINGS.review
