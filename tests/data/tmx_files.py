"""TMX files for tests, and their pairs as the reader finds them."""

from mt.data.formats.tmx import Tmx
from mt.data.pair import Pair

HEADER = '<header creationtool="x" segtype="sentence" adminlang="en" srclang="en" datatype="plaintext" o-tmf="x"/>'
PAIRS = [Pair("one & all", "eins"), Pair("two", "zwei <2>")]


def variant(language, text, attribute="xml:lang"):
    return f'<tuv {attribute}="{language}"><prop type="x">prop</prop><seg>{text}</seg></tuv>'


def unit(*variants, **languages):
    texts = [variant(language, text) for language, text in languages.items()]
    return f"<tu>\n<note>a note</note>{''.join([*variants, *texts])}\n</tu>\n"


def tmx(*units, before='<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'):
    return f'{before}<tmx version="1.4">{HEADER}<body>\n{"".join(units)}</body>\n</tmx>\n'


UNITS = [unit(en="one &amp; all", de="eins"), unit(de="zwei <![CDATA[<2>]]>", fr="deux", en="two")]


def read(tmp_path, content, source="en", target="de", name="memory.tmx"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(Tmx(path=path, source_language=source, target_language=target))
