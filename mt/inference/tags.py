"""Tags before source lines, such as <2de>, of models that were trained with them (`mt.data.sources.Source`)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from mt.checkpoint.card import ModelCard
from mt.data.document import apart
from mt.data.sources import language_of_tag
from mt.data.tags import first_untagged, tags_of_tokenizer
from mt.data.tokenizer import Tokenizer
from mt.data.visible import is_visible
from mt.listing import listed

log = logging.getLogger(__name__)

TARGET_TAG = re.compile(r"<2([A-Za-z]{2,3}(?:[-_]\w+)?)>")  # a tag that names the target's language: <2de>


class Tags:
    """The tags that a model knows, and whether it also knows sources without one (None: not recorded)."""

    def __init__(self, tokenizer: Tokenizer, *, reads_untagged: bool | None = True):
        self.known = tags_of_tokenizer(tokenizer)
        self.reads_untagged = reads_untagged
        self._has_warned = False

    @classmethod
    def of(cls, card: ModelCard, tokenizer: Tokenizer) -> Tags:
        """The tags of a checkpoint."""
        return cls(tokenizer, reads_untagged=card.reads_untagged)

    def check(self, tag: str | None) -> None:
        """Raises ValueError for a tag that is not a symbol of the tokenizer, naming those that are."""
        if tag is not None and tag not in self.known:
            near = get_close_matches(tag, self.known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            there_is = f"there is {listed(self.known)}" if self.known else "it was trained without any"
            raise ValueError(f"tag ({tag}) must be a symbol of the model's tokenizer, {there_is}{hint}")

    def of_language(self, language: str | None, own: str) -> str | None:
        """The tag that chooses a target language (None: `own`, the model's); None where the model needs none for it.

        Raises ValueError for a language that the model does not know.
        """
        wanted = language or own
        tag = f"<2{wanted}>"
        if tag in self.known:
            return tag
        others = [found for known in self.known if (found := language_of_tag(known))]
        if wanted != own or others:
            raise ValueError(f"language ({wanted}) must be one that the model knows: {listed(others or [own])}")
        return None

    def check_lines(self, lines: Iterable[tuple[int, str]], tag: str | None) -> None:
        """Raises ValueError for a line without a tag where the model was trained only on lines with one.

        `lines` are (number, line), without blank ones. A line may have its tag in its text. For checkpoints of earlier
        versions, which do not record this, it warns once.
        """
        if tag is not None or self.reads_untagged or not self.known:
            return
        number = first_untagged(lines, self.known)
        if number is None:
            return
        known = listed(self.known)
        if self.reads_untagged is False:
            raise ValueError(
                f"line {number} has no tag, and the model was trained only on lines with a tag: "
                f"--tag must be one of {known}"
            )
        if not self._has_warned:
            self._has_warned = True
            log.warning("line %d has no tag; if the model was trained with tags, --tag can be one of %s", number, known)


def tagged(text: str, tag: str | None) -> str:
    """The input of a model that was trained with tags."""
    return text if tag is None else f"{tag} {text}" if text else tag


def numbered(lines: Sequence[str], first: int = 0) -> list[tuple[int, str]]:
    """(number from 1, line) of the lines that are not blank, `first` lines standing before them."""
    return [(number, line) for number, line in enumerate(lines, start=first + 1) if is_visible(line)]


def bare(line: str, known: Iterable[str]) -> str:
    """The line without a tag (one of `known`) and without the sentences around it, if its text holds them."""
    line = next((line[len(tag) :].lstrip() for tag in known if line.startswith(tag)), line)
    return apart(line)[1]
