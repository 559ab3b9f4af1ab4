"""Plain text: each line is a text, with its blanks at both ends as they are."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.formats.writing import Edit
from mt.inference.files.coded_line import CodedLine
from mt.inference.files.passage import FileFormat, FileSettings, Passage, TextFile


class PlainText(FileFormat):
    """Lines of text."""

    name, title, endings = "txt", "plain text", (".txt", ".text")

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        file, place, found = TextFile(content, name), 0, []
        for line in file.text.split("\n"):
            if text := line.strip():
                found.append(one_text(file, place + line.index(text), text))
            place += len(line) + 1
        return found

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        return content.count(b"\n")


def one_text(file: TextFile, first: int, text: str) -> Passage:
    """A text of a file, which begins at this character, as a passage."""
    coded = CodedLine.of([text])

    def put(texts: Sequence[str]) -> list[Edit]:
        return [file.edit(first, first + len(text), coded.restored(texts[0]))]

    return Passage(file.place(first), (coded.line,), put)
