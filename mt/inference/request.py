"""A line to translate, with its tag, tree, context, prefix and terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

from mt.data.document import Context, tree_in_context
from mt.inference.terms import Glossary

if TYPE_CHECKING:
    from mt.data.held_out import HeldOut
    from mt.data.images.picture import Picture
    from mt.data.sounds.sound import Wave

NO_CONTEXT = Context()


@dataclass(frozen=True)
class Request:
    """One line to translate.

    text     the line; it may hold its context itself (`mt.data.document`)
    tag      such as <2de>, goes before it and before each part of a split one
    tree     its tree (`mt.data.pair.Pair`); None or blank: it has none
    context  the sentences around it; the tree is of the line alone then
    prefix   what its translation must begin with; blanks at its ends do not count
    terms    terms that are enforced where the line holds them
    picture  the picture that belongs to it, prepared (`mt.data.images`); with one, the text may be blank
    sound    the sound that belongs to it, prepared (`mt.data.sounds`), likewise
    by_sentence  whether each sentence of the line is translated by itself, as in a paragraph without context
    """

    text: str
    tag: str | None = None
    tree: str | None = None
    context: Context = NO_CONTEXT
    prefix: str = ""
    terms: Glossary | None = None
    by_sentence: bool = False
    picture: Picture | None = field(default=None, compare=False)
    sound: Wave | None = field(default=None, compare=False)

    @property
    def source(self) -> str:
        """The line in its context."""
        return self.context.around(self.text) if self.context else self.text

    @property
    def source_tree(self) -> str | None:
        """The tree of `source`."""
        return tree_in_context(self.tree, self.source) if self.tree and self.context else self.tree


def requests(
    lines: Iterable[str],
    *,
    tag: str | None = None,
    trees: Iterable[str | None] | None = None,
    pictures: Iterable[Picture | None] | None = None,
    sounds: Iterable[Wave | None] | None = None,
) -> Iterator[Request]:
    """A request for each line; the tag is that of all of them."""
    none = repeat(None)
    columns = (trees or none, pictures or none, sounds or none)
    for line, tree, picture, sound in zip(lines, *columns):  # noqa: B905 (an endless repeat)
        yield Request(line, tag=tag, tree=tree, picture=picture, sound=sound)


def held_out_requests(held_out: HeldOut) -> Iterator[Request]:
    """A request for each line of a held-out set, with its tree, its picture and its sound."""
    return requests(held_out.sources, trees=held_out.trees, pictures=held_out.pictures, sounds=held_out.waves)
