"""HTML: the text of each block, with the tags inside it as codes, and the attributes that readers see or hear."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mt.data.formats.charsets import is_charset
from mt.data.formats.writing import Edit
from mt.inference.files.coded_line import Code, CodedLine, Kind, joined_texts
from mt.inference.files.passage import FileFormat, FileSettings, Passage, TextFile
from mt.inference.markup_reader import (
    OPAQUE_TAGS,
    PARTING_TAGS,
    Mark,
    Part,
    Reader,
    Syntax,
    with_opaque_whole,
)

INLINE = frozenset("br img input".split())  # tags that part words, but are inside a block
BLOCKS = (PARTING_TAGS - INLINE) | frozenset(
    "base body button center col colgroup details dialog frame frameset html iframe legend link menu meta noscript "
    "object optgroup script search select style summary template title".split()
)
OPAQUE = OPAQUE_TAGS | {"svg", "math", "textarea"}
BLOCK_WHEN_OPAQUE = BLOCKS | {"svg", "pre"}
SHOWN = frozenset("alt title placeholder aria-label aria-description aria-placeholder aria-roledescription".split())
DESCRIPTIONS = re.compile(
    r"""\b(?:name|property)\s*=\s*["']?(?:description|(?:og|twitter):(?:title|description))\b""", re.I
)
BUTTONS = re.compile(r"""\btype\s*=\s*["']?(?:submit|button|reset)\b""", re.I)
ATTRIBUTE = re.compile(r"""(?<=[\s"'])([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
NAME = re.compile(r"</?\s*([\w:-]+)")
CHARSET = re.compile(rb"""<meta\b[^>]*\bcharset\s*=\s*["']?([\w.:-]+)""", re.I)
START_BYTES = 1024  # in which browsers look for the charset


class HtmlFile(FileFormat):
    """A page, or a part of one."""

    name, title, endings = "html", "HTML", (".html", ".htm", ".xhtml")

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        file = TextFile(content, name)
        return list(html_passages(file, 0, len(file.text)))

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        return html_frame(TextFile(content, name).text)

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        declared = CHARSET.search(content[:START_BYTES])
        charset = declared[1].decode().lower() if declared else "utf-8"
        if charset in ("utf-8", "utf8") or not is_charset(charset):
            return content, bytes
        try:
            text = content.decode(charset)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ValueError(f"{name}: not {charset.upper()}, its charset, at line {line}") from None
        return text.encode(), lambda new: new.decode().encode(charset, "xmlcharrefreplace")


def html_frame(text: str) -> object:
    """The tags, without their attributes' texts."""
    marks = [part.content for part in _parts(text) if isinstance(part.content, Mark)]
    return sorted(_without_texts(mark.raw) for mark in marks if mark.raw.startswith("<"))


def html_passages(file: TextFile, first: int, last: int) -> Iterator[Passage]:
    """The passages of a part of a file."""
    run = _Run()
    for part in [*_parts(file.text[first:last]), None]:
        if part is not None and not _is_border(part):
            run.parts.append(part)
            continue
        yield from _of_run(file, first, run)
        run = _Run()
        if part is not None and isinstance(part.content, Mark) and part.content.kind in ("open", "void"):
            for start, stop, quote in _shown_attributes(part.content):
                yield _of_attribute(file, first + part.start + start, first + part.start + stop, quote)


@dataclass
class _Run:
    """The parts of a text within one block."""

    parts: list[Part] = field(default_factory=list)

    def trimmed(self) -> list[Part]:
        parts = list(self.parts)
        while parts and _is_edge(parts[0]):
            parts.pop(0)
        while parts and _is_edge(parts[-1]):
            parts.pop()
        return parts


def _parts(text: str) -> list[Part]:
    return [part for part in with_opaque_whole(text, list(Reader(text, Syntax.LINE, 0).parts()), OPAQUE) if _has(part)]


def _has(part: Part) -> bool:
    return part.stop > part.start


def _is_edge(part: Part) -> bool:
    """Whether it may stay outside of a text: blanks and comments."""
    if isinstance(part.content, str):
        return not part.content.strip()
    return part.content.raw.startswith("<!")


def _is_border(part: Part) -> bool:
    if not isinstance(part.content, Mark) or not part.content.raw.startswith("<"):
        return False
    raw, found = part.content.raw, NAME.match(part.content.raw)
    if found is None:  # a comment, or a declaration
        return not raw.startswith(("<!--", "<![CDATA["))
    return found[1].lower() in (BLOCK_WHEN_OPAQUE if part.content.kind == "hole" else BLOCKS)


def _of_run(file: TextFile, base: int, run: _Run) -> Iterator[Passage]:
    parts = run.trimmed()
    if not parts:
        return
    text = file.text
    first, last = base + parts[0].start, base + parts[-1].stop
    first += len(text[first:last]) - len(text[first:last].lstrip())
    last -= len(text[first:last]) - len(text[first:last].rstrip())
    pieces, attributes = list[str | Code](), list[_Attribute]()
    for part in parts:
        raw = text[max(first, base + part.start) : min(last, base + part.stop)]
        if not isinstance(part.content, Mark) or not raw.startswith("<"):
            pieces.append(raw)
            continue
        pieces.append(Code(raw, _kind(part.content), part.content.name))
        attributes += [_Attribute.of(raw, *where) for where in _shown_attributes(part.content)]
    coded = CodedLine.of(joined_texts(pieces))

    def put(texts: Sequence[str]) -> list[Edit]:
        of_tag: dict[str, list[tuple[_Attribute, str]]] = {}
        for attribute, translation in zip(attributes, texts[1:], strict=True):
            of_tag.setdefault(attribute.tag, []).append((attribute, translation))

        def written(code: Code) -> str:
            raw, end = "", 0
            for attribute, translation in sorted(of_tag.get(code.raw, []), key=lambda one: one[0].start):
                if attribute.start >= end:
                    raw += code.raw[end : attribute.start] + attribute.written(translation)
                    end = attribute.stop
            return raw + code.raw[end:]

        return [file.edit(first, last, coded.as_html(texts[0], written))]

    yield Passage(file.place(first), (coded.line, *(one.coded.line for one in attributes)), put)


def _kind(mark: Mark) -> Kind:
    if mark.kind == "void":
        return Kind.BREAK if mark.name == "br" else Kind.HOLE
    return {"open": Kind.OPEN, "close": Kind.CLOSE}.get(mark.kind, Kind.HOLE)


@dataclass(frozen=True)
class _Attribute:
    """An attribute of a tag whose value readers see: its characters in the tag, and the text."""

    tag: str
    start: int
    stop: int
    quote: str
    coded: CodedLine

    @classmethod
    def of(cls, tag: str, start: int, stop: int, quote: str) -> _Attribute:
        return cls(tag, start, stop, quote, CodedLine.of([tag[start:stop]]))

    def written(self, translation: str) -> str:
        """The value, and quotes around it if it had none."""
        text = self.coded.as_html(translation)
        text = text.replace("'", "&#39;") if self.quote == "'" else text.replace('"', "&quot;")
        return text if self.quote else f'"{text}"'


def _shown_attributes(mark: Mark) -> Iterator[tuple[int, int, str]]:
    """Where the values are that readers see or hear, and their quotes."""
    if not mark.name:
        return
    for found in ATTRIBUTE.finditer(mark.raw):
        name, group = found[1].lower(), next(number for number in (2, 3, 4) if found[number] is not None)
        is_description = mark.name == "meta" and name == "content" and DESCRIPTIONS.search(mark.raw)
        is_button = mark.name == "input" and name == "value" and BUTTONS.search(mark.raw)
        if (name in SHOWN or is_description or is_button) and found[group].strip():
            yield *found.span(group), {2: '"', 3: "'", 4: ""}[group]


def _of_attribute(file: TextFile, first: int, last: int, quote: str) -> Passage:
    attribute = _Attribute.of(file.text[first:last], 0, last - first, quote)

    def put(texts: Sequence[str]) -> list[Edit]:
        return [file.edit(first, last, attribute.written(texts[0]))]

    return Passage(file.place(first), (attribute.coded.line,), put)


def _without_texts(raw: str) -> str:
    """A tag without the values that are translated."""
    return ATTRIBUTE.sub(lambda found: found[1] if found[1].lower() in {*SHOWN, "content", "value"} else found[0], raw)
