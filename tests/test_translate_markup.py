"""`translate --markup`: tags, placeholders and messages come over."""

import json

import pytest

from mt.inference.markup import parse
from mt.words import num_words

LINES_WITH_MARKUP = """<b>eins zwei</b> drei

<br/> <p></p>
{name}
vier <a href="x&amp;y">acht</a> {name}
"""


def test_markup_comes_over(translate):
    assert translate("--markup", stdin=LINES_WITH_MARKUP.encode()) == [
        "three <b>two one</b>",
        "",
        "<br/> <p></p>",
        "{name}",
        '<a href="x&amp;y">eight</a> four {name}',
    ]
    assert translate("--markup", "--scores", "--alignment", "<b>eins</b> zwei")[0].split("\t")[1:] == [
        "two <b>one</b>",
        "0-1 1-0",
    ]


def test_markup_in_json_and_in_every_one_of_the_n_best(translate):
    (line,) = translate("--markup", "--json", "--n-best", "3", "<b>eins</b> zwei &lt; drei")
    record = json.loads(line)
    assert record["source"] == "<b>eins</b> zwei &lt; drei" and record["plain_source"] == "eins zwei < drei"
    for body in record["translations"]:
        assert parse(body["text"]).text == body["plain_text"]
        assert [mark.raw for mark in parse(body["text"]).marks] == ["<b>", "</b>"]
        assert "links" not in body
    assert len(record["translations"]) == 3


def test_each_branch_of_a_message_is_translated_in_its_frame(translate):
    line = "eins zwei {n, plural, =0 {} one {eins <b>zwei</b>} other {{g, select, other {# acht vier}}}}"
    (plain,) = translate("--markup", line.rpartition("eins zwei ")[2])
    assert plain == "{n, plural, =0 {} one {<b>two</b> one} other {{g, select, other {# four eight}}}}"
    record = json.loads(translate("--markup", "--json", "--alignment", "--coverage", "--n-best", "2", line)[0])
    assert record["plain_source"] == "eins zwei eins zwei acht vier"
    best = record["translations"][0]
    assert best["plain_text"] == "two one two one four eight"
    assert best["links"] == "0-1 1-0 2-3 3-2 4-5 5-4"
    assert plain in best["text"] and len(record["translations"]) == 2


def test_what_is_drawn_for_a_message_does_not_depend_on_the_lines_around(translate):
    message = b"{n, plural, one {eins zwei drei} other {acht vier}}"
    flags = ["--markup", "--sample", "--temperature", "3", "--seed", "5"]
    with_text, with_messages = (translate(*flags, stdin=first + b"\n" + message) for first in (b"vier", message))
    assert with_text[1] == with_messages[1] != with_messages[0]


def test_what_is_not_to_be_translated_stays(translate):
    kept = ["<code>eins <b>zwei</b></code>", '<i translate="no">eins</i>', "<i class='x notranslate'>eins</i>", "%<a>s"]
    for one, line in zip(kept, translate("--markup", *(f"{one} vier" for one in kept)), strict=True):
        assert one in line and line.replace(one, "").strip() == "four"


def test_markup_that_cannot_be_read_is_text_and_said(translate, caplog):
    translate("--markup", "eins", "{n, plural, one {eins} zwei", "<!-- vier")
    assert "line 2: markup: the message at character 1 is not complete, and was translated as text" in caplog.text
    assert "line 3: markup: <!-- is not closed, and was translated as text" in caplog.text
    assert "line 1:" not in caplog.text


@pytest.mark.parametrize("max_pieces", ["2", "3", "4", "50"])
def test_links_lie_within_words_that_only_blanks_part_also_where_a_line_is_split(translate, max_pieces):
    line = "eins\u00a0zwei drei acht\u3000vier  fünf\tsechs"
    record = json.loads(translate("--json", "--alignment", "--max-pieces", max_pieces, line)[0])["translations"][0]
    links = [tuple(map(int, link.split("-"))) for link in record["links"].split()]
    assert {source for source, _ in links} <= set(range(4))  # what stands between blanks
    assert {target for _, target in links} <= set(range(num_words(record["text"])))
    assert links or max_pieces == "50"  # of which the model makes nothing


def test_markup_of_a_line_that_is_split(translate):
    (line,) = translate("--markup", "--max-pieces", "5", "<i><b>eins</b> zwei drei vier <u>acht</u> fünf</i>")
    marks = parse(line).marks
    assert line.startswith("<i>") and line.endswith("</i>")
    assert [(mark.raw, mark.partner is None) for mark in marks if mark.name == "b"] == [("<b>", False), ("</b>", False)]
    assert "<b>one</b>" in line and "<u>eight</u>" in line


def test_without_the_flag_markup_is_text_like_any_other(translate):
    assert translate("--json", "<b>eins</b>") != translate("--json", "--markup", "<b>eins</b>")
    assert json.loads(translate("--json", "<b>eins</b>")[0])["source"] == "<b>eins</b>"
