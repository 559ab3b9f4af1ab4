"""The interface that search and translator need: implemented by one model, one with a shortlist, or an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from mt.data.source import Source
from mt.data.tokenizer import BOS, PAD, UNK
from mt.model.decoder import DecoderState
from mt.model.seq2seq import Seq2Seq
from mt.search.hypothesis import Hypothesis

# N sentences, R rows (hypotheses), T target length, V vocabulary

BANNED = (PAD, UNK, BOS)


class Decodable(Protocol):
    """A model that can be decoded step by step. Its caller holds the state (`mt.search.search.State`).

    max_length   maximum ids of a target, BOS or EOS included; None: no limit
    banned       ids that no target may hold
    needs_trees  whether it needs the trees of its sources
    places       places that each source beside the text takes, by its name: {"image": 64}; {}: it reads text alone
    """

    @property
    def max_length(self) -> int | None: ...

    @property
    def banned(self) -> tuple[int, ...]: ...

    @property
    def needs_trees(self) -> bool: ...

    @property
    def places(self) -> Mapping[str, int]: ...

    def start(
        self,
        source: Source,
        *,
        needed: Sequence[Sequence[int]] | None = None,
    ) -> Any:
        """The state before the first token of each sentence of the source.

        `needed`: target ids that rules need for each sentence. If it is given, tokens are ids of the vocabulary;
        if it is None, they may be the model's own numbers, which `in_vocabulary` converts.
        """

    def step(self, tokens_R: Tensor, state: Any) -> tuple[Tensor, Any]:
        """logits_RV for the token after `tokens_R`, and the next state; called by a search."""

    def extend(self, tokens_RT: Tensor, state: Any) -> tuple[Tensor, Any]:
        """logits_RTV for the tokens after each of `tokens_RT`, in one pass, and the state after all of them."""

    def in_vocabulary(self, state: Any, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The result for a sentence, of a search that began with `state`, in ids of the vocabulary."""


class SingleModel:
    """One model, with its whole vocabulary."""

    banned = BANNED

    def __init__(self, model: Seq2Seq):
        self._model = model
        self.max_length, self.needs_trees = model.max_length, model.needs_trees
        self.places = model.places

    def start(
        self,
        source: Source,
        *,
        needed: Sequence[Sequence[int]] | None = None,
    ) -> DecoderState:
        return self._model.start(source)

    def step(self, tokens_R: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        return self._model.step(tokens_R, state)

    def extend(self, tokens_RT: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        states_RTD, state = self._model.extend(tokens_RT, state)
        return self._model.output(states_RTD).float(), state

    def states(self, tokens_RT: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """states_RTD before the output projection, for a caller that projects them itself."""
        return self._model.extend(tokens_RT, state)

    def in_vocabulary(self, state: DecoderState, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        return list(hypotheses)
