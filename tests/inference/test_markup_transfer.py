"""Marks come over to the translation: none lost, none doubled, nested as they were, blanks as they were."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.inference import markup_transfer
from mt.inference.markup import parse
from mt.inference.markup_transfer import restore, restore_all
from mt.words import num_words
from tests.inference.markups import marked_lines, translations
from tests.steps import steps


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
@settings(max_examples=2 * settings.default.max_examples)
def test_a_text_that_is_its_own_translation_gets_its_line_back(line):
    marked = parse(line)
    assert restore(marked, marked.text, [(word, word) for word in range(num_words(marked.text))]) == line


def test_a_place_that_reads_as_another_text_is_not_taken():
    marked = parse("<i>A&amp;B</i> {name1}(ab Ende")
    again = parse(restore(marked, 'Haus Haus "q"', [(0, 1), (0, 2), (1, 2), (2, 1)]))
    assert again.text == 'Haus Haus "q"'
    assert [mark.raw for mark in again.marks] == ["<i>", "</i>", "{name1}"]


@given(st.data())
@settings(max_examples=4 * settings.default.max_examples)
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


def frames(marked):
    """Frames of messages, each with the marks of its branches, whatever their order in the line."""
    return sorted(
        (
            tuple("".join(part.split()) for part in message.frame),  # an empty branch has no blanks of its own
            tuple(tuple(sorted(Counter(raws(branch)).items())) for branch in message.branches),
            tuple(tuple(frames(branch)) for branch in message.branches),
        )
        for message in marked.messages
    )


def raws(marked):
    messages = {message.number for message in marked.messages}
    return [mark.raw for number, mark in enumerate(marked.marks) if number not in messages]


@given(st.data())
@settings(max_examples=2 * settings.default.max_examples)
def test_messages_keep_their_frames_and_their_branches_all_marks(data):
    line = data.draw(marked_lines(has_messages=True))
    marked = parse(line)
    found = [data.draw(translations(max(num_words(text.text), 1))) for text in marked.texts()]
    result = restore_all(marked, found)
    again = parse(result)
    assert Counter(raws(again)) == Counter(raws(marked))
    assert frames(again) == frames(marked)


@given(marked_lines(has_messages=True))
@settings(max_examples=2 * settings.default.max_examples)
def test_a_line_with_messages_that_is_its_own_translation_comes_back(line):
    marked = parse(line)
    found = [(text.text, [(word, word) for word in range(num_words(text.text))]) for text in marked.texts()]
    assert restore_all(marked, found) == line


@pytest.mark.parametrize(
    "line, texts, result",
    [
        (
            "{count, plural, =0 {no dog} one {a dog} other {# dogs}}",
            ["", "kein Hund", "ein Hund", "Hunde"],
            "{count, plural, =0 {kein Hund} one {ein Hund} other {# Hunde}}",
        ),
        (
            "{g, select, male { He } other {They}} will go.",
            ["wird gehen.", "Er", "Sie"],
            "{g, select, male { Er } other {Sie}} wird gehen.",
        ),
        (
            "{n, selectordinal, offset:1 other {{g, select, a {# <b>dog</b>} other {{x}}}}}",
            ["", "", "Hund", ""],
            "{n, selectordinal, offset:1 other {{g, select, a {# <b>Hund</b>} other {{x}}}}}",
        ),
        ("{g, select, other {a '{b}' c}}", ["", "A {C}"], "{g, select, other {A '{b}' (C)}}"),
        ("{n, plural, other {the dogs of {x}}}", ["", "d'"], "{n, plural, other {d’ {x}}}"),
        ("<b>{n, plural, other {dogs}}</b>", ["", "Hunde"], "<b>{n, plural, other {Hunde}}</b>"),
    ],
)
def test_each_branch_of_a_message_is_a_text_of_its_own(line, texts, result):
    marked = parse(line)
    found = [
        (target, [(word, word) for word in range(num_words(source.text))])
        for source, target in zip(marked.texts(), texts, strict=True)
    ]
    assert restore_all(marked, found) == result


def read_and_restore(line):
    marked = parse(line)
    restore(marked, marked.text, [(word, word) for word in range(num_words(marked.text))])


@pytest.mark.slow  # thousands of marks
@pytest.mark.parametrize("piece", ["x<br>", "x<b>y</b> ", "<b>x ", "<br>", "x{a} ", "x<b>", "{{#a}}x{{/a}} ", "%s "])
@pytest.mark.parametrize("limit", [markup_transfer.MAX_CELLS, 0], ids=["by-links", "in-order"])
def test_marks_take_steps_in_line_with_their_number(piece, limit, monkeypatch):
    monkeypatch.setattr(markup_transfer, "MAX_CELLS", limit)
    once, twice, four_times = (steps(lambda size=size: read_and_restore(piece * size)) for size in (100, 200, 400))
    assert twice < 2.2 * once + 200 and four_times < 2.2 * twice + 200


@given(st.data())
@settings(max_examples=2 * settings.default.max_examples)
def test_beyond_the_limit_no_mark_is_lost_and_all_keep_their_order(data):
    line = data.draw(marked_lines())
    marked = parse(line)
    target, links = data.draw(translations(num_words(marked.text)))
    limit, markup_transfer.MAX_CELLS = markup_transfer.MAX_CELLS, 0
    try:
        result = restore(marked, target, links)
    finally:
        markup_transfer.MAX_CELLS = limit
    assert [mark.raw for mark in parse(result).marks] == [mark.raw for mark in marked.marks]
    assert parse(result).text == target
