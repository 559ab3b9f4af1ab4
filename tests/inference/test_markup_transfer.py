"""Marks come over to the translation: none lost, none doubled, nested as they were, blanks as they were."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.inference.markup import parse
from mt.inference.markup_transfer import restore
from mt.words import num_words
from tests.inference.markups import marked_lines, translations


def carried(line, target, links):
    """Links as Pharaoh has them."""
    return restore(parse(line), target, [tuple(map(int, link.split("-"))) for link in links.split()])


def paths(line):
    """How often each element, and each mark with a name that takes the place of something, lies in which elements."""
    marks, inside, found = parse(line).marks, [], Counter()
    for mark in marks:
        if mark.kind == "close" and mark.partner is not None:
            inside.pop()
        elif (mark.is_leaf and not mark.is_sequential) or mark.partner is not None:
            found[(mark.raw, *inside)] += 1
            if mark.partner is not None:
                inside.append(mark.raw)
    return found


@pytest.mark.parametrize(
    "line, target, links, result",
    [
        ("Click <b>here</b>, please.", "Bitte klicken Sie hier.", "2-0 0-1 0-2 1-3", "Bitte klicken Sie <b>hier</b>."),
        ("the <a href='x'>red car</a>", "la voiture rouge", "0-0 2-1 1-2", "la <a href='x'>voiture rouge</a>"),
        ("<i>He</i> <b>ate</b> it.", "Er hat es gegessen.", "0-0 1-1 2-2 1-3", "<i>Er</i> <b>hat es gegessen</b>."),
        ("<b>I ate</b> it", "Ich habe es gegessen", "0-0 1-1 2-2 1-3", "<b>Ich habe es gegessen</b>"),
        ("<b>well, <i>no</i></b>", "nun, nein", "0-0 1-1", "<b>nun, <i>nein</i></b>"),
        ("(<b>so</b>)", "(also)", "0-0", "(<b>also</b>)"),
        ("<p>One two.</p>", "Eins zwei drei.", "0-0", "<p>Eins zwei drei.</p>"),
        ("<b>H</b>ello H<sub>2</sub>O", "Hallo H2O", "0-0 1-1", "<b>Hallo</b> H<sub>2</sub>O"),
        ("drink H<sub>2</sub>O", "Wasser trinken", "1-0 0-1", "<sub>Wasser</sub> trinken"),
        ("one <b>two</b> three", "drei eins", "2-0 0-1", "drei eins <b></b>"),
        ("Hello {name}!", "Hallo!", "0-0", "Hallo {name}!"),
        ("Hello {name}, welcome!", "Willkommen!", "1-0", "{name} Willkommen!"),
        ("{n} files ({size})", "Dateien ()", "0-0 1-1", "{n} Dateien ({size})"),
        ("Page %d of %d", "Seite von", "0-0 1-1", "Seite %d von %d"),
        ("%s of %d", "von", "0-0", "%s von %d"),
        ("a {x} b {y}", "B A", "0-1 1-0", "{x} B A {y}"),
        ("one<br>two", "eins zwei", "0-0 1-1", "eins<br>zwei"),
        ("one<br>two", "zwei eins", "1-0 0-1", "<br>zwei eins"),
        ("<b>AT&amp;T</b>", "AT&T", "0-0", "<b>AT&amp;T</b>"),
        ("AT&T {x}", "AT&T <b>", "0-0", "AT&amp;T &lt;b&gt; {x}"),
        ("AT&T {x}", "AT&T < 5", "0-0", "AT&T < 5 {x}"),
        ("one</b> two", "eins zwei", "0-0 1-1", "eins</b> zwei"),
        ("</b>one two<b>", "zwei eins", "1-0 0-1", "</b>zwei eins<b>"),
        ("<b>one</b> two", "", "", "<b></b>"),
        ("<b> {x} </b>", "never asked for", "", "<b> {x} </b>"),
        ("", "", "", ""),
    ],
)
def test_a_line_comes_over(line, target, links, result):
    assert carried(line, target, links) == result


def test_a_placeholder_that_nothing_suits_is_not_glued_to_a_letter():
    line = "<i>A&amp;B</i> {name1}<n2>!<n3>Haus</n3>%5.2f Haus</n2>Haus Ende"
    result = '<i></i> Haus {name1} Haus Haus Haus Haus "<n2><n3></n3>q%5.2f </n2>"'
    assert carried(line, 'Haus Haus Haus Haus Haus "q"', "1-5") == result


def test_brothers_share_what_both_would_have():
    line = "<b>a b c d</b> <i>x</i>"
    assert carried(line, "a b x c d", "0-0 1-1 4-2 2-3 3-4") == "<b>a b</b> <i>x</i> c d"


@given(marked_lines())
@settings(max_examples=200, deadline=None)
def test_a_text_that_is_its_own_translation_gets_its_line_back(line):
    marked = parse(line)
    assert restore(marked, marked.text, [(word, word) for word in range(num_words(marked.text))]) == line


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_nothing_is_lost_doubled_or_nested_otherwise_whatever_the_links(data):
    line = data.draw(marked_lines())
    marked = parse(line)
    target, links = data.draw(translations(num_words(marked.text)))
    result = restore(marked, target, links)
    again = parse(result)
    assert again.text == target
    assert Counter(mark.raw for mark in again.marks) == Counter(mark.raw for mark in marked.marks)
    assert paths(result) == paths(line)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_sequential_placeholders_keep_their_order(data):
    line = data.draw(marked_lines())
    marked = parse(line)
    result = restore(marked, *data.draw(translations(num_words(marked.text))))
    order = [[mark.raw for mark in parse(text).marks if mark.is_sequential] for text in (line, result)]
    assert order[0] == order[1]


def test_the_order_of_links_and_repeated_ones_make_no_difference():
    line, target = "a <b>b c</b> {x} d", "D B A C"
    links = [(0, 2), (1, 1), (2, 3), (3, 0)]
    assert restore(parse(line), target, links) == restore(parse(line), target, [*reversed(links), *links])
