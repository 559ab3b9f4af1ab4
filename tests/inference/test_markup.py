"""Lines with markup become text and marks; what is no markup stays text."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.inference.markup import Marked, parse
from tests.steps import steps


def raws(line):
    return [mark.raw for mark in parse(line).marks]


@pytest.mark.parametrize(
    "line, text",
    [
        ("Click <b>here</b>, please.", "Click here, please."),
        ("a <b> big </b> house", "a big house"),
        ("H<sub>2</sub>O", "H2O"),
        ("one<br>two<br/>three", "one two three"),
        ("<li>one</li><li>two</li>", "one two"),
        ("Hello {name}!", "Hello!"),
        ("({n} files) in “{folder}”", "(files) in “”"),
        ("{first}{last} has %(count)s of %1$s", "has of"),
        ("%d of %5.2f%% for ${price} or {{ x }} or {0:.2f}", "of for or or"),
        ("%sKB, %ds.", "KB, s."),
        ("it costs {price} & {more} .", "it costs & ."),
        ("AT&amp;T &lt;b&gt; &#228;&#xE4; &quot;", 'AT&T <b> ää "'),
        ("10&nbsp;km", "10\u00a0km"),
        ("two&#10;lines and &nosuchthing; here", "two lines and here"),
        ("<!-- <b> --> x <?php echo?> <![CDATA[<y>]]>", "x"),
        ('<a href="a>b" title=\'"<i>\'>z</a>', "z"),
        ("  two  blanks <b>kept</b>\tand a tab ", "  two  blanks kept\tand a tab "),
    ],
)
def test_a_line_without_its_marks(line, text):
    assert parse(line).text == text


@pytest.mark.parametrize(
    "line",
    [
        "3 < 5 > 2 & x <3, a<b and AT&T; <> </>",
        "<foo@bar.org> <https://bar.org> <2de>",
        "50% sure, 100%sure, die 5 %ige Lösung, 20%-Satz",
        "{ } {a b} {{ {",
        "<!-- never closed, <b never closed",
        "",
    ],
)
def test_what_is_no_markup_stays_text(line):
    assert replace(parse(line), notes=()) == Marked(line, line)


@pytest.mark.parametrize(
    "line, partners",
    [
        ("<b>x</b>", [1, 0]),
        ("<b><i>x</i></b>", [3, 2, 1, 0]),
        ("<b>x<i>y</b>z</i>", [2, None, 0, None]),
        ("</b>x<b>", [None, None]),
        ("<B>x</b><br>y</br><x/><a href=x/>z</a>", [1, 0, None, None, None, 6, 5]),
        ("<p>x<p>y</p>", [None, 2, 1]),
    ],
)
def test_partners(line, partners):
    assert [mark.partner for mark in parse(line).marks] == partners


def test_marks_are_kept_byte_for_byte():
    line = """<A  HREF='x"y' data-ü=1 >{ a }</A >%1$+05d<br  />&nosuchthing;"""
    assert "".join(raws(line)) == line


def test_only_tags_and_entities_make_a_line_encoded():
    assert parse("a <b>c</b>").is_encoded and parse("a &amp; b").is_encoded and parse("&nosuchthing;").is_encoded
    assert not parse("a & b {name} %s").is_encoded


@settings(deadline=None)
@given(st.text(alphabet=" abß<>/&;!-?{}%$#()s1d.,\"'=\n\u00a0", max_size=40))
def test_any_text_is_read_and_its_marks_stand_in_it_in_their_order(line):
    marked = parse(line)
    place = 0
    for number, mark in enumerate(marked.marks):
        place = line.index(mark.raw, place) + len(mark.raw)
        assert mark.partner is None or marked.marks[mark.partner].partner == number
        assert 0 <= mark.at <= len(marked.text)


@pytest.mark.parametrize(
    "piece",
    [
        "<b ",
        "<!--",
        "<a '\"",
        "{{",
        "{ ",
        "&a",
        "%",
        "</x>",
        "<x>",
        "<a b='c' ",
        "{a, plural, one {",
        "{a, select, a {'",
        "{a:{b",
    ],
)
def test_a_long_line_is_read_in_steps_in_line_with_its_length(piece):
    """What one search of a pattern costs is no step of its own: scripts/reading_costs.py times it."""
    once, twice, four_times = (steps(lambda size=size: parse(piece * size)) for size in (1000, 2000, 4000))
    assert twice < 2.2 * once + 200 and four_times < 2.2 * twice + 200


@pytest.mark.parametrize(
    "line, marks",
    [
        ("The child sees <0>the <1>dog</1></0> <2/>.", ["<0>", "<1>", "</1>", "</0>", "<2/>"]),
        ('<x id="1"/>Hi <g id="2">you</g>', ['<x id="1"/>', '<g id="2">', "</g>"]),
        ("%<name>s %-5<n>d %{name} 100%<b>sure</b>", ["%<name>s", "%-5<n>d", "%{name}", "<b>", "</b>"]),
        ("{0!r:>{width}} {a[b]} {c.d:{e}.{f}f} %(n)05d", ["{0!r:>{width}}", "{a[b]}", "{c.d:{e}.{f}f}", "%(n)05d"]),
        ("%@ %1$@ %lld %5.2f %% %zu x", ["%@", "%1$@", "%lld", "%5.2f", "%%", "%zu"]),
        ("{{{raw}}} {{> part}} {{x.y}} {{else}}", ["{{{raw}}}", "{{> part}}", "{{x.y}}", "{{else}}"]),
        ("{{{{raw}}}} x {{{{/raw}}}} $tc('a', 2)", ["{{{{raw}}}}", "{{{{/raw}}}}", "$tc('a', 2)"]),
        ("{{#if a}}x{{/if}} {{^b}}y{{/b}}", ["{{#if a}}", "{{/if}}", "{{^b}}", "{{/b}}"]),
        ("{% if a %}x{% endif %} {# no #}", ["{% if a %}", "{% endif %}", "{# no #}"]),
        (
            "{ $x } {$x} { -brand } { DATETIME($d, month: 1) }",
            ["{ $x }", "{$x}", "{ -brand }", "{ DATETIME($d, month: 1) }"],
        ),
        ("$t(a.b) @:a.b. @.lower:c @:{'d'} me@:x", ["$t(a.b)", "@:a.b", "@.lower:c", "@:{'d'}"]),
        ("<%= x %> <![CDATA[<y> %s]]> <!-- {z} -->", ["<%= x %>", "<![CDATA[<y> %s]]>", "<!-- {z} -->"]),
        ("{n, number, ::currency/EUR} {d, date}", ["{n, number, ::currency/EUR}", "{d, date}"]),
    ],
)
def test_placeholders_of_many_libraries(line, marks):
    assert raws(line) == marks


@pytest.mark.parametrize(
    "element",
    [
        "<code>a <b>x</b> &lt; {y}</code>",
        "<pre>a <code>x</code>  <pre>y</pre></pre>",
        "<kbd>Ctrl</kbd>",
        "<script>if (a<b) '<p>'</script>",
        "<STYLE>p > a {x: 'y'}</STYLE >",
        '<p translate="no">x</p>',
        "<p lang=en translate=no>x</p>",
        "<i class='a notranslate b'>x</i>",
        "<i class=notranslate>x</i>",
    ],
)
def test_elements_that_are_not_translated_are_one_mark(element):
    marked = parse(f"see {element} there")
    assert marked.text == "see there" and [mark.raw for mark in marked.marks] == [element]


@pytest.mark.parametrize(
    "line",
    ["<code>x", "x</code>", "<i translate='yes'>x</i>", "<i class='notranslated'>x</i>", "<i data-translate=no>x</i>"],
)
def test_what_does_not_say_so_is_translated(line):
    assert parse(line).text == "x"


@pytest.mark.parametrize(
    "line, texts",
    [
        ("{n, plural, one {a dog} other {# dogs}}", ["", "a dog", "dogs"]),
        ("You have {n,plural,=0{none}other{{x}}}.", ["You have.", "none", ""]),
        ("{g, select, a {his} other {{n, plural, other {# of <b>them</b>}}}} end", ["end", "his", "", "of them"]),
        ("{n, plural, other {{g, select, other {# dogs}}}}", ["", "", "dogs"]),  # # is the number there, too
        ("{g, select, other {# dogs}}", ["", "# dogs"]),
        ("{g, select, other {it''s '{x}' all}}", ["", "it''s all"]),
        ("# dogs", ["# dogs"]),
    ],
)
def test_texts_of_messages(line, texts):
    assert [marked.text for marked in parse(line).texts()] == texts
    assert parse(line).notes == ()


@pytest.mark.parametrize("line", ["{n, plural, one {x", "{n, plural, }", "{n, select, a x}", "{n, plural, one {x} y}"])
def test_a_message_that_is_not_complete_is_text_and_said(line):
    marked = parse(f"<b>{line}</b>")
    assert marked.text.startswith("{n,") and {"<b>", "</b>"} <= {mark.raw for mark in marked.marks}
    assert marked.notes == ("markup: the message at character 4 is not complete, and was translated as text",)


def test_messages_in_very_many_messages_are_text_and_said():
    line = "x"
    for _ in range(9):
        line = f"{{g, select, other {{{line}}}}}"
    assert parse(line).notes == (
        "markup: the message at character 1 is nested in more than 8 others, and was translated as text",
    )
    assert "".join(text.text for text in parse(line).texts()) == "{g, select, other}"  # {x} is a placeholder
