"""Engines that search by themselves and give whole translations, behind the interface of one that gives next tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Protocol

from torch import Tensor

from mt.data.source import Source, Text
from mt.inference.decodable import BANNED
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis


class Searcher(Protocol):
    """An engine with a beam search of its own.

    name  for messages
    """

    name: str

    def n_best(self, sources: Sequence[Sequence[int]], search: Beam) -> list[list[Hypothesis]]:
        """The `search.n_best` best hypotheses of each source (ids without EOS), best first, by our length penalty."""
        ...


@dataclass(frozen=True)
class Unsearched:
    """The state before a search: the sources, and who searches."""

    searcher: Searcher
    sources: list[list[int]]


class WholeDecodable:
    """A `Decodable` whose searcher gives whole translations: it is searched by `WholeBeam`, and by nothing else."""

    banned: tuple[int, ...] = BANNED
    needs_trees = False
    places: ClassVar[Mapping[str, int]] = {}

    def __init__(self, searcher: Searcher, max_length: int | None):
        self.searcher, self.max_length = searcher, max_length

    def start(self, source: Source, *, needed: Sequence[Sequence[int]] | None = None) -> Unsearched:
        assert isinstance(source, Text)
        return Unsearched(self.searcher, [ids[:-1] for ids in source.pieces()])

    def step(self, tokens_R: Tensor, state: Any) -> NoReturn:
        raise ValueError(
            f"--engine {self.searcher.name} searches by itself, and only by beam search: --sample is not for it"
        )

    extend = step

    def in_vocabulary(self, state: Unsearched, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        return list(hypotheses)


@dataclass(frozen=True, kw_only=True)
class WholeBeam(Beam):
    """Beam search by the engine itself, with these settings."""

    def __call__(
        self, step, state: Any, *, max_lengths, banned_ids=(), rules=(), generator=None
    ) -> list[list[Hypothesis]]:
        """See `Search`; the length limits are the engine's, which are those of `max_lengths`.

        Raises ValueError for what the engine cannot do.
        """
        name = state.searcher.name
        if rules:
            raise ValueError(f"--engine {name} takes neither prefixes nor terms: they need the step-by-step search")
        for setting in ("min_length", "no_repeat_ngram"):
            if getattr(self, setting):
                raise ValueError(f"--engine {name} does not have {setting} ({getattr(self, setting)})")
        return state.searcher.n_best(state.sources, self)
