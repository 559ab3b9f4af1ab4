"""Files as people have them, one or more of each format, with what is hard about it, and a translator in capitals."""

from mt.inference.files.passage import FileSettings
from mt.inference.files.table import file_format
from mt.inference.markup import parse
from mt.inference.markup_transfer import restore_all
from mt.words import num_words

PO = r"""# Translations of a bakery.
# Copyright (C) 2026 Bakers
msgid ""
msgstr ""
"Project-Id-Version: bakery 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Language: de\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#. extracted
#: src/shop.c:10
#, c-format
msgid "Baked %d of %s.\n"
msgstr ""

msgctxt "menu"
msgid "Open the <b>oven</b> &amp; wait at https://example.org/a_b?c=1."
msgstr ""

#| msgid "one cake"
msgid "%d cake"
msgid_plural "%d cakes"
msgstr[0] ""
msgstr[1] ""

#, fuzzy
msgid "old"
msgstr "alt?"

msgid "done"
msgstr "fertig"

#, fuzzy, c-format
msgid "fuzzy and empty"
msgstr ""

msgid ""
"Usage: bake [OPTION]...\n"
"  -x, --hex        print the numbers of cakes\n"
"This text goes over several lines, which belong\n"
"together as one sentence.\n"
msgstr ""

#~ msgid "gone"
#~ msgstr "weg"
"""
XLIFF_1 = """<?xml version="1.0" encoding="UTF-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<!-- a > comment -->
<file original="a.html" source-language="en-US" datatype="html"><body><group id="g">
  <trans-unit id="1"><source>Read <g id="1">the <x id="2"/> book</g> &amp; go</source></trans-unit>
  <trans-unit id="2">
    <source>Save <bpt id="1">&lt;b></bpt>all<ept id="1">&lt;/b></ept></source>
    <target/>
    <note>keep me</note>
  </trans-unit>
  <trans-unit id="3"><source>Done</source><target state="translated">Fertig</target></trans-unit>
  <trans-unit id="4"><source>Copy</source><target state="needs-translation">Copy</target></trans-unit>
  <trans-unit id="5" translate="no"><source>Brand</source></trans-unit>
  <trans-unit id="6"><source>One. Two.</source>
    <seg-source><mrk mtype="seg" mid="0">One.</mrk> <mrk mtype="seg" mid="1">Two.</mrk></seg-source>
  </trans-unit>
  <trans-unit id="7"><source>Escaped &lt;i&gt;tags&lt;/i&gt; of {name}, <![CDATA[a < b]]></source></trans-unit>
</group></body></file></xliff>
"""
XLIFF_2 = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
<file id="f"><unit id="u"><segment id="s1"><source>A <pc id="1">bold</pc> word<ph id="2"/></source></segment>
  <segment id="s2" state='initial'>
    <source>Line one
Line two</source>
    <target>Line one</target>
  </segment><ignorable><source> </source></ignorable></unit>
<unit id="v" translate="no"><segment><source>Code</source></segment></unit></file></xliff>"""
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4"><header srclang="en" note="a > b"/><body>
  <tu tuid="1">
    <note>n</note>
    <tuv xml:lang="en">
      <seg>The <bpt i="1">&lt;b></bpt>small<ept i="1">&lt;/b></ept> cakes<ph x="1">{br}</ph></seg>
    </tuv>
  </tu>
  <tu tuid="2"><tuv xml:lang="EN-us"><seg>Two</seg></tuv><tuv xml:lang="de"><seg>Zwei</seg></tuv></tu>
  <tu tuid="3"><tuv xml:lang="en"><seg>Three</seg></tuv><tuv xml:lang="de-AT"><seg/></tuv></tu>
  <tu tuid="4"><tuv xml:lang="fr"><seg>Quatre</seg></tuv></tu>
</body></tmx>
"""
SRT = """1
00:00:01,000 --> 00:00:02,500
I have not baked

2
00:00:02,600 --> 00:00:04,000
<i>the small
cakes.</i> The child

3
00:00:04,100 --> 00:00:06,000 X1:40
{\\an8}has no shirt & 3 < 5.

4
00:00:07,000 --> 00:00:08,000
- Dad read the book.
- The <b>woman</b> has a dog!

5
00:01:00,000 --> 00:01:02,000
1984

6
00:02:00,000 --> 00:02:02,000
"""
VTT = """WEBVTT - cakes

STYLE
::cue { color: red }

NOTE a note
over two lines

intro
00:01.000 --> 00:02.500 position:10% line:0
<v Mary>Have you <00:00:01.500>seen Tom &amp; the small</v>

00:02.600 --> 00:04.000
<v Mary>cakes?</v>
"""
MARKDOWN = """---
title: Not this
---
# My *small* project #

[![Build status](https://ci/x.svg)](https://ci/x) ![A brown dog](a.png "t")

This is a paragraph with **bold words**, _emphasis_ and ``code ` here``, which is
wrapped over lines. See [the docs](https://x.org/a_b "title") or [guide][g], or
[shortcut], and <https://auto.link>. Press <kbd>Ctrl</kbd>+<kbd>C</kbd>.\\
Hard break above, 3 < 5 &amp; more\\*, snake_case and https://bare.url/x_y_.

> [!NOTE]
> A quoted note that
> goes on.

* item one
  goes on here with text
- [ ] a task
  1. Nested **list** item

| Name | Meaning of `a\\|b` |
|------|:-----------------:|
| one  | two \\| three      |
| x |  |

```python
print("no")  # comment
```

    indented code

Setext heading
==============

<!-- a comment -->
<details>
<summary>Click &amp; see</summary>

Inside *details*.[^1] And $x_1$ of :smile:

</details>

***All of it strong and em*** ~~gone~~ text.

[^1]: The footnote text.
[shortcut]: https://short.cut
[g]: <https://g.org> "no title"
"""
HTML = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>The small cakes &amp; more</title>
  <meta name="description" content="All about cakes"><meta name="robots" content="noindex">
  <script>if (a < b && c) { alert("<p>no</p>") }</script>
  <style>p > a { color: red }</style>
</head>
<body>
<!-- a comment -->
<nav><ul><li><a href="/a?x=1&amp;y=2" title='Dad&#39;s cakes'>Home</a></li><li>Two</li></ul></nav>
<p>The child has <b>small <i>brown</i>
   cakes</b>, and <code>x &lt; 1</code> is a condition.<br>See <a
     href="https://example.org/x">the
   page</a> or https://example.org/y?z=1. 3 &lt; 5 and &nbsp;x.</p>
<p translate="no">Not this</p><p>But <span class="notranslate">Acme</span> this: {name} %s</p>
<img src=a.png alt=Cat><img alt="" src=b><svg><text>svg</text></svg>
<pre>
 keep   this
</pre>
text at the end <input type="submit" value="Send now"> <input type=text placeholder="Your name" value="x">
</body>
</html>"""
TEXT = "One line.  Two sentences!\n\n  indented {name}\t\n<b>bold</b> & 3 < 5\n42\nlast"
SAMPLES = {  # name -> format, content
    "txt": ("txt", TEXT),
    "po": ("po", PO),
    "xliff 1.2": ("xliff", XLIFF_1),
    "xliff 2": ("xliff", XLIFF_2),
    "tmx": ("tmx", TMX),
    "srt": ("srt", SRT),
    "vtt": ("vtt", VTT),
    "md": ("md", MARKDOWN),
    "html": ("html", HTML),
}
SETTINGS = FileSettings(source_language="en", target_language="de")


def capitals(line: str) -> str:
    """A line in capitals, its words linked one to one, with its markup as `--markup` puts it back."""
    marked = parse(line)
    texts = [(one.text.upper(), [(i, i) for i in range(num_words(one.text))]) for one in marked.texts()]
    return restore_all(marked, texts)


def translate_in_capitals(texts, number=0):
    return (capitals(text.line) for text in texts)


def passages(kind: str, content: str | bytes, settings: FileSettings = SETTINGS):
    """The passages of a file with this content."""
    content = content.encode() if isinstance(content, str) else content
    file = file_format(kind)
    return file.passages(file.decoded(content, "FILE")[0], "FILE", settings)


def lines_of(kind: str, content: str | bytes, **settings) -> list[str]:
    """All lines to translate."""
    return [line for one in passages(kind, content, FileSettings(**settings)) for line in one.lines]
