"""Translates a file and keeps its format: only the bytes of its texts change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from mt.data.formats.compressed import compression_of, find_file
from mt.data.formats.writing import PACK, Edit, content_of, edited
from mt.data.unfinished import Unfinished, remove_part
from mt.data.whole_folder import write_whole
from mt.inference.files.coded_line import has_words
from mt.inference.files.passage import FileFormat, FileSettings, Passage
from mt.inference.files.table import FILE_FORMATS, file_format, format_by_ending

log = logging.getLogger(__name__)

LINES = ".lines"  # the suffix of the file with the translated lines, which a later call continues


class Text(NamedTuple):
    """A line to translate, with its markup, and its place in the file, for messages ("line 3")."""

    line: str
    place: str


# Texts, of which `number` have gone before, to their translations, in order, each as soon as it is ready. A line has
# markup, and may have several sentences: what `mt.inference.job.Job` does with `markup` and `by_sentence`.
Translate = Callable[[Sequence[Text], int], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What was done to a file: texts translated now or in an interrupted call before, and translations that stayed.

    `notes` say which texts could not be written in the format, and stay untranslated.
    """

    format: str
    num_texts: int
    num_left: int
    notes: tuple[str, ...] = ()


def translate_file(
    path_in: str | Path,
    path_out: str | Path,
    translate: Translate,
    *,
    format: str | None = None,
    settings: FileSettings | None = None,
    made_by: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> FileReport:
    """Translates the texts of a file; `format` is a name of `FILE_FORMATS`, or known by the file's ending.

    The new file appears completely or not at all, with the compression of the old one; the paths may be equal. With
    `made_by`, a fingerprint of everything that the translations depend on, translated lines are kept in
    `path_out`.lines.unfinished, and a later call with the same fingerprint continues there. `on_progress` gets the
    number of translated texts and of all of them. Raises ValueError, with file and line, for a damaged file, and while
    another process translates to the same file.
    """
    path, settings = find_file(path_in), settings or FileSettings()
    format = format or format_by_ending(path)
    if format is None:
        raise ValueError(f"{path}: its format is unknown by its ending: name it, one of: {', '.join(FILE_FORMATS)}")
    kind, packed = file_format(format), path.read_bytes()
    content, restored_form = kind.decoded(content_of(path), str(path))
    passages = kind.passages(content, str(path), settings)
    texts = [Text(line, one.place) for one in passages for line in one.lines if has_words(line)]
    on_progress(0, len(texts))
    lines_path = Path(f"{path_out}{LINES}")
    if made_by is None:
        made = iter(_counted(translate(texts, 0), 0, len(texts), on_progress))
    else:
        made = iter(_resumed(lines_path, texts, translate, made_by, on_progress))
    found = [[next(made) if has_words(line) else line for line in one.lines] for one in passages]
    changed, notes = _changed(content, kind, str(path), settings, passages, found)
    new, compression = restored_form(changed), compression_of(packed)
    write_whole(Path(path_out), PACK[compression.name](new) if compression else new)
    if made_by is not None:
        remove_part(lines_path)
    num_left = kind.num_left(content, str(path), settings)
    return FileReport(format=kind.title, num_texts=len(texts), num_left=num_left, notes=tuple(notes))


def _counted(lines: Iterable[str], num_done: int, total: int, on_progress: Callable[[int, int], None]) -> Iterator[str]:
    for number, line in enumerate(lines, start=num_done + 1):
        on_progress(number, total)
        yield line.replace("\n", " ")


def _resumed(
    path: Path, texts: Sequence[Text], translate: Translate, made_by: str, on_progress: Callable[[int, int], None]
) -> list[str]:
    """The translations of all texts, by way of a file that an interrupted call has begun."""
    unfinished = Unfinished(path, made_by, is_part=True)
    if not unfinished.is_whole():
        with unfinished.open() as (num_done, output):
            if num_done:
                log.info("%s: resumes after text %d", path.name.removesuffix(LINES), num_done)
            _write(output, _counted(translate(texts[num_done:], num_done), num_done, len(texts), on_progress))
    on_progress(len(texts), len(texts))
    return path.read_bytes().decode().split("\n")[:-1]


def _write(output: TextIO, lines: Iterable[str]) -> None:
    for line in lines:
        output.write(f"{line}\n")
        output.flush()


def _changed(
    content: bytes,
    kind: FileFormat,
    name: str,
    settings: FileSettings,
    passages: Sequence[Passage],
    texts: Sequence[Sequence[str]],
) -> tuple[bytes, list[str]]:
    """The content with the translations, and notes on those that the format or its encoding cannot express."""
    edits: list[tuple[Passage, list[Edit]]] = []
    notes = []
    for passage, of_passage in zip(passages, texts, strict=True):
        if kind.replaces and tuple(of_passage) == passage.lines:
            continue  # with its own blanks and notation
        try:
            edits.append((passage, passage.put(of_passage)))
        except ValueError as error:  # an encoding that lacks a character
            notes.append(f"{passage.place}: left as it was, its translation cannot be written ({error})")
    frame = kind.frame(content, name, settings)

    def is_right(some: Sequence[tuple[Passage, list[Edit]]]) -> bool:
        with suppress(ValueError):
            return kind.frame(edited(content, [edit for _, of_one in some for edit in of_one]), name, settings) == frame
        return False

    while not is_right(edits):  # a text has broken the format: find the first one that does
        fewest, most = 1, len(edits)
        while fewest < most:
            middle = (fewest + most) // 2
            fewest, most = (middle + 1, most) if is_right(edits[:middle]) else (fewest, middle)
        passage, _ = edits.pop(fewest - 1)
        notes.append(f"{passage.place}: left as it was, its translation would be read as something else")
    return edited(content, [edit for _, of_one in edits for edit in of_one]), notes


def shown_report(path: str | Path, report: FileReport) -> str:
    """A line about what was done."""
    left = f", {report.num_left:,} translations left as they are (--replace)" if report.num_left else ""
    return f"{path}: {report.format}, {report.num_texts:,} texts translated{left}"
