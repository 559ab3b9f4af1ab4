"""The formats of text files: the reader of each, its writer, the endings of its files, and the option of `data=`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.data.formats.compressed import plain_ending
from mt.data.formats.jsonl import JsonLines
from mt.data.formats.parquet import Parquet
from mt.data.formats.po import Po
from mt.data.formats.text_files import TextFiles
from mt.data.formats.tmx import Tmx
from mt.data.formats.tsv import Tsv
from mt.data.formats.write_lines import JsonLinesWriter, TextWriter, TsvWriter
from mt.data.formats.write_po import PoWriter
from mt.data.formats.write_xml import TmxWriter, XliffWriter
from mt.data.formats.writing import Writer
from mt.data.formats.xliff import Xliff


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format by the name of its option (`data=po`)."""

    name: str
    reader: type[Any]
    writer: type[Writer] | None  # None: it is only read
    endings: tuple[str, ...]  # without the compression's ending


FORMATS = (
    Format(name="text", reader=TextFiles, writer=TextWriter, endings=(".txt",)),
    Format(name="tsv", reader=Tsv, writer=TsvWriter, endings=(".tsv",)),
    Format(name="jsonl", reader=JsonLines, writer=JsonLinesWriter, endings=(".jsonl", ".json")),
    Format(name="po", reader=Po, writer=PoWriter, endings=(".po", ".pot")),
    Format(name="tmx", reader=Tmx, writer=TmxWriter, endings=(".tmx",)),
    Format(name="xliff", reader=Xliff, writer=XliffWriter, endings=(".xlf", ".xliff")),
    Format(name="parquet", reader=Parquet, writer=None, endings=(".parquet",)),
)


def format_of(path: str | Path) -> Format | None:
    """The format by a file's extension, without that of a compression; None if it is unknown."""
    ending = plain_ending(path).lower()
    return next((one for one in FORMATS if ending in one.endings), None)
