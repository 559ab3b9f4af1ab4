"""One sentence pair, the unit that every corpus yields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mt.data.images.picture import Picture
    from mt.data.sounds.sound import Wave


class Fault(NamedTuple):
    """Why a part of a corpus is not a pair.

    `reason` is its kind in a few words, by which a ledger counts: "not UTF-8". `message` is all of it in one line with
    file and place, for error messages: "train.de: not UTF-8 at line 2, byte 3 (0xff)".
    """

    reason: str
    message: str

    @property
    def is_damage(self) -> bool:
        """Whether it may end the reading of a corpus (data.cleaning.malformed=refuse)."""
        return True


class Unwanted(Fault):
    """Why a part that can be read is left out: it is counted, and never ends the reading of a corpus."""

    __slots__ = ()

    @property
    def is_damage(self) -> bool:
        return False


class Pair(NamedTuple):
    """A source sentence, its translation, and their gold word alignment and the source's tree where they are known.

    `links` is in Pharaoh format, "0-0 1-2": source position, target position, counting blank-separated words from 0.
    `tree` is a number for each blank-separated word of the source, "2 3 0": the position of its head in a dependency
    tree, counted from 1, or 0 for a root, as CoNLL has it.
    `image` names a picture that belongs to the pair: a file, or the text of a drawn scene. `boxes` say where in it the
    words of the target are: "1:10,4,20,20 2:10,4,20,20", the word counted from 0, then left, top, width and height in
    pixels. `picture` is the picture itself, once it is decoded (`mt.data.images`). `sound` names a sound in the same
    way, and `wave` is the sound itself (`mt.data.sounds`). Pairs with the same `group` share a batch: their pictures or
    sounds differ little, so that objectives which compare the pairs of a batch have hard cases.
    With a `fault` the texts are not sentences but the readable parts, for messages: never train or score on them.
    """

    source: str
    target: str
    links: str | None = None
    fault: Fault | None = None
    tree: str | None = None
    image: str | None = None
    boxes: str | None = None
    picture: Picture | None = None
    sound: str | None = None
    wave: Wave | None = None
    group: str | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """Both sentences, the source first."""
        return self.source, self.target


class Corpus(Protocol):
    """A corpus: pairs in a fixed order, any number of times, and a fingerprint of its content."""

    def __iter__(self) -> Iterator[Pair]:
        """Stream the pairs from the first; a second iteration yields the same again.

        A local fault (a line that is not UTF-8) is a pair with a fault, and the next pairs follow. Raises ValueError
        where no pair is reliable: a missing file or column, files of different length.
        """
        ...

    def fingerprint(self) -> str:
        """A short text that changes when the pairs would change; cheap: it reads no sentence."""
        ...
