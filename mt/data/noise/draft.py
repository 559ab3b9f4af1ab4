"""A pair that is being changed, word by word, each word with the words of the pair that it was made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from mt.data.document import AFTER
from mt.data.pair import Pair
from mt.words import split_words

LINK = re.compile(r"(\d+)([-?p])(\d+)")


class Word(NamedTuple):
    """A word now, and the places of the words that it was made of; none: it is new."""

    text: str
    of: tuple[int, ...] = ()


@dataclass
class Draft:
    """Both sides of a pair, in words."""

    source: list[Word]
    target: list[Word]
    fixed: Collection[str] = ()  # words that mean something to the model: tags, the separators of documents

    @classmethod
    def of(cls, pair: Pair, fixed: Collection[str] = ()) -> Draft:
        """The unchanged pair."""
        source, target = ([Word(text, (place,)) for place, text in enumerate(split_words(side))] for side in pair.texts)
        return cls(source, target, fixed)

    def is_free(self, place: int) -> bool:
        """Whether the source's word may be changed: not a fixed one, and not one that noise put in."""
        return bool(self.source[place].of) and self.source[place].text not in self.fixed

    @property
    def free_places(self) -> list[int]:
        """The places of the source's words that may be changed."""
        return [place for place in range(len(self.source)) if self.is_free(place)]

    @property
    def text_places(self) -> range:
        """The places of the source's words after a tag at its start and the context before it, up to the one after."""
        fixed = [place for place, word in enumerate(self.source) if word.text in self.fixed]
        first = max((place + 1 for place in fixed if self.source[place].text != AFTER), default=0)
        return range(first, min((place for place in fixed if place >= first), default=len(self.source)))

    def pair(self, old: Pair) -> Pair:
        """The pair as it is now, its links and its tree on the same words as before."""
        source, target = (" ".join(word.text for word in side) for side in (self.source, self.target))
        links = None if old.links is None else links_of_drafts(old.links, self.source, self.target)
        tree = old.tree and moved_tree(old.tree, self.source)
        return old._replace(source=source, target=target, links=links, tree=tree)


Kind = Callable[[Draft, Random], None]
"""A kind of noise: changes the draft in place, by random numbers of its own."""


def links_of_drafts(links: str, source: Sequence[Word], target: Sequence[Word]) -> str:
    """Links (Pharaoh format) between the words that the linked words have become; those of lost words go.

    Possible links (0?1) stay possible. What is no link stays as it is: whoever uses the links names it.
    """
    of_source, of_target = _places(source), _places(target)
    found: list[str] = []
    for entry in links.split():
        link = LINK.fullmatch(entry)
        if link is None:
            found.append(entry)
            continue
        left, right = of_source.get(int(link[1]), ()), of_target.get(int(link[3]), ())
        found += [f"{one}{link[2]}{other}" for one in left for other in right]
    return " ".join(dict.fromkeys(found))


def moved_tree(tree: str, source: Sequence[Word]) -> str:
    """The tree (`mt.data.pair.Pair`) of the source as it is now.

    Joined words have the first head that is none of them; the second part of a cut word hangs on the first; a new word
    has no head; words whose head is lost have none.
    """
    heads, now = [int(head) for head in tree.split()], _places(source)
    found = []
    for place, word in enumerate(source):
        others = [heads[old] - 1 for old in word.of if old < len(heads) and heads[old] - 1 not in word.of]
        first = now[word.of[0]][0] if word.of else place
        if first != place:
            found.append(first + 1)
        else:
            found.append(now[others[0]][0] + 1 if others and others[0] in now else 0)
    return " ".join(map(str, found))


def _places(side: Sequence[Word]) -> dict[int, list[int]]:
    """Where the parts of each old word are now."""
    found: dict[int, list[int]] = {}
    for place, word in enumerate(side):
        for old in word.of:
            found.setdefault(old, []).append(place)
    return found
