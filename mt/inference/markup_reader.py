"""Finds the markup of a line in one pass: tags, placeholders, entities and messages.

The rules are listed in `mt.inference.markup`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from html.entities import html5

from mt.inference.icu_message import MAX_DEPTH, START, Frame, read_frame

VOID_TAGS = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# words before and after such a tag are two words for a reader
PARTING_TAGS = frozenset(
    "address article aside blockquote body br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 "
    "h5 h6 head header hr html img input li main nav ol option p pre section table tbody td tfoot th thead title tr "
    "ul".split()
)
OPAQUE_TAGS = frozenset("code kbd pre samp script style var".split())  # their content is not translated
RAW_TAGS = frozenset({"script", "style"})  # their content is not markup

# No pattern may look far ahead from many places: a line can have a megabyte.
_TAG = (
    r"<(?P<slash>/?)(?P<name>[^\W\d][\w:.-]*|\d{1,4})(?P<rest>/|\s[^<>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^<>\"']*){0,64}|)>"
)
_DECLARATION = r"<(?P<begin>!--|!\[CDATA\[|\?|%|![A-Za-z])"
_ENDS = {"!--": "-->", "![CDATA[": "]]>", "?": "?>", "%": "%>"}
_ENTITY = r"(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
_FORMAT = r"[-+#0]{0,3}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGcsSp@]"
_LETTER = r"[^\W\d_]"
# three kinds: the next argument (identified by order), one with a name or a number, a percent sign
_NEXT = rf"(?P<next>\{{(?:[:!][^{{}}]*)?\}}|(?<!\d)%[sd@]|%{_FORMAT}(?!{_LETTER}))"  # not "5 %ige", nor "100%sure"
_NAMED = (
    rf"(?P<named>\{{{{3,4}}[^{{}}]*\}}{{3,4}}|[$%#]?\{{\{{[^{{}}]*\}}\}}|[$%#]\{{[^{{}}]*\}}"
    rf"|\{{%[^{{}}]*%\}}|\{{#[^{{}}]*#\}}"  # Jinja
    rf"|\{{ ?[\w.-]+(?:\[[^{{}}]*)?(?:[,:!](?:[^{{}}]|\{{[\w.]{{0,64}}\}}){{0,200}})? ?\}}"
    rf"|\{{\s?(?:\$[\w.-]+|-[A-Za-z][\w-]*|[A-Z][A-Z_-]*\([^{{}}()]*\))\s?\}}"  # Fluent
    rf"|(?<!\d)%[-+0 ]?\d{{0,3}}<\w{{1,64}}>{_FORMAT}(?!{_LETTER})|%(?:\(\w{{1,64}}\)|\d{{1,3}}\$){_FORMAT}|%%"
    rf"|\$tc?\([^()]{{1,200}}\)|(?<!\w)@(?:\.\w{{1,20}})?:(?:\{{[^{{}}]*\}}|\([^()]{{1,200}}\)|\w(?:[\w.-]*\w)?))"
)
_MESSAGE = rf"(?P<message>{START})"
_MARK = re.compile("|".join((_TAG, _DECLARATION, _ENTITY, _MESSAGE, _NAMED, _NEXT)))
# in a branch of a message: `#` stands for the number, and braces may be quoted
_BRANCH_MARK = re.compile("|".join((r"(?P<quoted>'[{}][^']*')", _MARK.pattern)))
_NUMBER_MARK = re.compile("|".join((r"(?P<number>\#)", _BRANCH_MARK.pattern)))
_BLOCK = re.compile(r"\{\{~?\s?(?P<sign>[#^/])\s?(?P<name>[\w.-]+)")
_IS_OPAQUE = re.compile(
    r"""(?:^|[\s"'])(?:translate\s*=\s*["']?no\b|class\s*=\s*(?:"[^"]*(?<![\w-])notranslate(?![\w-])|'[^']*(?<![\w-])"""
    r"""notranslate(?![\w-])|notranslate(?![\w-])))""",
    re.IGNORECASE,
)
_IS_EMPTY_ELEMENT = re.compile(r"(?:^|[\s\"'])/$")  # not <a href=folder/>


@dataclass(frozen=True)
class Mark:
    """A tag or a placeholder.

    `kind`: "open", "close" or "void" for tags (comments are void), "hole" for placeholders. `at`: the number of
    characters of the text before it. `before`, `after`: its neighbours, "blank" (or the line's end), "sign", "letter"
    or "leaf"; opening and closing tags between are ignored. `is_apart`: a blank was between it and the next mark, if
    that followed. `partner`: among the line's marks, the tag that closes this one, or that this one closes; None: it
    has no partner.
    """

    raw: str
    kind: str
    name: str = ""  # of a tag, lower-cased
    is_sequential: bool = False  # a placeholder such as %s, which its order identifies
    at: int = 0
    before: str = "blank"
    after: str = "blank"
    is_apart: bool = False
    partner: int | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it stands for content, as a placeholder, a picture or a line break does."""
        return self.kind in ("void", "hole")

    @property
    def parts_words(self) -> bool:
        """Whether letters on its two sides belong to two words."""
        return self.kind == "hole" or self.name in PARTING_TAGS


class Syntax(Enum):
    """The kinds of marks that a text may have."""

    LINE = _MARK
    BRANCH = _BRANCH_MARK  # of a message that selects by a word
    NUMBER_BRANCH = _NUMBER_MARK  # of one that selects by a number


@dataclass(frozen=True)
class Part:
    """Text or a mark, and its position in the line; `is_code`: it is a tag or an entity."""

    content: str | Mark
    start: int
    stop: int
    is_code: bool = False
    frame: Frame | None = None  # of a message


class Reader:
    """Text and marks of a line, in their order, and notes about text that looked like a mark but is none."""

    def __init__(self, line: str, syntax: Syntax, depth: int):
        self.line, self.syntax, self.depth = line, syntax, depth
        self.notes: list[str] = []
        self._never: set[str] = set()  # ends that do not occur in the rest of the line
        self._reads_messages = True

    def parts(self) -> Iterator[Part]:
        """Every character of the line is in one of them."""
        line, end = self.line, 0
        while found := self.syntax.value.search(line, end):
            start = found.start()
            part = self._mark(found)
            if part is None:  # not markup
                yield Part(line[end : start + 1], end, start + 1)
                end = start + 1
                continue
            yield Part(line[end:start], end, start)
            yield part
            end = part.stop
        yield Part(line[end:], end, len(line))

    def _mark(self, found: re.Match[str]) -> Part | None:
        line, (start, stop) = self.line, found.span()
        if found["name"]:
            mark = _tag(found)
            if mark.name in RAW_TAGS and mark.kind == "open" and (end := self._end_of_raw(mark.name, stop)):
                return Part(Mark(line[start:end], "hole"), start, end, True)
            return Part(mark, start, stop, True)
        if begin := found["begin"]:
            closing = _ENDS.get(begin, ">")
            place = -1 if closing in self._never else line.find(closing, stop)
            if place < 0:
                if closing not in self._never and closing != ">":
                    self.notes.append(f"markup: <{begin} is not closed, and was translated as text")
                self._never.add(closing)
                return None
            return Part(Mark(line[start : place + len(closing)], "void"), start, place + len(closing), True)
        if found["entity"]:
            character = _decoded(found["entity"])
            return Part(character or Mark(found["entity"], "hole"), start, stop, True)
        if found["message"]:
            return self._message(start)
        if block := _BLOCK.match(found[0]):
            kind = "close" if block["sign"] == "/" else "open"
            return Part(Mark(found[0], kind, f"{{{{{block['name']}"), start, stop)
        return Part(Mark(found[0], "hole", is_sequential=found["next"] is not None), start, stop)

    def _message(self, start: int) -> Part | None:
        if not self._reads_messages:
            return None
        frame = read_frame(self.line, start) if self.depth < MAX_DEPTH else None
        if frame is None:
            self._reads_messages = False  # otherwise each of very many would be read to the end of the line
            why = "is not complete" if self.depth < MAX_DEPTH else f"is nested in more than {MAX_DEPTH} others"
            self.notes.append(f"markup: the message at character {start + 1} {why}, and was translated as text")
            return None
        return Part(Mark(self.line[start : frame.stop], "hole"), start, frame.stop, frame=frame)

    def _end_of_raw(self, name: str, start: int) -> int | None:
        """The place after the closing tag of an element whose content is not markup."""
        if f"</{name}" in self._never:
            return None
        found = re.compile(rf"</{name}\s{{0,99}}>", re.IGNORECASE).search(self.line, start)
        if found is None:
            self._never.add(f"</{name}")
            return None
        return found.end()


def with_opaque_whole(line: str, parts: Sequence[Part], names: frozenset[str] = OPAQUE_TAGS) -> list[Part]:
    """The same with each element that is not to be translated, by its name or attributes, as one placeholder."""
    marked = {number: part.content for number, part in enumerate(parts) if isinstance(part.content, Mark)}
    tags, marks = list(marked), partnered(list(marked.values()))
    found: list[Part] = []
    place = 0
    for number, mark in zip(tags, marks, strict=True):
        if number < place or mark.kind != "open" or mark.partner is None or not is_opaque(mark, names):
            continue
        last = tags[mark.partner]
        found += parts[place:number]
        start, stop = parts[number].start, parts[last].stop
        found.append(Part(Mark(line[start:stop], "hole"), start, stop, True))
        place = last + 1
    return [*found, *parts[place:]]


def is_opaque(mark: Mark, names: frozenset[str] = OPAQUE_TAGS) -> bool:
    """Whether the element that this tag opens is not to be translated."""
    return mark.name in names or (mark.raw[0] == "<" and _IS_OPAQUE.search(mark.raw) is not None)


def _tag(found: re.Match[str]) -> Mark:
    name = found["name"].lower()
    if found["slash"]:
        return Mark(found[0], "close", name)
    is_void = name in VOID_TAGS or bool(_IS_EMPTY_ELEMENT.search(found["rest"]))
    return Mark(found[0], "void" if is_void else "open", name)


def _decoded(entity: str) -> str:
    """Its text; empty for an unknown one and for control characters, which could break the line."""
    text = html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], "")
    is_control = any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)
    return "" if is_control else text


def partnered(marks: Sequence[Mark]) -> list[Mark]:
    """Each closing tag with the nearest open one of its name; tags left open in between get no partner."""
    found = list(marks)
    is_open: list[int] = []
    of_name: dict[str, list[int]] = {}
    for number, mark in enumerate(marks):
        if mark.kind == "open":
            is_open.append(number)
            of_name.setdefault(mark.name, []).append(number)
        elif mark.kind == "close" and of_name.get(mark.name):
            partner = of_name[mark.name][-1]
            while is_open and is_open[-1] >= partner:
                of_name[marks[is_open.pop()].name].pop()
            found[partner] = replace(found[partner], partner=number)
            found[number] = replace(mark, partner=partner)
    return found
