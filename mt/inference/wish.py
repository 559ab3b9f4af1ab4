"""What a target must contain, in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mt.search.hypothesis import Hypothesis


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
