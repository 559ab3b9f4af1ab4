"""A line to translate made of texts and of a format's codes, which are written back into its translation.

Codes are what is no text in a format: `**` of Markdown, `<g id="1">` of XLIFF, the border between two subtitles. In the
line they are short tags and placeholders (`<q1>`, `{q2}`), which `mt.inference.markup` takes out and puts back by word
links. Addresses on the web are codes too: no model is asked to copy them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count

from mt.inference.markup import encoded, parse
from mt.inference.markup_reader import Mark, Reader, Syntax

LINE_END = re.compile(r"[^\S\u00a0\u2007\u202f]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029][^\S\u00a0\u2007\u202f]*")
ADDRESS = re.compile(
    r"(?<![\w@/])(?:(?:https?|ftp)://|www\.(?=\w))[^\s<>\"'`{}|\\^\[\]]*[\w/#&=~-]"
    r"|(?<![\w@./])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}(?![\w@])(?::[\w./~-]*\w)?"
)


class Kind(Enum):
    """How a code behaves when the words around it move."""

    OPEN = "open"  # begins a span of words
    CLOSE = "close"
    HOLE = "hole"  # stands for content, like a word
    BREAK = "break"  # parts words, like a blank


@dataclass(frozen=True)
class Code:
    """A piece of a format that is not text; `name` says which opening code a closing one belongs to."""

    raw: str
    kind: Kind
    name: str = ""


@dataclass(frozen=True)
class CodedLine:
    """The `line` to translate, and the code for each of its short marks.

    `is_markup`: its texts have tags or entities of their own, which stay as they are.
    """

    line: str
    codes: dict[str, Code]
    is_markup: bool
    tight: frozenset[str] = (
        frozenset()
    )  # marks of breaks that got a blank, so that no word or sentence runs into another

    @classmethod
    def of(cls, pieces: Iterable[str | Code], *, is_markup: bool | None = None) -> CodedLine:
        """The line for texts and codes in their order; a line end in a text, with the blanks around, is a blank.

        `is_markup` None: as the texts look.
        """
        pieces = [piece for part in pieces for piece in _with_addresses(part) if piece]
        texts = [piece for piece in pieces if isinstance(piece, str)]
        if is_markup is None:
            is_markup = any(part.is_code for text in texts for part in Reader(text, Syntax.LINE, 0).parts())
        written = "".join(texts)
        prefix = next(prefix for prefix in map("q".__mul__, count(1)) if f"{prefix}1" not in written)
        codes: dict[str, Code] = {}
        is_open: dict[str, list[int]] = {}
        line: list[str] = []
        tight = set()
        for place, piece in enumerate(pieces):
            if isinstance(piece, str):
                text = LINE_END.sub(" ", piece)
                line.append(text if is_markup else encoded(text))
                continue
            number = len(codes) + 1
            if piece.kind is Kind.OPEN:
                is_open.setdefault(piece.name, []).append(number)
            if piece.kind is Kind.CLOSE and is_open.get(piece.name):
                number = is_open[piece.name].pop()
            mark = MARKS[piece.kind].format(f"{prefix}{number}")
            codes[mark] = piece
            if (
                piece.kind is Kind.BREAK
                and not _has_blank(pieces, place - 1, -1)
                and not _has_blank(pieces, place + 1, 0)
            ):
                tight.add(mark)
                line.append(" ")
            line.append(mark)
        return cls("".join(line), codes, is_markup, frozenset(tight))

    def pieces(self, translation: str) -> list[str | Code]:
        """Texts and codes of a translation of `line`, in order.

        A placeholder of the text itself, such as {name} or %s, is text.
        """
        found: list[str | Code] = []
        for part in Reader(translation, Syntax.LINE, 0).parts():
            if isinstance(part.content, Mark):
                if part.content.raw in self.tight and found and isinstance(found[-1], str):
                    found[-1] = found[-1].rstrip(" ")
                found += self._expanded(part.content.raw)
            elif self.is_markup:
                found.append(translation[part.start : part.stop])
            else:
                found.append(part.content)
        return joined_texts(found)

    def _expanded(self, raw: str) -> list[str | Code]:
        """A mark as texts and codes: it is one, or may hold some, as <code>{q1}</code> does."""
        found: list[str | Code] = []
        place = 0
        for mark in SHORT.finditer(raw):
            if code := self.codes.get(mark[0]):
                found += [raw[place : mark.start()], code]
                place = mark.end()
        return [*found, raw[place:]]

    def restored(
        self, translation: str, escape: Callable[[str], str] = str, write: Callable[[Code], str] = lambda code: code.raw
    ) -> str:
        """The translation in the format: texts escaped, codes written."""
        pieces = self.pieces(translation)
        return "".join(escape(piece) if isinstance(piece, str) else write(piece) for piece in pieces)

    def as_html(self, translation: str, write: Callable[[Code], str] = lambda code: code.raw) -> str:
        """The same for HTML: what is no tag or entity is encoded."""
        return self.restored(translation, str if self.is_markup else encoded, write)


MARKS = {Kind.OPEN: "<{}>", Kind.CLOSE: "</{}>", Kind.HOLE: "{{{}}}", Kind.BREAK: "<br {}/>"}
SHORT = re.compile(r"</?q+\d+>|\{q+\d+\}|<br q+\d+/>")


def _has_blank(pieces: Sequence[str | Code], place: int, character: int) -> bool:
    """Whether the piece at this place begins (0) or ends (-1) with a blank; so does the end of the line."""
    piece = pieces[place] if 0 <= place < len(pieces) else " "
    return isinstance(piece, str) and piece[character].isspace()


def joined_texts(pieces: Iterable[str | Code]) -> list[str | Code]:
    """The same with neighbouring texts as one, and without empty ones."""
    found: list[str | Code] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        elif piece:
            found.append(piece)
    return found


def has_words(line: str) -> bool:
    """Whether a line with markup has a letter to translate."""
    return any(character.isalpha() for text in parse(line).texts() for character in text.text)


def _with_addresses(piece: str | Code) -> list[str | Code]:
    if isinstance(piece, Code):
        return [piece]
    found: list[str | Code] = []
    place = 0
    for address in ADDRESS.finditer(piece):
        found += [piece[place : address.start()], Code(address[0], Kind.HOLE)]
        place = address.end()
    return [*found, piece[place:]]
