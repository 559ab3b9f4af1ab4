"""What msgfmt makes of a PO file is what we read from it; skipped where gettext is not installed."""

import gettext
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from mt.data.formats.lines import in_one_line
from mt.data.formats.po import Po

pytestmark = pytest.mark.skipif(shutil.which("msgfmt") is None, reason="needs GNU gettext (msgfmt, msgcat)")

HEADER = r"""# Schön
#, fuzzy
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"""


def compiled(content: bytes, folder: Path) -> list[tuple[str, str]] | None:
    """The translations that msgfmt takes from a file, sorted; None where it refuses the file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "a.po").write_bytes(content)
    done = subprocess.run(["msgfmt", "a.po"], cwd=folder, capture_output=True)
    if done.returncode:
        return None
    pairs = []
    for file in folder.glob("*.mo"):
        try:
            catalog = gettext.GNUTranslations(file.open("rb"))._catalog
        except UnicodeDecodeError:  # msgfmt copies bytes, nobody can use them
            return None
        for key, target in catalog.items():
            source, form = key if isinstance(key, tuple) else (key, None)
            source = source.rpartition("\x04")[2]
            if source or "\x04" in str(key):
                pairs.append((source if form is None else f"{source} [{form}]", target))
    return sorted((in_one_line(source), in_one_line(target)) for source, target in pairs if target)


def ours(content: bytes, folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs that we read, sorted, and the messages of faults."""
    (folder / "b.po").write_bytes(content)
    pairs = list(Po(path=folder / "b.po"))
    return sorted(pair[:2] for pair in pairs if not pair.fault), [pair.fault.message for pair in pairs if pair.fault]


TRANSLATED = 'msgid "Tür"\nmsgstr "door"\n'
FILES = {
    "octal": r'msgid "\303\226ffne \50x\51"' + '\nmsgstr "x"\n',
    "hexadecimal": r'msgid "\xc3\x96 \x0000000041z"' + '\nmsgstr "x"\n',
    "escape in two strings": r'msgid "\303" "\226"' + '\nmsgstr "x"\n',
    "escapes": r'msgid "\a\b\f\n\r\t\v\"\\ \1010"' + '\nmsgstr "x"\n',
    "no such escape": 'msgid "it\\\'s"\nmsgstr "x"\n',
    "no digit": r'msgid "\xg"' + '\nmsgstr "x"\n',
    "adjacent": 'msgid "a " "b" "c"\n" d"\nmsgstr "x " "y"\n',
    "one line": 'msgid "a" msgstr "b"\n',
    "no blanks": 'msgid"a"msgstr"b"\n',
    "blank lines inside": 'msgid "a"\n\n\nmsgstr "b"\n\n"c"\n',
    "indented": '  #, fuzzy\n\tmsgid "a"\n msgstr "b"\n\n\f msgid "c"\n msgstr "d"\n',
    "windows": 'msgid "a"\r\nmsgstr "b"\r\n\r\n#, fuzzy\r\nmsgid "c"\r\nmsgstr "d"\r\n',
    "domains": 'domain "one"\nmsgid "a"\nmsgstr "b"\ndomain "two"\n' + HEADER,
    "domain without name": 'domain\nmsgid "a"\nmsgstr "b"\n',
    "context": 'msgctxt "x"\nmsgid "a"\nmsgstr "b"\n\nmsgctxt "y"\nmsgid "a"\nmsgstr "c"\n',
    "context of an empty message": 'msgctxt "z"\nmsgid ""\nmsgstr "d"\n',
    "fuzzy": '#,c-format,fuzzy\nmsgid "a"\nmsgstr "b"\n\n#, fuzzyish\nmsgid "c"\nmsgstr "d"\n',
    "flags and blank lines": '#, fuzzy\n\n\nmsgid "a"\nmsgstr "b"\n',
    "obsolete": '#~ msgid "a"\n#~ msgstr "b"\nmsgid "c"\nmsgstr "d"\n',
    "obsolete and fuzzy": '#, fuzzy\n#~ msgctxt "x"\n#~ msgid "e"\n#~ msgstr "f"\n',
    "previous": '#| msgctxt "z"\n#| msgid "old"\nmsgid "a"\nmsgstr "b"\n',
    "plural": 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "%d Datei"\nmsgstr [ 1 ] "%d Dateien"\n',
    "plural without form": 'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] ""\n',
    "second form first": 'msgid "a"\nmsgid_plural "b"\nmsgstr[1] "c"\nmsgstr[0] "d"\n',
    "form without plural": 'msgid "a"\nmsgstr[0] "b"\n',
    "plural without forms": 'msgid "a"\nmsgid_plural "b"\nmsgstr "c"\n',
    "no translation": 'msgid "a"\nmsgid "b"\nmsgstr "c"\n',
    "cut off": 'msgid "a"\n',
    "two translations": 'msgid "a"\nmsgstr "b"\nmsgstr "c"\n',
    "open string": 'msgid "a\nmsgstr "b"\n',
    "unknown keyword": 'msgid_pluralx "a"\nmsgstr "b"\n',
    "string after a comment": 'msgid "a"\nmsgstr "b"\n# x\n"c"\n',
    "not UTF-8": 'msgid "\udcff"\nmsgstr "b"\n',
    "escape not UTF-8": r'msgid "a\377"' + '\nmsgstr "b"\n',
}  # fmt: skip


def as_ours(catalog: list[tuple[str, str]], content: str) -> list[tuple[str, str]]:
    """The catalog with the plural forms as we give them: msgid with the first, msgid_plural with the second."""
    names = {"%d file [0]": "%d file", "%d file [1]": "%d files", "a [0]": "a", "a [1]": "b"}
    return sorted((names.get(source, source), target) for source, target in catalog)


@pytest.mark.parametrize("case", FILES)
def test_a_file_is_read_as_msgfmt_reads_it(tmp_path, case):
    content = "\n".join([HEADER, FILES[case], TRANSLATED]).encode("utf-8", "surrogateescape")
    expected = compiled(content, tmp_path / "mo")
    pairs, faults = ours(content, tmp_path)
    if expected is None:
        assert faults and all(message.startswith(f"{tmp_path}/b.po line ") for message in faults)
    else:
        assert (pairs, faults) == (as_ours(expected, FILES[case]), [])


@pytest.mark.parametrize("charset", ["ISO-8859-1", "CP1252", "KOI8-R", "EUC-JP", "GB18030", "SHIFT_JIS", "BIG5"])
def test_a_charset_is_read_with_its_escapes(tmp_path, charset):
    text = {"KOI8-R": "файл", "EUC-JP": "日本語", "GB18030": "文件", "SHIFT_JIS": "表示ソ", "BIG5": "功能"}
    text = text.get(charset, "schön")
    escapes = "".join(f"\\{byte:o}" for byte in text.encode(charset))
    entries = f'msgid "a"\nmsgstr "{text}"\n\nmsgid "b"\nmsgstr "{text}{escapes}"\n'
    header = HEADER.replace("# Schön\n", "").replace("UTF-8", charset)
    content = f"{header}\n{entries}".encode(charset)
    expected = [("a", text), ("b", text + text)]
    assert ours(content, tmp_path) == (expected, [])
    if charset != "SHIFT_JIS":  # msgfmt refuses it in escapes
        assert compiled(content, tmp_path / "mo") == expected


def test_what_msgcat_escapes_is_the_same_file(tmp_path):
    content = "\n".join([HEADER, TRANSLATED, 'msgid "–"\nmsgstr "日本語 \\" \\\\ \\t"\n']).encode()
    (tmp_path / "plain.po").write_bytes(content)
    done = subprocess.run(["msgcat", "--escape", tmp_path / "plain.po"], capture_output=True, check=True)
    assert rb"\303" in done.stdout
    assert ours(done.stdout, tmp_path) == ours(content, tmp_path)


def test_whatever_msgfmt_takes_is_read_the_same(tmp_path):
    """Files put together of random lines: most are wrong, and those that are not give the same pairs."""
    random = Random(16)
    lines = [
        'msgid "a{}"', 'msgid "b{}"', 'msgstr "x{}"', 'msgstr ""', '"y{}"', '""', "", "#, fuzzy", "# c",
        '#~ msgid "a{}"', '#~ msgstr "b"', 'msgctxt "c{}"', 'domain "d"', r'msgstr "\303\266"', "#: a.c:1",
        '#| msgid "o"', '"z" "z"',
    ]  # fmt: skip
    num_taken = 0
    for _ in range(80):
        body = []
        for number in range(random.randint(1, 4)):
            entry = [f'msgid "m{number}"', f'msgstr "t{number}"']
            for _ in range(random.randint(0, 2)):
                entry.insert(random.randint(0, len(entry)), random.choice(lines).format(random.randrange(1000)))
            body += entry
        content = "\n".join([HEADER, *body, ""]).encode()
        expected = compiled(content, tmp_path / "mo")
        pairs, faults = ours(content, tmp_path)
        if expected is not None:
            num_taken += 1
            assert (pairs, faults) == (expected, []), content.decode()
    assert num_taken > 20
