"""Terms and their translations: a line that contains a term's source must get its target in the translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import regex
import torch
from torch import Tensor

from mt.data.canonical import composed
from mt.data.formats.lines import read_lines
from mt.data.tokenizer import UNK, Tokenizer

# letters and digits of scripts that separate words by blanks
SPACED = r"[^\W\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
WORD_BEGINS = rf"(?:(?<!{SPACED})|(?!{SPACED}))"
WORD_ENDS = rf"(?:(?!{SPACED})|(?<!{SPACED}))"
IN_A_WORD = "。"  # a sign after which a tokenizer adds no blank


@dataclass(frozen=True)
class TermUse:
    """A term whose source occurs `times` times in a line, and how often its target occurs in the translation."""

    source: str
    target: str
    times: int
    found: int

    @property
    def is_honoured(self) -> bool:
        return self.found >= self.times


class Glossary:
    """Terms: source -> target. A source is found as whole words, ignoring case; of overlapping ones, the longer one."""

    def __init__(self, terms: Mapping[str, str]):
        self.terms = {composed(source): composed(target) for source, target in terms.items()}
        self._by_fold = {source.casefold(): source for source in reversed(self.terms)}

    @classmethod
    def load(cls, path: str | Path) -> Glossary:
        """The terms of a file: source, tab and target, one per line; blank lines are skipped.

        Raises ValueError naming file and line for one that has other columns, and for a source with two targets.
        """
        terms: dict[str, str] = {}
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip():
                continue
            columns = [column.strip() for column in line.split("\t")]
            if len(columns) != 2 or not all(columns):
                raise ValueError(f"{path}, line {number}: must be a source term, a tab and a target term: {line!r}")
            source, target = columns
            if terms.setdefault(source, target) != target:
                raise ValueError(f"{path}, line {number}: {source!r} has another target already ({terms[source]!r})")
        if not terms:
            raise ValueError(f"{path} must have terms: on each line a source term, a tab and a target term")
        return cls(terms)

    def hits(self, text: str) -> dict[str, int]:
        """The source terms that occur in a text, and how often, in the order of their first places."""
        found: dict[str, int] = {}
        for match in self._pattern.finditer(composed(text)):
            term = match[0] if match[0] in self.terms else self._by_fold.get(match[0].casefold())
            if term is not None:
                found[term] = found.get(term, 0) + 1
        return found

    def phrases(self, text: str, tokenizer: Tokenizer) -> dict[tuple[int, ...], int]:
        """The pieces of the targets that a translation of the text must contain, and how often."""
        found: dict[tuple[int, ...], int] = {}
        for source, times in self.hits(text).items():
            ids = term_pieces(self.terms[source], tokenizer)
            found[ids] = found.get(ids, 0) + times
        return found

    def uses(self, text: str, translation: str) -> list[TermUse]:
        """Which terms of a text its translation has; several sources with the same target share its occurrences."""
        hits, left = self.hits(text), {}
        uses = []
        for source, times in hits.items():
            target = self.terms[source]
            if target not in left:
                whole = f"{WORD_BEGINS}{regex.escape(target)}{WORD_ENDS}"
                left[target] = len(regex.findall(whole, composed(translation)))
            uses.append(TermUse(source, target, times, min(left[target], times)))
            left[target] -= uses[-1].found
        return uses

    @cached_property
    def _pattern(self) -> regex.Pattern:
        # a named list is looked up in constant time; it takes the longest term that fits
        return regex.compile(rf"{WORD_BEGINS}\L<terms>{WORD_ENDS}", regex.IGNORECASE, terms=sorted(self.terms))

    def __getstate__(self) -> dict[str, str]:
        return self.terms

    def __setstate__(self, terms: dict[str, str]) -> None:
        self.__init__(terms)  # type: ignore[misc]  # all of the state comes from the terms


def term_pieces(term: str, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids of a term inside a sentence. Raises ValueError for one that the vocabulary cannot spell."""
    ids = tokenizer.encode(term)
    if not regex.match(SPACED, term):
        # no blank is before it: the one that a tokenizer adds is left out
        before, whole = tokenizer.encode(IN_A_WORD), tokenizer.encode(IN_A_WORD + term)
        if UNK not in before and whole[: len(before)] == before and len(whole) > len(before):
            ids = whole[len(before) :]
    check_spelled("term", term, ids)
    return tuple(ids)


def check_spelled(name: str, text: str, ids: Iterable[int]) -> None:
    """Raises ValueError for a text with characters that the model's vocabulary lacks."""
    if UNK in ids:
        raise ValueError(f"{name} ({text}) has characters that the model's vocabulary cannot spell")


def continuing_pieces(tokenizer: Tokenizer) -> Tensor:
    """is_continuing_V: whether a piece continues the word of the one before it."""
    pieces = tokenizer.pieces(range(tokenizer.size))
    return torch.tensor([_is_continuing(piece) for piece in pieces])


def _is_continuing(piece: str) -> bool:
    if found := regex.fullmatch("<0x(..)>", piece):  # bytes from 0x80 spell letters of other scripts
        byte = int(found[1], 16)
        return byte >= 0x80 or chr(byte).isalnum()
    return regex.match(SPACED, piece) is not None
