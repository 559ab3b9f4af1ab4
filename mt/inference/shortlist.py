"""A shortlist of the vocabulary: the target pieces that a source may produce; only their logits are computed.

For each source piece the target pieces that it was linked to most often in a corpus, and the most frequent ones for
every source, as Marian's and CTranslate2's lexical shortlists have it (Jean et al. 2015; Mi et al. 2016). Probabilities
are normalized over the candidates: a translation may score higher, or differ where a piece is not on the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mt.alignment.link_counts import LinkCounts
from mt.alignment.statistical_aligner import StatisticalAligner
from mt.checkpoint.manifest import check_listed, has_manifest, verify
from mt.checkpoint.steps import SHORTLIST as FILE_NAME
from mt.checkpoint.tensor_file import TensorFile
from mt.data.lock import shared
from mt.data.source import Source, Text
from mt.data.tokenizer import NUM_SPECIAL, PAD
from mt.inference.decodable import SingleModel
from mt.model.decoder import DecoderState
from mt.search.hypothesis import Hypothesis

# N sentences in a batch, R rows (hypotheses), T tokens, C candidates of a sentence, U candidates of the batch together

FIELDS = ("starts", "pieces", "frequent")
MOST_BEST = 1000  # target pieces of a source piece: a limit on untrusted files


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Target ids of source piece s: `pieces[starts[s] : starts[s + 1]]`; `frequent` are candidates of every source."""

    starts: np.ndarray
    pieces: np.ndarray
    frequent: np.ndarray

    @classmethod
    def learn(
        cls,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        *,
        source_size: int,
        target_size: int,
        best: int = 50,
        frequent: int = 200,
    ) -> Shortlist:
        """Makes a shortlist from encoded pairs, whose pieces the statistical aligner links.

        `best` pieces at most for each source piece, and the `frequent` pieces that targets have most often. Raises
        ValueError where there is no pair, or for numbers below 1.
        """
        for name, value in (("best", best), ("frequent", frequent)):
            if value < 1:
                raise ValueError(f"{name} ({value}) must be at least 1")
        if best > MOST_BEST:
            raise ValueError(f"best ({best}) must be at most {MOST_BEST}")
        words = ([[str(id_) for id_ in ids] for ids in side] for side in (sources, targets))
        counts = LinkCounts(source_size, target_size)
        found = StatisticalAligner(*words, has_spelling=False).fit().links()
        for source, target, links in zip(sources, targets, found, strict=True):
            counts.add([source[s] for s, _ in links], [target[t] for _, t in links])
        starts, pieces, _ = counts.best(best)
        seen = np.bincount(np.concatenate([np.asarray(ids, dtype=np.int64) for ids in targets]), minlength=target_size)
        common = np.argsort(-seen, kind="stable")[:frequent]
        return cls(starts, pieces, np.sort(common))

    def candidates(self, source: Sequence[int]) -> np.ndarray:
        """Target ids for this source, ascending, with all special ones: PAD, UNK, BOS and EOS come first."""
        parts = [self.pieces[self.starts[id_] : self.starts[id_ + 1]] for id_ in set(source)]
        return np.unique(np.concatenate([np.arange(NUM_SPECIAL), self.frequent, *parts]))

    def tensors(self) -> dict[str, torch.Tensor]:
        """The stored tensors."""
        return {name: torch.from_numpy(getattr(self, name).astype(np.int32)) for name in FIELDS}

    @classmethod
    def load(cls, folder: Path, *, source_size: int, target_size: int) -> Shortlist:
        """The list in a step folder, checked by its manifest and memory-mapped.

        Raises ValueError where there is none, or one that is damaged or does not fit the vocabulary.
        """
        path = folder / FILE_NAME
        if not path.is_symlink() and not path.is_file():
            raise ValueError(f"{folder} has no shortlist: python -m mt.shortlist makes one")
        with shared(folder):
            stored = TensorFile(path)
            if sorted(stored) != sorted(FIELDS) or any(
                len(stored.shapes[name]) != 1 or stored.dtypes[name] != torch.int32 for name in FIELDS
            ):
                raise ValueError(f"{path} must hold starts, pieces and frequent, each a row of int32")
            sizes = {name: stored.shapes[name][0] for name in FIELDS}
            most = {"starts": source_size + 1, "pieces": MOST_BEST * source_size, "frequent": target_size}
            for name, size in sizes.items():
                if size > most[name]:
                    raise ValueError(f"{path}: {name} has {size} numbers, must have {most[name]} at most")
            if has_manifest(folder):
                check_listed(folder, (FILE_NAME,))
                verify(folder, (FILE_NAME,))
            found = cls(**{name: stored[name].numpy() for name in FIELDS})
        is_index = len(found.starts) == source_size + 1 and found.starts[0] == 0
        if not is_index or (np.diff(found.starts) < 0).any() or found.starts[-1] != len(found.pieces):
            raise ValueError(
                f"{path}: starts must rise from 0 to {len(found.pieces)}, one for each of {source_size} pieces"
            )
        for ids in (found.pieces, found.frequent):
            if len(ids) and not (ids.min() >= 0 and ids.max() < target_size):
                raise ValueError(f"{path}: target ids must be from 0 to {target_size - 1}")
        return found


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
