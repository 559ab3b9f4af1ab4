"""One sentence pair, the unit that every corpus yields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Pair(NamedTuple):
    """A source sentence, its translation, and their gold word alignment where it is known.

    `links` is in Pharaoh format, "0-0 1-2": source position, target position, counting blank-separated words from 0.
    """

    source: str
    target: str
    links: str | None = None


class Corpus(Protocol):
    """What a corpus must offer: pairs in a fixed order as often as asked, and a name for its content."""

    def __iter__(self) -> Iterator[Pair]:
        """Stream the pairs from the first; a second iteration yields the same again."""
        ...

    def fingerprint(self) -> str:
        """A short text that changes when the pairs would change; cheap, it reads no sentence."""
        ...
