"""Times readers on text that is made to be dear: seconds for a text, one twice and one four times as large.

    python scripts/reading_costs.py

Where cost grows with the size, each number is about twice the one before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from mt.data.formats.po import Po
from mt.data.formats.tmx import Tmx
from mt.data.formats.xliff import Xliff
from mt.inference.markup import parse

LANGUAGES = {"source_language": "en", "target_language": "de"}
UNIT = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="de"><seg>b</seg></tuv></tu>\n'


def tmx(units: str, before: str = "") -> str:
    """A TMX file."""
    return f'{before}<tmx version="1.4"><header/><body>{units}</body></tmx>'


def xliff(source: str) -> str:
    """An XLIFF file of one unit."""
    unit = f"<trans-unit><source>{source}</source><target>b</target></trans-unit>"
    file = f'<file source-language="en" target-language="de"><body>{unit}</body></file>'
    return f'<xliff version="1.2">{file}</xliff>'


def defaults(count: int) -> str:
    """A document type with so many attributes that every unit has."""
    return "<!DOCTYPE tmx [" + "".join(f'<!ATTLIST tu a{number} CDATA "x">\n' for number in range(count)) + "]>"


CASES: dict[str, tuple[Callable[[int], str], Callable[[Path], Iterable]]] = {
    "PO, strings of one entry": (
        lambda n: 'msgid "x"\nmsgstr ""\n' + '"abcdefghijklmnop"\n' * (n // 16),
        lambda path: Po(path=path),
    ),
    "PO, entries": (lambda n: 'msgid "x"\nmsgstr "y"\n\n' * (n // 23), lambda path: Po(path=path)),
    "XLIFF, blanks": (lambda n: xliff("a" + " " * n + "b\nc"), lambda path: Xliff(path=path, **LANGUAGES)),
    "TMX, units": (lambda n: tmx(UNIT.format("a") * (n // 80)), lambda path: Tmx(path=path, **LANGUAGES)),
    "TMX, damaged units": (lambda n: tmx(UNIT.format("&") * (n // 80)), lambda path: Tmx(path=path, **LANGUAGES)),
    "TMX, units without end": (
        lambda n: tmx(UNIT.format("a").replace("</tu>", "") * (n // 80)),
        lambda path: Tmx(path=path, **LANGUAGES),
    ),
    "TMX, CDATA without end": (
        lambda n: tmx(UNIT.format("<![CDATA[") * (n // 80)),
        lambda path: Tmx(path=path, **LANGUAGES),
    ),
    "TMX, defaults of attributes": (
        lambda n: tmx(UNIT.format("a"), defaults(n // 30)),
        lambda path: Tmx(path=path, **LANGUAGES),
    ),
}


# what stands without end in one line of marked-up text
MARKUP = ("<b ", "<!--", "<a '\"", "{{", "{ ", "&a", "%", "</x>", "<x>", "<a b='c' ", "{a, plural, one {", "{a:{b")


def main(num_bytes: int = 1_000_000) -> None:
    """Print a line a case."""
    for piece in MARKUP:
        seconds = []
        for factor in (1, 2, 4):
            line = piece * (factor * num_bytes // 20 // len(piece))  # a line has at most 4 MiB
            start = time.perf_counter()
            parse(line)
            seconds.append(time.perf_counter() - start)
        print(f"{'markup, ' + piece:30} " + " ".join(f"{one:7.2f} s" for one in seconds))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for name, (content, reader) in CASES.items():
            seconds = []
            for factor in (1, 2, 4):
                path.write_text(content(factor * num_bytes), encoding="utf-8")
                start = time.perf_counter()
                try:
                    for _ in reader(path):
                        pass
                except ValueError:  # refused
                    pass
                seconds.append(time.perf_counter() - start)
            print(f"{name:30} " + " ".join(f"{one:7.2f} s" for one in seconds))


if __name__ == "__main__":
    main()
