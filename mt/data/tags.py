"""Tags at the start of source lines, such as <2de>, in the text or before it."""

from __future__ import annotations

from collections.abc import Iterable

from mt.data.document import AFTER, BEFORE, apart
from mt.data.held_out import HeldOut
from mt.data.masking import MASK
from mt.data.tokenizer import Tokenizer
from mt.data.visible import is_visible
from mt.listing import listed


def tags_of_tokenizer(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The reserved symbols of a tokenizer that can be tags: all except separators of documents and hidden words."""
    return tuple(symbol for symbol in tokenizer.reserved_symbols if symbol not in (BEFORE, AFTER, MASK))


def first_untagged(lines: Iterable[tuple[int, str]], tags: tuple[str, ...]) -> int | None:
    """The number of the first of `lines` (number, line) without any of the tags; None if all have one."""
    return next((number for number, line in lines if not _has_tag(line, tags)), None)


def check_tagged(held_out: HeldOut, tags: tuple[str, ...]) -> None:
    """Raises ValueError for a held-out set with a line without a tag, which a model of tagged lines cannot read."""
    lines = [(number, line) for number, line in enumerate(held_out.sources, start=1) if is_visible(line)]
    number = first_untagged(lines, tags)
    if number is not None:
        raise ValueError(
            f"data, {held_out.name}: line {number} has no tag, but all training sources have one: "
            f"it must begin with one of {listed(tags)}"
        )


def _has_tag(line: str, tags: tuple[str, ...]) -> bool:
    return any(text.lstrip().startswith(tags) for text in (line, apart(line)[1]))
