"""A model of torch that computes only the candidates of a shortlist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mt.data.source import Source, Text
from mt.data.tokenizer import PAD
from mt.inference.decodable import SingleModel
from mt.inference.shortlist import Shortlist
from mt.model.decoder import DecoderState
from mt.search.hypothesis import Hypothesis

# N sentences in a batch, R rows (hypotheses), T tokens, C candidates of a sentence, U candidates of the batch together


@dataclass(frozen=True, eq=False)
class ShortlistState:
    """A decoder's state, and the candidates of each sentence that is still searched.

    A sentence may only produce its own candidates, so that its translation does not depend on its neighbours. Its
    token t is the t-th of its candidates, ascending; PAD, UNK, BOS and EOS keep their ids. Shorter lists end in places
    that are never allowed. `product` multiplies with the output rows of the candidates of all sentences together.

    `is_spread`: tokens are ids of the vocabulary, as rules need them, and tokens that are not candidates are
    practically forbidden.
    """

    decoder: DecoderState
    ids_NC: Tensor
    places_NC: Tensor
    is_own_NC: Tensor
    product: Callable[[Tensor], Tensor]
    is_spread: bool

    @property
    def device(self) -> torch.device:
        return self.ids_NC.device

    def rows(self, index_R: Tensor, sentences_M: Tensor | None = None) -> ShortlistState:
        """See `mt.search.search.State`: a sentence that stays keeps its candidates."""
        decoder = self.decoder.rows(index_R, sentences_M)
        if sentences_M is None:
            return replace(self, decoder=decoder)
        return replace(
            self,
            decoder=decoder,
            ids_NC=self.ids_NC[sentences_M],
            places_NC=self.places_NC[sentences_M],
            is_own_NC=self.is_own_NC[sentences_M],
        )


class ShortlistedModel:
    """A model that computes only the target pieces in its shortlist for a source (`Decodable`).

    `output_VD` is the whole output matrix; `product` makes a function that multiplies by some of its rows.
    """

    def __init__(
        self,
        model: SingleModel,
        shortlist: Shortlist,
        output_VD: Tensor,
        product: Callable[[Tensor], Callable[[Tensor], Tensor]],
    ):
        self._model, self.shortlist, self._output_VD, self._product = model, shortlist, output_VD, product
        self.max_length, self.banned, self.needs_trees = model.max_length, model.banned, model.needs_trees
        if model.places:
            raise ValueError("a shortlist is chosen by source pieces, and a picture has none: leave out --shortlist")
        self.places: dict[str, int] = {}

    def start(
        self,
        source: Source,
        *,
        needed: Sequence[Sequence[int]] | None = None,
    ) -> ShortlistState:
        assert isinstance(source, Text)
        lists = [self.shortlist.candidates(pieces[:-1]) for pieces in source.pieces()]  # without EOS
        if needed is not None:
            lists = [
                np.unique(np.concatenate([own, np.array(ids, dtype=own.dtype)]))
                for own, ids in zip(lists, needed, strict=True)
            ]
        together_U = np.unique(np.concatenate(lists))
        longest = max(map(len, lists))
        ids_NC = np.full((len(lists), longest), PAD)
        is_own_NC = np.zeros((len(lists), longest), dtype=bool)
        for n, of_sentence in enumerate(lists):
            ids_NC[n, : len(of_sentence)] = of_sentence
            is_own_NC[n, : len(of_sentence)] = True
        places_NC = np.searchsorted(together_U, ids_NC)  # among those of the batch
        decoder = self._model.start(source)
        ids, places, is_own = (torch.from_numpy(of).to(decoder.device) for of in (ids_NC, places_NC, is_own_NC))
        output_UD = self._output_VD[torch.from_numpy(together_U).to(self._output_VD.device)]
        product = self._product(output_UD)
        return ShortlistState(decoder, ids, places, is_own, product, is_spread=needed is not None)

    def step(self, tokens_R: Tensor, state: ShortlistState) -> tuple[Tensor, ShortlistState]:
        logits_R1C, state = self.extend(tokens_R[:, None], state)
        return logits_R1C[:, 0], state

    def extend(self, tokens_RT: Tensor, state: ShortlistState) -> tuple[Tensor, ShortlistState]:
        (N, C), (R, T) = state.ids_NC.shape, tokens_RT.shape
        ids_RT = tokens_RT if state.is_spread else state.ids_NC.gather(1, tokens_RT.view(N, -1)).view(R, T)
        states_RTD, decoder = self._model.states(ids_RT, state.decoder)
        logits_NXU = state.product(states_RTD.flatten(0, 1)).float().view(N, R * T // N, -1)  # X: W times T
        places_NXC = state.places_NC[:, None].expand(-1, logits_NXU.shape[1], -1)
        logits_NXC = logits_NXU.gather(2, places_NXC).masked_fill_(~state.is_own_NC[:, None], -torch.inf)
        state = replace(state, decoder=decoder)
        if not state.is_spread:
            return logits_NXC.view(R, T, C), state
        logits_NXV = logits_NXC.new_full((*logits_NXC.shape[:2], len(self._output_VD)), -torch.inf)
        logits_NXV.scatter_(2, state.ids_NC[:, None].expand_as(logits_NXC), logits_NXC)
        return logits_NXV.view(R, T, -1), state

    def in_vocabulary(self, state: ShortlistState, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        if state.is_spread:
            return list(hypotheses)
        ids_C = state.ids_NC[sentence].tolist()
        return [replace(one, ids=tuple(ids_C[token] for token in one.ids)) for one in hypotheses]
