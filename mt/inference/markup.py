"""A line as text and marks: tags and placeholders are taken out before it is translated, entities are decoded.

Marks are carried byte for byte:
- tags (`<b>`, `</b>`, `<br/>`, `<0>`), comments, processing instructions, CDATA: anything of that shape, known or
  not ("3 < 5" is not);
- elements that are not to be translated, with all their content: `translate="no"`, `class="notranslate"`, `code`,
  `kbd`, `pre`, `samp`, `script`, `style`, `var`;
- placeholders of C and Objective-C (`%s`, `%5.2f`, `%1$@`, `%lld`, `%%`), Python (`%(name)s`, `{0!r:>{width}}`), Ruby
  (`%<name>s`, `%{name}`), Handlebars (`{{x}}`, `{{{x}}}`; `{{#if x}}` ... `{{/if}}` nest as tags do), Jinja, Fluent
  (`{ $x }`, `{ -brand }`), Vue and i18next (`$t(key)`, `@:key`), JavaScript (`${x}`);
- entities that are unknown, or mean a control character (`&#10;`);
- messages of ICU with branches (`{n, plural, one {# file} other {# files}}`): the message is a mark of the line, and
  each branch is a line of its own, with marks and messages, translated separately; `#` is a mark in it.

A joint is what lies between two words or signs and contains marks. Without its marks it is a blank if there was one;
but a placeholder that was glued to a closing or opening sign leaves none ("Hello {name}!" is "Hello!", "({n} files)" is
"(files)"), and one between letters, like a tag such as `<br>`, leaves one ("one<br>two" is "one two").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mt.inference.markup_reader import Mark, Part, Reader, Syntax, partnered, with_opaque_whole

QUOTES = frozenset("\"'")
OPENING = frozenset("([{¿¡«„“‘‹")
CLOSING = frozenset(".,;:!?…)]}»”’›。，、！？")


@dataclass(frozen=True)
class Message:
    """An ICU message: which of the line's marks it is, its position, and its branches between parts of a frame."""

    number: int
    start: int
    stop: int
    frame: tuple[str, ...]
    branches: tuple[Marked, ...]

    def written(self, branches: Sequence[str]) -> str:
        """The message with other texts in its branches."""
        parts = [part for pair in zip(self.frame, branches, strict=False) for part in pair]
        return "".join([*parts, self.frame[-1]])


@dataclass(frozen=True)
class Marked:
    """A line, its text without marks, and the marks in their order; `is_encoded`: it has tags or entities.

    `messages` are those of its marks that have branches. `notes` say what could not be read and is kept as text.
    """

    line: str
    text: str
    marks: tuple[Mark, ...] = ()
    is_encoded: bool = False
    messages: tuple[Message, ...] = ()
    notes: tuple[str, ...] = ()
    syntax: Syntax = Syntax.LINE

    def texts(self) -> Iterator[Marked]:
        """All texts to translate, separately: the line, then the branches of its messages, and theirs."""
        yield self
        for message in self.messages:
            for branch in message.branches:
                yield from branch.texts()


Items = Sequence["str | Mark"]  # of a joint: blanks and marks


def parse(line: str, syntax: Syntax = Syntax.LINE, depth: int = 0) -> Marked:
    """The line without markup, and its marks. Nothing is refused: what is not markup is text, and `notes` say so.

    `depth`: the number of messages around the line.
    """
    text, marks = "", []
    found: list[str | Mark] = []  # of the current joint
    reader = Reader(line, syntax, depth)
    parts = with_opaque_whole(line, list(reader.parts()))
    is_encoded = any(part.is_code for part in parts)
    for part in (*_merged(part.content for part in parts), None):
        if isinstance(part, Mark) or (part is not None and not part.strip()):
            found.append(part)
            continue
        body = (part or "").strip()
        if part and body and (blanks := part[: len(part) - len(part.lstrip())]):
            found.append(blanks)
        marks += _placed(found, text, body)
        text += joint(text, found, body) + body
        found = [part[len(part.rstrip()) :]] if part and part[-1].isspace() else []
    messages, number = [], 0
    for of_line in parts:
        if of_line.frame is not None:
            messages.append(_message(of_line, number, syntax, depth))
        number += isinstance(of_line.content, Mark)
    notes = [*reader.notes, *(note for message in messages for branch in message.branches for note in branch.notes)]
    return Marked(line, text, tuple(partnered(marks)), is_encoded, tuple(messages), tuple(notes), syntax)


def _message(part: Part, number: int, outer: Syntax, depth: int) -> Message:
    assert part.frame is not None
    # in a message that selects by a word, `#` stands for the number of the message around it
    has_numbers = part.frame.has_numbers or outer is Syntax.NUMBER_BRANCH
    syntax = Syntax.NUMBER_BRANCH if has_numbers else Syntax.BRANCH
    branches = tuple(parse(branch, syntax, depth + 1) for branch in part.frame.branches)
    return Message(number, part.start, part.stop, part.frame.frame, branches)


def joint(before: str, items: Items, after: str) -> str:
    """A joint between two texts (one is empty at an end of the line) without its marks: see the top of this file."""
    if all(isinstance(item, str) for item in items):
        return "".join(str(item) for item in items)
    first, last = items[0], items[-1]
    if not before or not after:  # only blanks outside the marks belong to the text
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
    """Whether it is punctuation or a symbol, and not part of a word."""
    return unicodedata.category(character)[0] in "PS"


def encoded(text: str) -> str:
    """The text encoded for a place between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _opens(before: str) -> bool:
    return before[-1] in OPENING or (before[-1] in QUOTES and not before[-2:-1].strip())


def _closes(after: str) -> bool:
    return after[0] in CLOSING or (after[0] in QUOTES and not after[1:2].isalnum())


def _merged(parts: Iterator[str | Mark]) -> Iterator[str | Mark]:
    """The same with neighbouring texts joined, and without empty ones."""
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
    """The marks of a joint between two texts, each with its position."""
    lefts = _neighbours(items, before[-1:])
    rights = _neighbours(items[::-1], after[:1])[::-1]
    followers = [*items[1:], None]
    return [
        replace(item, at=len(before), before=left, after=right, is_apart=isinstance(follower, str))
        for item, left, right, follower in zip(items, lefts, rights, followers, strict=False)
        if isinstance(item, Mark)
    ]


def _neighbours(items: Items, character: str) -> list[str]:
    """The left neighbour of each item; `before` is the character before the first (empty: an end of the line)."""
    found, now = [], neighbour(character)
    for item in items:
        found.append(now)
        if isinstance(item, str):
            now = "blank"
        elif item.is_leaf:
            now = "leaf"
        elif now == "letter":  # a word on the other side of a tag is not glued to a mark that may move
            now = "blank"
    return found


def neighbour(character: str) -> str:
    """The kind of neighbour that this character (empty: none) is for a mark."""
    if not character or character.isspace():
        return "blank"
    return "sign" if is_sign(character) else "letter"
