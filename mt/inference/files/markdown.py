"""Markdown: paragraphs, headings and cells; code, addresses, front matter and HTML's own rules stay."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mt.data.formats.writing import Edit
from mt.inference.files.coded_line import Code, CodedLine, Kind, joined_texts
from mt.inference.files.html import html_frame, html_passages
from mt.inference.files.markdown_inline import Image, Reference, inline_pieces, parser
from mt.inference.files.passage import FileFormat, FileSettings, Passage, TextFile
from mt.inference.files.rows import filled

LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|$)")
FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\r?\n(?:.*?\r?\n)?(?:\1|\.\.\.)[ \t]*(?:\r?\n|$)", re.S)
# what begins a paragraph and is no text: the box of a task, the kind of a note ("[!NOTE]" on its own line)
PREFIX = re.compile(r"\[[ xX]\][ \t]+|\[![A-Za-z]+\][ \t]*\n[ \t]*")
CONTAINER = re.compile(r":{3,}")  # borders of extensions, ":::tip"
BLOCK_START = re.compile(r"(?:[-+*]|\d{1,9}[.)]|#{1,6}|=+|-+)(?=\s|$)|>|\||~~~|```|:{3}|\[[^\]]*\]:")
NEEDS_ESCAPE = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|`|\*(?!\s)|(?<=\S)\*|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)|<(?=[A-Za-z/!?])|~~|&(?=#?\w+;)"
)


class MarkdownFile(FileFormat):
    """CommonMark with tables, strikethrough, task lists, notes and footnotes."""

    name, title, endings = "md", "Markdown", (".md", ".markdown", ".mdown")

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        return list(_Document(TextFile(content, name)).passages())

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        _, tokens, _ = _parsed(TextFile(content, name).text)
        return [_frame(token) for token in tokens]


def _parsed(text: str) -> tuple[MarkdownIt, list[Token], dict[str, Any]]:
    """The parser, the tokens of the text without its front matter, and the addresses that it defines."""
    if front := FRONT_MATTER.match(text):
        text = "\n" * len(re.findall(r"\r\n?|\n", front[0])) + text[front.end() :]
    md, env = parser(), dict[str, Any]()
    return md, md.parse(text, env), env


def _frame(token: Token) -> object:
    if token.type == "html_block":
        return token.type, html_frame(token.content)
    if token.type != "inline":
        return token.type, token.tag, token.markup, token.info, token.content
    inside = [child for child in token.children or [] if not child.type.startswith(("text", "soft"))]
    addresses = [str(child.attrs.get("href") or child.attrs.get("src")) for child in inside]
    codes = [child.content if child.type == "code_inline" else "" for child in inside]
    return sorted(zip([child.type for child in inside], codes, addresses, strict=True))


class _Document:
    def __init__(self, file: TextFile):
        self.file = file
        self.starts: list[int] = []
        place = 0
        while place < len(file.text):
            self.starts.append(place)
            place = LINE.match(file.text, place).end()  # type: ignore[union-attr]
        self.line_end = "\r\n" if "\r\n" in file.text else "\n"
        self._row = (-1, 0)  # the row of a table, and the character after its last cell

    def passages(self) -> Iterator[Passage]:
        md, tokens, env = _parsed(self.file.text)
        around = ""
        for token in tokens:
            if token.map is None:
                continue
            if token.type == "html_block":
                first, last = self._start(token.map[0]), self._start(token.map[1])
                if not self.file.text[first:last].lstrip().startswith(">"):
                    yield from html_passages(self.file, first, last)
            elif token.type != "inline":
                around = token.type
            elif token.content.strip():
                is_cell = around == "tr_open"
                columns = self._cell(token) if is_cell else self._columns(token)
                if columns is not None and not CONTAINER.match(token.content):
                    block = _Block(self, token.content, columns, is_cell, around == "paragraph_open")
                    yield block.passage(inline_pieces(md, token.content[block.skipped :], env))

    def _start(self, line: int) -> int:
        return self.starts[line] if line < len(self.starts) else len(self.file.text)

    def line(self, number: int) -> str:
        return LINE.match(self.file.text, self._start(number))[0]  # type: ignore[index]

    def _columns(self, token: Token) -> list[int] | None:
        """Where each line of the content begins in the file; None if that cannot be told (tabs in front of it)."""
        assert token.map is not None
        found = []
        for number, line in enumerate(token.content.split("\n"), start=token.map[0]):
            column = self.line(number).rstrip().rfind(line.rstrip())
            if column < 0:
                return None
            found.append(self._start(number) + column)
        return found

    def _cell(self, token: Token) -> list[int] | None:
        """Where a cell's content begins; its end is where that of the row's next cell is searched."""
        assert token.map is not None
        number = token.map[0]
        begin = self._row[1] if self._row[0] == number else self._start(number)
        cell = re.escape(token.content).replace(r"\|", r"\\?\|")
        found = re.compile(
            rf"(?<!\S)(?:(?<=\|)|(?<!\|)){cell}(?=\s*(?:\||$))|(?<=\|){cell}(?=\s*(?:\||$))", re.M
        ).search(self.file.text, begin, self._start(number + 1))
        if found is None:
            return None
        self._row = number, found.end()
        return [found.start(), found.end()]


@dataclass
class _Block:
    """The content of a block, and where its lines begin in the file; of a cell, where it begins and ends."""

    document: _Document
    content: str
    columns: list[int]
    is_cell: bool
    is_paragraph: bool

    @property
    def skipped(self) -> int:
        """Characters of the content that are no text."""
        prefix = PREFIX.match(self.content) if self.is_paragraph else None
        return prefix.end() if prefix else 0

    def passage(self, pieces: Sequence[str | Code | Image]) -> Passage:
        images = [piece for piece in pieces if isinstance(piece, Image)]
        coded = CodedLine.of([piece.code if isinstance(piece, Image) else piece for piece in pieces], is_markup=False)
        alts = [CodedLine.of([image.alt], is_markup=False) for image in images]
        first, last = self._place(self.skipped), self._end()
        file = self.document.file

        def put(texts: Sequence[str]) -> list[Edit]:
            raws = {
                image.code.raw: image.code.raw.replace(image.alt, alt.restored(text, escaped), 1)
                for image, alt, text in zip(images, alts, texts[1:], strict=True)
            }
            tidy = _blanks_outside(coded.pieces(texts[0]))
            text = "".join(escaped(one) if isinstance(one, str) else _kept(one, raws) for one in tidy)
            for piece in pieces:
                text = text.replace(_kept_whole(piece.long), piece.short) if isinstance(piece, Reference) else text
            return [file.edit(first, last, self._laid_out(text))]

        return Passage(file.place(first), (coded.line, *(alt.line for alt in alts)), put)

    def _place(self, character: int) -> int:
        """Of a character of the content, in the file."""
        starts = [0, *(found.end() for found in re.finditer("\n", self.content))]
        line = bisect_right(starts, character) - 1
        return self.columns[0 if self.is_cell else line] + character - starts[line]

    def _end(self) -> int:
        if self.is_cell:
            return self.columns[1]
        return self.columns[-1] + len(self.content.split("\n")[-1].rstrip())

    def _laid_out(self, text: str) -> str:
        """The text in lines as wide as the source's, each after what stands before its further lines."""
        text = text.strip()
        if self.is_cell:
            return re.sub(r"(?<!\\)\|", r"\\|", text).replace(KEPT, " ")
        if self.is_paragraph and BLOCK_START.match(text):
            text = re.sub(r"^(\d*)", r"\1\\", text, count=1)
        lines = self.content[self.skipped :].split("\n")
        width = max(map(len, lines)) if len(lines) > 1 else len(text) + 1
        found: list[str] = []
        for part in re.split(r"(?<= {2})\n|(?<=\\)\n", text):  # at hard breaks
            ending = part[len(part.rstrip(" ")) :]
            wrapped = filled(part.strip(" ").replace("\n", " "), width, lambda word: not BLOCK_START.match(word))
            found += [*wrapped[:-1], wrapped[-1] + ending]
        return f"{self.document.line_end}{self._hanging()}".join(found).replace(KEPT, " ")

    def _hanging(self) -> str:
        """What stands before the text of the second line, or would: blanks for the mark of a list."""
        file, numbers = self.document.file, self.document.starts
        of_lines = [bisect_right(numbers, column) - 1 for column in self.columns]
        if len(self.columns) > 1:
            begin = self.columns[-1]
            line = self.content.split("\n")[-1]
            return file.text[numbers[of_lines[-1]] : begin + len(line) - len(line.lstrip())]
        before = file.text[numbers[of_lines[0]] : self.columns[0]]
        return re.sub(r"[^>\s]", " ", before)


KEPT = "\ue000"  # a blank of a code, where no line may end


def _kept(code: Code, raws: Mapping[str, str]) -> str:
    raw = raws.get(code.raw, code.raw)
    return raw if code.kind is Kind.BREAK else _kept_whole(raw)


def _kept_whole(raw: str) -> str:
    return raw.replace("\n", KEPT).replace(" ", KEPT)


def _blanks_outside(pieces: Sequence[str | Code]) -> list[str | Code]:
    """The same with blanks moved out of spans: "** bold**" is not bold."""
    found = list(pieces)
    for place in reversed(range(len(found) - 1)):
        code, text = found[place], found[place + 1]
        if isinstance(code, Code) and code.kind is Kind.OPEN and isinstance(text, str) and text.startswith(" "):
            found[place : place + 2] = [" ", code, text.lstrip(" ")]
    turned = found[::-1]
    for place in reversed(range(len(turned) - 1)):
        code, text = turned[place], turned[place + 1]
        if isinstance(code, Code) and code.kind is Kind.CLOSE and isinstance(text, str) and text.endswith(" "):
            turned[place : place + 2] = [" ", code, text.rstrip(" ")]
    texts = joined_texts(turned[::-1])
    return [re.sub(" {2,}", " ", piece) if isinstance(piece, str) else piece for piece in texts]


def escaped(text: str) -> str:
    """The text with backslashes before what Markdown would read as its own."""
    return NEEDS_ESCAPE.sub(r"\\\g<0>", text)
