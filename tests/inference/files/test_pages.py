"""Markdown and HTML: what readers see or hear is translated, the rest stays."""

import pytest

from tests.inference.files.samples import HTML, MARKDOWN, capitals, lines_of, passages


def in_capitals(kind, content):
    raw = content.encode()
    edits = [edit for one in passages(kind, raw) for edit in one.put([capitals(line) for line in one.lines])]
    for edit in sorted(edits, reverse=True):
        raw = raw[: edit.start] + edit.new + raw[edit.end :]
    return raw.decode()


def test_code_addresses_definitions_and_front_matter_of_markdown_stay():
    out = in_capitals("md", MARKDOWN)
    for kept in (
        "---\ntitle: Not this\n---\n",
        "``code ` here``",
        '](https://x.org/a_b "title")',
        "][g]",
        "<https://auto.link>",
        "<kbd>Ctrl</kbd>+<kbd>C</kbd>.\\\n",
        "https://bare.url/x_y_.",
        "> [!NOTE]\n> A",
        "- [ ] A TASK\n  1. NESTED **LIST**",
        "`a\\|b`",
        "|------|:-----------------:|\n",
        '```python\nprint("no")  # comment\n```\n\n    indented code\n',
        "HEADING\n==============\n\n<!-- a comment -->\n<details>\n<summary>CLICK &amp; SEE</summary>",
        ".[^1] AND $x_1$ OF :smile:",
        "[^1]: THE",
        '[shortcut]: https://short.cut\n[g]: <https://g.org> "no title"\n',
    ):
        assert kept in out, kept


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# *a* b #\n", "# *A* B #\n"),
        ("![one dog](x.png)\n", "![ONE DOG](x.png)\n"),
        ("[![one](x)](y)\n", "[![ONE](x)](y)\n"),
        ("see [x] and [`y`][]\n\n[x]: /x\n[`y`]: /y\n", "SEE [X][x] AND [`y`][]\n\n[x]: /x\n[`y`]: /y\n"),
        ("one  \ntwo\n", "ONE  \nTWO\n"),
        ("one<br>two\n", "ONE<br>TWO\n"),
        ("***a** b*\n", "***A** B*\n"),
        ("a\\*b \\[x]\n", "A\\*B [X]\n"),
        ("&lt;name&gt; &copy;\n", "\\<NAME> ©\n"),
        ("> a\n> - b\n>   c\n", "> A\n> - B\n>   C\n"),
        ("1. a\n\n   b\n", "1. A\n\n   B\n"),
        ("a | b\n--|--\n`x` y | z\n", "A | B\n--|--\n`x` Y | Z\n"),
        ("+++\nt = 1\n+++\na\n", "+++\nt = 1\n+++\nA\n"),
        ("::: tip\n\na\n\n:::\n", "::: tip\n\nA\n\n:::\n"),
        ("it costs $5 and $6\n", "IT COSTS $5 AND $6\n"),
        ('<p align="center">a <b>b</b></p>\n', '<p align="center">A <b>B</b></p>\n'),
        ("a `x  y` b\nc\n", "A `x  y` B\nC\n"),
        ("\ta\n\nb\r\nc\r\n", "\ta\n\nB\r\nC\r\n"),
    ],
)
def test_markdown(source, expected):
    assert in_capitals("md", source) == expected


def test_a_wrapped_line_begins_no_list():
    (passage,) = passages("md", "The number of all of the cakes\nis 12 or so.\n")
    (edit,) = passage.put(["Die Zahl der Kuchen in allem: 1. oder - 2. oder # 3"])
    assert edit.new.decode() == "Die Zahl der Kuchen in allem: 1.\noder - 2. oder # 3"
    (edit,) = passage.put(["1. Mai"])
    assert edit.new.decode() == "1\\. Mai"


def test_what_readers_of_html_see_or_hear():
    assert lines_of("html", HTML) == [
        "The small cakes &amp; more",
        "All about cakes",
        "<q1>Home</q1>",
        "Dad&#39;s cakes",
        "Two",
        "The child has <q1>small <q2>brown</q2> cakes</q1>, and {q5} is a condition. <br q6/>See <q7>the page</q7> or "
        "{q9}. 3 &lt; 5 and &nbsp;x.",
        "But {q1} this: {name} %s",
        "{q1}{q2}",
        "Cat",
        "text at the end {q1} {q2}",
        "Send now",
        "Your name",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>a<br>b</p>", "<p>A<br>B</p>"),
        ('<p>\n  <img\n alt="one"> x\n</p>', '<p>\n  <img\n alt="ONE"> X\n</p>'),
        ("<button title='a \"b\"'>c</button>", "<button title='A \"B\"'>C</button>"),
        ('<a title="a &quot;b&quot;">c</a>', '<a title="A &quot;B&quot;">C</a>'),
        ('<div translate="no"><p>a</p></div><p>b</p>', '<div translate="no"><p>a</p></div><p>B</p>'),
        ("<td>a</td><td>b</td>", "<td>A</td><td>B</td>"),
        ("<option value=a>b<option value=c>d", "<option value=a>B<option value=c>D"),
        ("<textarea>a</textarea><p>b", "<textarea>a</textarea><p>B"),
        ("a<!-- <p>b</p> -->", "A<!-- <p>b</p> -->"),
        ("<p>not & closed <b>x</p>", "<p>NOT &amp; CLOSED <b>X</p>"),
    ],
)
def test_html(source, expected):
    assert in_capitals("html", source) == expected
