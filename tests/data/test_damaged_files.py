"""Whatever is in a file: a pair, a fault or an error that names the file, never anything else."""

import io
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mt.data.formats.jsonl import JsonLines
from mt.data.formats.parquet import Parquet
from mt.data.formats.po import Po
from mt.data.formats.tmx import Tmx
from mt.data.formats.tsv import Tsv
from mt.data.formats.xliff import Xliff

LANGUAGES = {"source_language": "en", "target_language": "de"}
UNIT = '<tu><tuv xml:lang="en"><seg>a {}</seg></tuv><tuv xml:lang="de"><seg>日本 {}</seg></tuv></tu>\n'
TMX = '<tmx version="1.4"><header/><body>' + "".join(UNIT.format(n, n) for n in range(5)) + "</body></tmx>"
XLIFF = (
    '<xliff version="1.2"><file source-language="en" target-language="de"><body><group>'
    + "".join(f"<trans-unit><source>a {n}</source><target>b {n}</target></trans-unit>" for n in range(5))
    + "</group></body></file></xliff>"
)
PO = (
    'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    'msgctxt "x"\nmsgid "a"\nmsgstr "\\303\\226" "b"\n\n#, fuzzy\nmsgid "c"\nmsgid_plural "d"\nmsgstr[0] "e"\n'
)


def table() -> bytes:
    content = io.BytesIO()
    translations = pa.array([[("en", "x"), ("de", "y")]] * 50, pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"en": [f"a{n}" for n in range(50)], "t": translations}), content)
    return content.getvalue()


FILES = {
    "tmx": (TMX.encode(), lambda path: Tmx(path=path, **LANGUAGES)),
    "tmx-utf16": (TMX.encode("utf-16"), lambda path: Tmx(path=path, **LANGUAGES)),
    "tmx-shift_jis": (
        f'<?xml version="1.0" encoding="shift_jis"?>{TMX}'.encode("shift_jis"),
        lambda path: Tmx(path=path, **LANGUAGES),
    ),
    "xliff": (XLIFF.encode(), lambda path: Xliff(path=path, **LANGUAGES)),
    "po": (PO.encode(), lambda path: Po(path=path)),
    "parquet": (table(), lambda path: Parquet(path=path, source_field="en", target_field="t.de")),
    "jsonl": (
        b'{"en": "a", "t": {"language": ["de"], "translation": ["b"]}}\n{"en": 1}\n' * 3,
        lambda path: JsonLines(path=path, source_field="en", target_field="t.de"),
    ),
    "tsv": (b"a\tb\n" * 9, lambda path: Tsv(path=path)),
}
PIECES = [
    *(
        b"<",
        b">",
        b"&",
        b'"',
        b"\x00",
        b"\xff",
        b"\\",
        b"]]>",
        b"<!--",
        b"<tu>",
        b"</tu>",
        b"<![CDATA[",
        b"\n",
        b"\xc3",
    ),
    *(
        b"charset=utf-7",
        b"charset=unicode_escape",
        b"plural=1/(n-5)",
        b"<!DOCTYPE x [",
        b"&#1;",
        b"1" * 5000,
        b"{",
        b"[",
    ),
    *(b"\\400", b"\\x", b"</file>", b"<file ", b"<?", b"\x1b$B"),
]


def damaged(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 5, 20])):
        place = random.randrange(len(changed) + 1)
        match random.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                changed[place:place] = random.choice(PIECES)
            case 2:
                del changed[place : place + random.randrange(40)]
            case _:
                start = random.randrange(len(changed) + 1)
                changed[place:place] = changed[start : start + random.randrange(200)]
    return bytes(changed)


@pytest.mark.parametrize("kind", FILES)
def test_damage_of_any_kind_is_reported_with_the_file(tmp_path, kind):
    content, reader = FILES[kind]
    random = Random(16)
    path = tmp_path / "file"
    num_faults = 0
    for _ in range(200):
        path.write_bytes(damaged(content, random))
        try:
            for pair in reader(path):
                assert "\n" not in pair.source + pair.target
                if pair.fault is not None:
                    num_faults += 1
                    assert str(path) in pair.fault.message and "\n" not in pair.fault.message
        except ValueError as error:
            num_faults += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert num_faults
