"""A file of every format that is written, with its writer."""

from hypothesis import strategies as st

from mt.data.formats.compressed import read_blocks
from mt.data.formats.write_lines import JsonLinesWriter, TextWriter, TsvWriter
from mt.data.formats.write_po import PoWriter
from mt.data.formats.write_xml import TmxWriter, XliffWriter

PO = r"""# translator's comment
#, fuzzy
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#: src/a.c:10
#. extracted
msgid   "File \"x\"\t\\ & <b>"
msgstr	"Datei \"x\"\t\\ &amp;"

msgctxt "menu"
msgid "Open"
msgstr ""
"Öff"
"nen"

#, fuzzy, c-format
#| msgid "Old"
msgid "two\n"
"lines\n"
msgstr "zwei\n"

"Zeilen\n"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"   
msgid "new" msgstr ""

#~ msgid "gone"
#~ msgstr "weg"
"""
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a > comment --><tmx version="1.4"><header srclang='en' note="a > b"/><body>
  <tu tuid="1"><note>n</note>
    <tuv xml:lang="en-US"><seg>A &amp; B</seg></tuv>
    <tuv xml:lang='de'><seg>A &#38; <![CDATA[B<]]></seg></tuv></tu>
  <tu><tuv xml:lang="en"><seg>a<bpt i="1">&lt;b></bpt>c<ept i="1"/></seg></tuv><tuv xml:lang="de-AT"><seg/></tuv>
   <tuv xml:lang="de"><seg>ä<ph x="1>2">code</ph> <hi>b</hi>
      c</seg></tuv></tu>
  <tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
</body></tmx>
"""
XLIFF_1 = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file original="a>b" source-language="en"
 target-language='de'><body>
  <trans-unit id="1"><source>One <g id="1">two</g></source>
    <target state="translated">Eins <g id="1">zwei</g><x id="2"/></target></trans-unit>
  <trans-unit id="2">
\t<source>New</source>
\t<note>keep</note>
  </trans-unit>
  <trans-unit id="3"><source>E</source><target/><alt-trans><source>E</source><target>no</target></alt-trans>
  </trans-unit>
  <trans-unit id="4"><source>A. B.</source>
    <seg-source><mrk mtype="seg" mid="1">A.</mrk> <mrk mtype="seg" mid="2">B.</mrk></seg-source>
    <target><mrk mtype="seg" mid="2">b.</mrk> <mrk mtype="seg" mid="1">a.</mrk></target></trans-unit>
</body></file></xliff>
"""
XLIFF_2 = """<x:xliff xmlns:x="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="de">
<x:file id="f"><x:unit id="u"><x:segment><x:source>One</x:source>
    <x:target>Eins</x:target></x:segment>
  <x:segment id="s">
    <x:source>Two</x:source>
  </x:segment><x:ignorable><x:source> </x:source></x:ignorable></x:unit></x:file></x:xliff>"""
LANGUAGES = {"source_language": "en", "target_language": "de"}
FILES = {  # name -> writer, content
    "text": (TextWriter(), "one\r\ntwo\n\nlast \u2028 line"),
    "text with mark": (TextWriter(), "\ufeffone\ntwo\n"),
    "empty text": (TextWriter(), ""),
    "tsv": (TsvWriter(), 'a "x"\tb\tc\r\n\td\n\n'.replace("\n\n", "\ne\n")),
    "tsv by name": (TsvWriter(source_column="en", target_column="de"), "id\tde\ten\n1\tä\ta\n2\t\tb"),
    "jsonl": (
        JsonLinesWriter(source_field="t.en", target_field="t.de"),
        '{ "id":1, "t" : {"en":"a","de": "\\u00e4\\/\\n" } }\r\n\n'
        '{"t":{"de":"x","de":null,"en":"b"},"z":[{"de":"no"}]}',
    ),
    "po": (PoWriter(), PO),
    "po of windows": (PoWriter(), PO.replace("\n", "\r\n")),
    "tmx": (TmxWriter(**LANGUAGES), TMX),
    "xliff 1.2": (XliffWriter(**LANGUAGES), XLIFF_1),
    "xliff 2.0": (XliffWriter(**LANGUAGES), XLIFF_2),
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "a\nb",
        "\n",
        '"',
        "\\",
        "\\n",
        "</target>",
        "]]>",
        "&amp;",
        "<b>",
        "\t",
        "é\r",
        "\ufeff",
        "\x00",
        "\x0b",
        "%d",
        "#",
    ]
)


def content_of(path):
    return b"".join(read_blocks(path))
