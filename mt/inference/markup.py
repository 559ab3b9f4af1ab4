"""A line as text and marks: tags and placeholders are taken out before it is translated, entities are decoded.

Marks are carried byte for byte:
- tags (`<b>`, `</b>`, `<br/>`), comments, processing instructions: what has the shape, known or not ("3 < 5" has not);
- placeholders: `{name}`, `{}`, `{{x}}`, `${x}`, `%{x}`, `%s`, `%5.2f`, `%(name)s`, `%1$s`, `%%`;
- entities that are unknown, or stand for a control character (`&#10;`).

What stands between two words or signs, with marks in it, is a joint. Without its marks it is a blank if there was one;
but a placeholder that was glued to a closing or opening sign leaves none ("Hello {name}!" is "Hello!", "({n} files)" is
"(files)"), and one between letters, like a tag such as `<br>`, leaves one ("one<br>two" is "one two").
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html.entities import html5

VOID_TAGS = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# as a reader sees them, words before and after such a tag are no one word
PARTING_TAGS = frozenset(
    "address article aside blockquote body br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 "
    "h5 h6 head header hr html img input li main nav ol option p pre section table tbody td tfoot th thead title tr "
    "ul".split()
)
QUOTES = frozenset("\"'")
OPENING = frozenset("([{¿¡«„“‘‹")
CLOSING = frozenset(".,;:!?…)]}»”’›。，、！？")

# No pattern may look far ahead from many places: lines of a megabyte come too.
_TAG = r"<(?P<slash>/?)(?P<name>[^\W\d][\w:.-]*)(?P<rest>/|\s[^<>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^<>\"']*){0,64}|)>"
_DECLARATION = r"<(?P<begin>!--|!\[CDATA\[|\?|![A-Za-z])"
_ENDS = {"!--": "-->", "![CDATA[": "]]>", "?": "?>"}
_ENTITY = r"(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
_FORMAT = r"[-+#0]{0,3}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGcsSp@]"
_LETTER = r"[^\W\d_]"
# in turn: the next argument (its order is its meaning), one that has a name or a number, a percent sign
_NEXT = rf"(?P<next>\{{(?:[:!][^{{}}]*)?\}}|(?<!\d)%[sd@]|%{_FORMAT}(?!{_LETTER}))"  # not "5 %ige", nor "100%sure"
_NAMED = (
    rf"(?P<named>[$%#]?\{{\{{[^{{}}]*\}}\}}|[$%#]\{{[^{{}}]*\}}|\{{ ?[\w.-]+(?:[,:!\[][^{{}}]*)? ?\}}"
    rf"|%(?:\(\w{{1,64}}\)|\d{{1,3}}\$){_FORMAT}|%%)"
)
_MARK = re.compile("|".join((_TAG, _DECLARATION, _ENTITY, _NAMED, _NEXT)))
_IS_EMPTY_ELEMENT = re.compile(r"(?:^|[\s\"'])/$")  # not <a href=folder/>


@dataclass(frozen=True)
class Mark:
    """A tag or a placeholder.

    `kind`: "open", "close" or "void" for tags (comments are void), "hole" for placeholders. `at`: how many characters
    of the text stand before it. `before`, `after`: its neighbours, "blank" (or the line's end), "sign", "letter" or
    "leaf"; opening and closing tags between are looked through. `is_apart`: a blank stood between it and the next, if
    that was a mark. `partner`: among the line's marks, the tag that closes this one, or that this one closes; None: it
    stands alone.
    """

    raw: str
    kind: str
    name: str = ""  # of a tag, lower-cased
    is_sequential: bool = False  # a placeholder such as %s, whose order is its meaning
    at: int = 0
    before: str = "blank"
    after: str = "blank"
    is_apart: bool = False
    partner: int | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it takes the place of something, as a placeholder, a picture or a line break does."""
        return self.kind in ("void", "hole")

    @property
    def parts_words(self) -> bool:
        """Whether letters on its two sides belong to two words."""
        return self.kind == "hole" or self.name in PARTING_TAGS


@dataclass(frozen=True)
class Marked:
    """A line, its text without marks, and the marks in their order; `is_encoded`: it has tags or entities."""

    line: str
    text: str
    marks: tuple[Mark, ...] = ()
    is_encoded: bool = False


Items = Sequence["str | Mark"]  # of a joint: blanks and marks


def parse(line: str) -> Marked:
    """The line without markup, and what was taken out. Nothing is refused: what is no markup is text."""
    text, marks = "", []
    found: list[str | Mark] = []  # of the joint that is under way
    parts = list(_read(line))
    is_encoded = any(is_code for _, is_code in parts)
    for part in (*_merged(part for part, _ in parts), None):
        if isinstance(part, Mark) or (part is not None and not part.strip()):
            found.append(part)
            continue
        body = (part or "").strip()
        if body and (blanks := part[: len(part) - len(part.lstrip())]):
            found.append(blanks)
        marks += _placed(found, text, body)
        text += joint(text, found, body) + body
        found = [part[len(part.rstrip()) :]] if part and part[-1].isspace() else []
    return Marked(line, text, tuple(_partnered(marks)), is_encoded)


def joint(before: str, items: Items, after: str) -> str:
    """What stays of a joint between two texts (one is empty at an end of the line) without its marks: see the top."""
    if all(isinstance(item, str) for item in items):
        return "".join(str(item) for item in items)
    first, last = items[0], items[-1]
    if not before or not after:  # only blanks beyond the marks are the text's own
        outer = last if before else first
        return outer if isinstance(outer, str) else ""
    marks = [item for item in items if isinstance(item, Mark)]
    blanks = [item for item in items if isinstance(item, str)]
    if not blanks:
        is_apart = not is_sign(before[-1]) and not is_sign(after[0]) and any(mark.parts_words for mark in marks)
        return " " if is_apart else ""
    if any(mark.is_leaf for mark in marks):
        if isinstance(last, Mark) and _closes(after):
            return ""
        if isinstance(first, Mark) and _opens(before):
            return ""
    return blanks[0]


def is_sign(character: str) -> bool:
    """Whether it is punctuation or a symbol, and no part of a word."""
    return unicodedata.category(character)[0] in "PS"


def encoded(text: str) -> str:
    """The text as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _opens(before: str) -> bool:
    return before[-1] in OPENING or (before[-1] in QUOTES and not before[-2:-1].strip())


def _closes(after: str) -> bool:
    return after[0] in CLOSING or (after[0] in QUOTES and not after[1:2].isalnum())


def _read(line: str) -> Iterator[tuple[str | Mark, bool]]:
    """Text and marks in turn; each with whether it is a tag or an entity."""
    end, never = 0, set()  # `never`: ends that do not come any more
    while found := _MARK.search(line, end):
        start, stop = found.span()
        part: str | Mark | None
        if found["name"]:
            part = _tag(found)
        elif begin := found["begin"]:
            closing = _ENDS.get(begin, ">")
            place = -1 if closing in never else line.find(closing, stop)
            if place < 0:
                never.add(closing)
            stop = place + len(closing)
            part = Mark(line[start:stop], "void") if place >= 0 else None
        elif found["entity"]:
            character = _decoded(found["entity"])
            part = character if character else Mark(found["entity"], "hole")
        else:
            part = Mark(found[0], "hole", is_sequential=found["next"] is not None)
        if part is None:  # no markup after all
            yield line[end : start + 1], False
            end = start + 1
            continue
        yield line[end:start], False
        yield part, not found["named"] and not found["next"]
        end = stop
    yield line[end:], False


def _tag(found: re.Match[str]) -> Mark:
    name = found["name"].lower()
    if found["slash"]:
        return Mark(found[0], "close", name)
    is_void = name in VOID_TAGS or bool(_IS_EMPTY_ELEMENT.search(found["rest"]))
    return Mark(found[0], "void" if is_void else "open", name)


def _decoded(entity: str) -> str:
    """Its text; nothing for an unknown one, and for control characters, which would part or spoil the line."""
    text = html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], "")
    is_control = any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)
    return "" if is_control else text


def _merged(parts: Iterator[str | Mark]) -> Iterator[str | Mark]:
    """The same with neighbouring texts made one, and without empty ones."""
    text: list[str] = []
    for part in parts:
        if isinstance(part, str):
            text.append(part)
            continue
        if any(text):
            yield "".join(text)
        text = []
        yield part
    if any(text):
        yield "".join(text)


def _placed(items: Items, before: str, after: str) -> list[Mark]:
    """The marks of a joint between two texts, each with where it stands."""
    lefts = _neighbours(items, before[-1:])
    rights = _neighbours(items[::-1], after[:1])[::-1]
    followers = [*items[1:], None]
    return [
        replace(item, at=len(before), before=left, after=right, is_apart=isinstance(follower, str))
        for item, left, right, follower in zip(items, lefts, rights, followers, strict=False)
        if isinstance(item, Mark)
    ]


def _neighbours(items: Items, character: str) -> list[str]:
    """What each item has before it, where such a character (none: an end of the line) stands before them all."""
    found, now = [], neighbour(character)
    for item in items:
        found.append(now)
        if isinstance(item, str):
            now = "blank"
        elif item.is_leaf:
            now = "leaf"
        elif now == "letter":  # a word beyond a tag is no more glued to what may come to stand elsewhere
            now = "blank"
    return found


def neighbour(character: str) -> str:
    """What a mark has beside it that is beside this character, or beside none."""
    if not character or character.isspace():
        return "blank"
    return "sign" if is_sign(character) else "letter"


def _partnered(marks: Sequence[Mark]) -> list[Mark]:
    """Each closing tag with the nearest open one of its name; those that this leaves open in between stand alone."""
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
