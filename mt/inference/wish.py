"""What a target must contain, in pieces, and the search rules that enforce it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from mt.data.tokenizer import EOS
from mt.search.hypothesis import Hypothesis
from mt.search.rules.prefix import Prefix
from mt.search.rules.rule import Rule
from mt.search.rules.terms import Terms


@dataclass(frozen=True)
class Wish:
    """Pieces that the target of a source begins with, and phrases that it contains, each with its count."""

    prefix: tuple[int, ...] = ()
    phrases: Mapping[tuple[int, ...], int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.prefix or self.phrases)

    @property
    def needed(self) -> list[int]:
        """All of these pieces."""
        return [*self.prefix, *(id_ for ids in self.phrases for id_ in ids)]

    @property
    def without_phrases(self) -> Wish:
        return replace(self, phrases={})

    def fails(self, hypotheses: Sequence[Hypothesis]) -> bool:
        """Whether no hypothesis with the phrases was found."""
        return bool(self.phrases) and hypotheses[0].log_prob == -float("inf")


def rules_of(wishes: Sequence[Wish], continuing_V: Tensor) -> list[Rule]:
    """The rules of a search for these sources; none where there are no wishes."""
    found: list[Rule] = []
    if any(wish.prefix for wish in wishes):
        found.append(Prefix([wish.prefix for wish in wishes]))
    if any(wish.phrases for wish in wishes):
        found.append(Terms([wish.phrases for wish in wishes], eos=EOS, continuing_V=continuing_V))
    return found
