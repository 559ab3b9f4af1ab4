"""The formats of files that can be translated. One format is one file of this folder, and a line here."""

from __future__ import annotations

from pathlib import Path

from mt.data.formats.compressed import plain_ending
from mt.inference.files.html import HtmlFile
from mt.inference.files.markdown import MarkdownFile
from mt.inference.files.passage import FileFormat
from mt.inference.files.plain import PlainText
from mt.inference.files.po import PoFile
from mt.inference.files.srt import SrtFile
from mt.inference.files.tmx import TmxFile
from mt.inference.files.vtt import VttFile
from mt.inference.files.xliff import XliffFile

FILE_FORMATS: dict[str, FileFormat] = {
    one.name: one
    for one in (PlainText(), PoFile(), XliffFile(), TmxFile(), SrtFile(), VttFile(), MarkdownFile(), HtmlFile())
}


def file_format(name: str) -> FileFormat:
    """The format of this name. Raises ValueError."""
    if name not in FILE_FORMATS:
        raise ValueError(f"format ({name}) must be one of: {', '.join(FILE_FORMATS)}")
    return FILE_FORMATS[name]


def format_by_ending(path: str | Path) -> str | None:
    """The name of the format by a file's ending, without that of a compression; None if it is unknown."""
    ending = plain_ending(path).lower()
    return next((name for name, one in FILE_FORMATS.items() if ending in one.endings), None)
