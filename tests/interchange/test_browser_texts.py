"""The page's scripts read markup, sentences and files as Python does."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.inference.files.translate_file import translate_file
from mt.inference.markup import parse
from mt.inference.markup_transfer import restore_all
from mt.inference.segmenter import joined, split_long
from mt.interchange.browser import texts_data
from mt.serving.texts import parts_of
from mt.words import num_words
from tests.inference.files.samples import SRT, VTT
from tests.inference.markups import marked_lines, translations
from tests.inference.sentences import SENTENCES
from tests.interchange.node import asked, needs_node
from tests.interchange.vocabularies import hostile_lines

pytestmark = needs_node
MARKUP = """
const [{ parse, textsOf }, { restoreAll }] = [await from("markup"), await from("markup_transfer")];
const { useEntities } = await from("markup_reader");
useEntities(given.entities);
return given.lines.map(({ line, found }) => {
  const marked = parse(line);
  const texts = textsOf(marked);
  const translations = found ?? texts.map(() => ({ text: "x", links: [] }));
  return {
    texts: texts.map(({ text }) => text),
    marks: marked.marks.map((mark) => [mark.raw, mark.kind, mark.at, mark.before, mark.after, mark.partner]),
    notes: marked.notes,
    restored: restoreAll(marked, translations),
  };
});
"""
HOSTILE_MARKUP = r"""
a < b > c
3 < 5
100%sure %s %d%% 5 %ige
<!-- open
<![CDATA[ x
<b>x</i>y</b>
&amp;amp; &nope; &#10; &#x80; &#0;
{n, plural, one {# file} other {# files}} left
{n, plural, one {broken
{{#if x}}a{{/if}} {{y}}
%1$@ %lld %(name)s {0!r:>{width}}
<span translate="no">x <b>y</b></span> z
<script>if (a<b) {}</script>!
😀 <b>👩‍👩‍👧 wörld</b> 🏳️‍🌈 {x}
<br>one<br/>two<br>
&eacute;&hellip;&NotEqualTilde;
$t(key) @:link @.lower:{x} ${js} #{ruby} %{r} %<r>s {% if %} {# c #} { $fluent } { -brand }
<1>zwei</1> <x1/>
a&nbsp;b &lt;b&gt;
""".strip().split("\n")
TEXTS = """
const [{ partsOf }, sentences] = [await from("texts"), await from("sentences")];
sentences.useAbbreviations(given.abbreviations);
const count = (text) => text.split(/\\s+/).filter(Boolean).length + Math.floor(text.length / 12);
return {
  parts: given.texts.map(partsOf),
  split: given.long.map(([text, most]) => sentences.splitLong(text, most, count)),
  joined: given.joined.map(([texts, sources]) => sentences.joinedParts(texts, sources)),
};
"""
FILES = """
const { translatedFile } = await from("files");
const found = [];
for (const { name, content } of given) {
  const lines = [];
  const translate = async (some) => {
    lines.push(...some);
    return some.map((line) => line.replaceAll("e", "E").replace(/ a /g, " <br q9/> a "));
  };
  const done = translatedFile(name, new TextEncoder().encode(content), translate);
  found.push(await done.then((one) => ({ ...one, lines }), ({ message }) => ({ error: message })));
}
return found;
"""


def test_markup_is_read_and_put_back_as_in_python():
    drawn = []

    @given(st.data())
    @settings(max_examples=300, database=None)
    def draw(data):
        line = data.draw(marked_lines(has_messages=data.draw(st.booleans())))
        texts = [data.draw(translations(max(num_words(text.text), 1))) for text in parse(line).texts()]
        drawn.append({"line": line, "found": [{"text": text, "links": links} for text, links in texts]})

    draw()
    drawn += [{"line": line} for line in (*HOSTILE_MARKUP, *hostile_lines())]
    found = asked(MARKUP, {"entities": texts_data()["entities"], "lines": drawn})
    assert len(drawn) > 600
    for one, theirs in zip(drawn, found, strict=True):
        marked = parse(one["line"])
        texts = list(marked.texts())
        translated = [
            (each["text"], each["links"]) for each in one.get("found", [{"text": "x", "links": []}] * len(texts))
        ]
        marks = [
            [mark.raw, mark.kind, utf16(marked.text[: mark.at]), mark.before, mark.after, mark.partner]
            for mark in marked.marks
        ]
        assert theirs["texts"] == [text.text for text in texts], one["line"]
        assert theirs["marks"] == marks, one["line"]
        assert theirs["notes"] == list(marked.notes)
        assert theirs["restored"] == restore_all(marked, translated), one


def utf16(text):
    """The length of a text as JavaScript counts it."""
    return len(text.encode("utf-16-le")) // 2


def count(text):
    return len(text.split()) + utf16(text) // 12


def test_texts_are_cut_and_joined_as_in_python():
    lines = [line.replace("|", "") for of_language in SENTENCES.values() for line in of_language]
    rng = random.Random(1)
    texts = [*lines, *hostile_lines(), *("\n".join(rng.sample(lines, 3)) + "\r\n\n  x " for _ in range(30))]
    long = [(" ".join(rng.sample(lines, 4)), rng.choice([3, 8, 15, 40])) for _ in range(60)]
    long += [("这是一个很长的句子，没有空格，但是有标点。第二句也很长，" * 3, 9), ("x" * 200, 7), ("a b c", 1)]
    rows = [(rng.sample([*lines, ""], 3), rng.sample(lines, 3)) for _ in range(60)]
    rows += [(["是的。", "不"], ["a", "b"]), (["ไทย", "ลาว"], ["a", "b."]), (["ไทย", "ลาว"], ["a.", "b"])]
    given = {"abbreviations": texts_data()["abbreviations"], "texts": texts, "long": long, "joined": rows}
    found = asked(TEXTS, given)
    for text, theirs in zip(texts, found["parts"], strict=True):
        parts = parts_of(text, "sentences")
        assert (theirs["sentences"], theirs["between"]) == (list(parts.lines), list(parts.between)), text
    for (text, most), theirs in zip(long, found["split"], strict=True):
        segments = split_long(text, max_pieces=most, count=count)
        assert (theirs["parts"], theirs["isCut"]) == (list(segments.parts), segments.is_cut), (text, most)
    assert found["joined"] == [joined(*row) for row in rows]


PLAIN = "\ufeffThe  end.\r\n\r\n  3 < 5 & <b>there</b> at https://a.example/e?e=1, e@example.org.\n\ttabs here \nno end"
DIALOGUE = "1\n00:00:01,000 --> 00:00:02,000\n- Yes, we are\n- <i>Here</i> we are!\n\n"
LONG = r"""2
00:00:03,000 --> 00:00:04,000
{\an8}This is a sentence that goes on
for a long time and then

3
00:00:04,100 --> 00:00:06,000
<i>ends in the next cue, where a line breaks, too.</i>
"""
CASES = {
    "plain.txt": PLAIN,
    "empty.txt": "",
    "film.srt": SRT,
    "film.vtt": VTT,
    "two.srt": DIALOGUE + LONG,
    "windows.srt": (DIALOGUE + LONG).replace("\n", "\r\n"),
    "damaged.srt": "1\n00:00:01 --> later\nx\n",
    "no timing.srt": "some text\n",
    "no.vtt": "1\n00:00:01.000 --> 00:00:02.000\nx\n",
}


@pytest.mark.parametrize("name", CASES)
def test_files_come_back_as_in_python(name, tmp_path):
    lines = []

    def translate(texts, number):
        lines.extend(text.line for text in texts)
        return [text.line.replace("e", "E").replace(" a ", " <br q9/> a ") for text in texts]

    (tmp_path / name).write_bytes(CASES[name].encode())
    [found] = asked(FILES, [{"name": name, "content": CASES[name]}])
    try:
        translate_file(tmp_path / name, tmp_path / "out", translate)
    except ValueError as error:
        assert found["error"].removeprefix(name) == str(error).removeprefix(f"{tmp_path / name}")
        return
    assert found["text"] == (tmp_path / "out").read_bytes().decode()
    assert found["lines"] == lines
