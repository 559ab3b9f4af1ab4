"""Several models as one: the average of their probabilities, token by token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mt.data.source import Source
from mt.data.tokenizer import TokenizerPair
from mt.inference.decodable import Decodable
from mt.search.hypothesis import Hypothesis

# N sentences, R rows (hypotheses), T target length, V vocabulary


@dataclass(frozen=True)
class EnsembleState:
    """The states of the members, whose rows are those of the same hypotheses."""

    members: tuple[Any, ...]

    @property
    def device(self) -> torch.device:
        return self.members[0].device

    def rows(self, index_R: Tensor, sentences_M: Tensor | None = None) -> EnsembleState:
        return EnsembleState(tuple(member.rows(index_R, sentences_M) for member in self.members))


class Ensemble:
    """The arithmetic mean of the members' probabilities; all must have the same vocabularies (`check_vocabularies`)."""

    def __init__(self, members: Sequence[Decodable]):
        assert members
        self.members = tuple(members)
        limits = [member.max_length for member in members if member.max_length is not None]
        self.max_length = min(limits, default=None)
        self.banned = tuple(sorted({id_ for member in members for id_ in member.banned}))
        self.needs_trees = any(member.needs_trees for member in members)
        self.places = members[0].places
        if any(member.places != self.places for member in members):
            named = " and ".join(str(dict(member.places)) for member in members)
            raise ValueError(f"checkpoints must see and hear alike to be averaged: their places are {named}")

    def start(
        self,
        source: Source,
        *,
        needed: Sequence[Sequence[int]] | None = None,
    ) -> EnsembleState:
        needed = needed or [()] * len(source)  # so that all members use the same ids
        return EnsembleState(tuple(one.start(source, needed=needed) for one in self.members))

    def step(self, tokens_R: Tensor, state: EnsembleState) -> tuple[Tensor, EnsembleState]:
        return self._mean([one.step(tokens_R, of) for one, of in zip(self.members, state.members, strict=True)])

    def extend(self, tokens_RT: Tensor, state: EnsembleState) -> tuple[Tensor, EnsembleState]:
        return self._mean([one.extend(tokens_RT, of) for one, of in zip(self.members, state.members, strict=True)])

    def in_vocabulary(self, state: EnsembleState, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        return list(hypotheses)

    @staticmethod
    def _mean(found: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, EnsembleState]:
        """Logarithms of the mean probabilities, and the next state."""
        total: Tensor | None = None
        for logits, _ in found:
            log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
            total = log_probs if total is None else torch.logaddexp(total, log_probs)
        assert total is not None
        return total - math.log(len(found)), EnsembleState(tuple(state for _, state in found))


def check_vocabularies(tokenizers: Sequence[TokenizerPair], names: Sequence[str]) -> None:
    """Raises ValueError, naming two checkpoints, where a side's vocabulary is not the same everywhere."""
    for other, name in zip(tokenizers[1:], names[1:], strict=True):
        for side in ("source", "target"):
            if getattr(other, side).to_bytes() != getattr(tokenizers[0], side).to_bytes():
                raise ValueError(
                    f"checkpoints {names[0]} and {name} must have the same {side} vocabulary (tokenizer): an ensemble "
                    "averages probabilities of the same pieces"
                )
