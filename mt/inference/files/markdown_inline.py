"""The inline content of Markdown as texts and codes, with the place of each: markdown-it tells only those of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from mt.inference.files.coded_line import Code, Kind
from mt.inference.markup_reader import Mark, Reader, Syntax, is_opaque, partnered

EMPHASIS = frozenset("em_open em_close strong_open strong_close s_open s_close".split())
# of extensions that are text to CommonMark: references to footnotes, formulas, names of emoji, comments of MyST
LITERAL = re.compile(
    r"(\[\^[^\]\s]+\]:?|\$\$[^$]+\$\$|\$(?=\S)[^$\n]*(?<=\S)\$(?!\d)|(?<![\w:]):[a-z][a-z0-9_+-]*:(?![\w:])|\{[a-z]+\}(?=`))"
)
FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:[ \t]+(?=\S)")
DEFINITION = re.compile(r"\[[^\]\n]+\]:")
PLAIN_ALT = re.compile(r"[^\[\]*_`\\<>!&\n]*")


@dataclass(frozen=True)
class Image:
    """A picture, whose text for those who do not see it is translated separately."""

    code: Code
    alt: str


@dataclass(frozen=True)
class Reference(Code):
    """The end of a link whose text is the name of its address, too: once translated, it needs the name beside it."""

    short: str = ""  # the whole link where its text stays

    @property
    def long(self) -> str:
        return f"[{self.raw[2:-1]}{self.raw}"


@dataclass
class _Span:
    """What a rule has read: characters, and the tokens that it made."""

    start: int
    stop: int
    tokens: list[Token]
    label_end: int | None = None


class _Positions(ParserInline):
    """Remembers which characters each rule has read."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[_Span] = []
        self._label_end: int | None = None
        self._depth = 0

    def parse(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> list[Token]:
        if self._depth:  # the text of a picture
            kept, self.spans, depth, self._depth = self.spans, [], self._depth, 0
            found = super().parse(src, md, env, tokens)
            self.spans, self._depth = kept, depth
            return found
        self.spans = []
        return super().parse(src, md, env, tokens)

    def tokenize(self, state: StateInline) -> None:
        """As in the parser itself, with notes."""
        rules, end = self.ruler.getRules(""), state.posMax
        self._depth += 1
        while state.pos < end:
            start, num_tokens, is_read = state.pos, len(state.tokens), False
            if state.level < state.md.options["maxNesting"]:
                for rule in rules:
                    self._label_end = None
                    is_read = rule(state, False)
                    if is_read:
                        break
            if is_read:
                self.spans.append(_Span(start, state.pos, state.tokens[num_tokens:], self._label_end))
            else:
                state.append_pending(state.src[state.pos])
                state.pos += 1
        if state.pending:
            state.pushPending()
        self._depth -= 1
        self._label_end = end


def parser() -> MarkdownIt:
    """CommonMark with the tables and the strikethrough of GitHub."""
    md = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    md.inline = _Positions()
    commonmark = MarkdownIt("commonmark").inline
    md.inline.ruler.enableOnly([*commonmark.ruler.get_active_rules(), "strikethrough"])
    md.inline.ruler2.enableOnly([*commonmark.ruler2.get_active_rules(), "strikethrough"])
    md.block.ruler.before("reference", "footnote", _footnote, {"alt": ["paragraph", "reference"]})
    return md


def _footnote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The text of a footnote ("[^1]: …") as a paragraph, up to a blank line or the next definition."""
    if state.is_code_block(start):
        return False
    found = FOOTNOTE.match(state.src, state.bMarks[start] + state.tShift[start])
    if found is None or silent:
        return found is not None
    line = start + 1
    while line < end and not state.isEmpty(line):
        if DEFINITION.match(state.src, state.bMarks[line] + state.tShift[line]):
            break
        line += 1
    lines = state.getLines(start, line, state.blkIndent, False).split("\n")
    state.push("paragraph_open", "p", 1).map = [start, line]
    token = state.push("inline", "", 0)
    token.content, token.map, token.children = "\n".join(lines).strip()[len(found[0]) :], [start, line], []
    state.push("paragraph_close", "p", -1)
    state.line = line
    return True


def inline_pieces(md: MarkdownIt, content: str, env: dict[str, Any]) -> list[str | Code | Image]:
    """Texts (without escapes and entities), codes and pictures of the content of a block."""
    inline = md.inline
    assert isinstance(inline, _Positions)
    inline.parse(content, md, env, [])
    found: list[str | Code | Image] = []
    place = 0
    for start, stop, piece in _whole_elements(content, sorted(_read(content, inline.spans), key=lambda one: one[:2])):
        if start < place:
            continue
        found += _literal(content[place:start], before=piece)
        if isinstance(piece, Code) and piece.kind is Kind.BREAK:
            blanks = content[:start][len(content[:start].rstrip(" ")) :]
            piece = Code(blanks + content[start:stop].rstrip(" "), Kind.BREAK)
        found.append(piece)
        place = stop
    return [*found, *_literal(content[place:], before=None)]


def _literal(text: str, before: str | Code | Image | None) -> Iterator[str | Code]:
    if isinstance(before, Code) and before.kind is Kind.BREAK:
        text = text.rstrip(" ")
    for number, part in enumerate(LITERAL.split(text)):
        if part:
            yield Code(part, Kind.HOLE) if number % 2 else part


Read = tuple[int, int, "str | Code | Image"]


def _read(content: str, spans: Sequence[_Span]) -> Iterator[Read]:
    for span in spans:
        raw = content[span.start : span.stop]
        kinds = {token.type for token in span.tokens}
        last = span.tokens[-1] if span.tokens else None
        if "link_open" in kinds and span.label_end is not None:
            yield from _link(content, span)
        elif last is None:
            continue  # plain text, still pending
        elif last.type == "image":
            yield span.start, span.stop, _image(raw)
        elif last.type in ("code_inline",) or (raw.startswith("<") and "link_close" in kinds):
            yield span.start, span.stop, Code(raw, Kind.HOLE)
        elif last.type == "html_inline":
            yield span.start, span.stop, _tag(raw)
        elif last.type == "hardbreak":
            yield span.start, span.stop, Code(raw, Kind.BREAK)
        elif last.type == "softbreak":
            yield span.start, span.stop, " "
        elif last.type == "text_special":
            yield span.start, span.stop, last.content
        elif raw[0] in "*_~":
            yield from _emphasis(content, span)


def _link(content: str, span: _Span) -> Iterator[Read]:
    end = span.label_end
    assert end is not None
    label, behind = content[span.start + 1 : end], content[end : span.stop]
    if label.startswith("^"):  # a footnote whose text could be an address
        yield span.start, span.stop, Code(content[span.start : span.stop], Kind.HOLE)
        return
    name = f"link {span.start}"
    yield span.start, span.start + 1, Code("[", Kind.OPEN, name)
    if behind in ("]", "][]"):
        yield end, span.stop, Reference(f"][{label}]", Kind.CLOSE, name, f"[{label}{behind}")
    else:
        yield end, span.stop, Code(behind, Kind.CLOSE, name)


def _image(raw: str) -> Code | Image:
    alt = PLAIN_ALT.match(raw, 2)
    code = Code(raw, Kind.HOLE)
    if alt is None or raw[alt.end() : alt.end() + 2] != "](" or not alt[0].strip():
        return code
    return Image(code, alt[0])


def _tag(raw: str) -> Code:
    mark = next((part.content for part in Reader(raw, Syntax.LINE, 0).parts() if isinstance(part.content, Mark)), None)
    if mark is None or mark.kind not in ("open", "close"):
        return Code(raw, Kind.BREAK if mark is not None and mark.name == "br" else Kind.HOLE)
    return Code(raw, Kind.OPEN if mark.kind == "open" else Kind.CLOSE, mark.name)


def _whole_elements(content: str, pieces: Sequence[Read]) -> list[Read]:
    """The same with each element that is not to be translated (<kbd>Esc</kbd>) as one code."""
    tags = [number for number, (_, _, piece) in enumerate(pieces) if isinstance(piece, Code) and piece.raw[0] == "<"]
    marks = []
    for number in tags:
        raw = content[slice(*pieces[number][:2])]
        found = (part.content for part in Reader(raw, Syntax.LINE, 0).parts() if isinstance(part.content, Mark))
        marks.append(next(found, Mark(raw, "hole")))
    whole = list(pieces)
    for number, mark in zip(tags, partnered(marks), strict=True):
        if mark.kind == "open" and mark.partner is not None and is_opaque(mark):
            start, stop = pieces[number][0], pieces[tags[mark.partner]][1]
            whole[number] = start, stop, Code(content[start:stop], Kind.HOLE)
    return whole


def _emphasis(content: str, span: _Span) -> Iterator[Read]:
    """The marks among the characters of a run; those that are none are text."""
    size = 2 if content[span.start] == "~" else 1
    tokens = span.tokens[-((span.stop - span.start) // size) :]
    place = span.stop - size * len(tokens)  # one ~ of an odd number is text
    for token in tokens:
        first, last = place, place + size
        place = last
        if token.type not in EMPHASIS:
            continue
        if token.type == "strong_open":  # this character and the one before it
            first -= 1
        elif token.type == "strong_close":
            last += 1
        kind = Kind.OPEN if token.type.endswith("_open") else Kind.CLOSE
        yield first, last, Code(content[first:last], kind, token.type.partition("_")[0])
