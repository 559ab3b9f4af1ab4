"""One sentence pair, the unit that every corpus yields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Fault(NamedTuple):
    """Why something that stands in a corpus is no pair.

    `reason` is its kind in a few words, by which a ledger counts: "not UTF-8". `message` is all of it in one line with
    file and place, for whoever refuses it: "train.de: not UTF-8 at line 2, byte 3 (0xff)".
    """

    reason: str
    message: str


class Pair(NamedTuple):
    """A source sentence, its translation, and their gold word alignment and the source's tree where they are known.

    `links` is in Pharaoh format, "0-0 1-2": source position, target position, counting blank-separated words from 0.
    `tree` is a number for each blank-separated word of the source, "2 3 0": the position of its head in a dependency
    tree, counted from 1, or 0 for a root, as CoNLL has it.
    With a `fault` the texts are no sentences but what could be made out, to be shown: never train or score on them.
    """

    source: str
    target: str
    links: str | None = None
    fault: Fault | None = None
    tree: str | None = None


class Corpus(Protocol):
    """What a corpus must offer: pairs in a fixed order as often as asked, and a name for its content."""

    def __iter__(self) -> Iterator[Pair]:
        """Stream the pairs from the first; a second iteration yields the same again.

        What is wrong in one place (a line that is not UTF-8) is a pair with a fault, and the next pairs follow. Raises
        ValueError where no pair can be trusted: a missing file or column, files of different length.
        """
        ...

    def fingerprint(self) -> str:
        """A short text that changes when the pairs would change; cheap, it reads no sentence."""
        ...
