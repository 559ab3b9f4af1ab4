"""A shortlist of the vocabulary: which target pieces a source may become, so that only these are projected to.

For each source piece the target pieces that it was linked to most often in a corpus, and the most frequent ones for
every source, as Marian's and CTranslate2's lexical shortlists have it (Jean et al. 2015; Mi et al. 2016). Probabilities
are those among the candidates: a translation may score higher, or be another one where a piece is not on the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mt.alignment.link_counts import LinkCounts
from mt.alignment.statistical_aligner import StatisticalAligner, soft_links
from mt.checkpoint.folder import SHORTLIST as FILE_NAME
from mt.checkpoint.manifest import check_listed, has_manifest, verify
from mt.checkpoint.tensor_file import TensorFile
from mt.data.lock import shared
from mt.data.tokenizer import NUM_SPECIAL, PAD
from mt.model.decoder import DecoderState
from mt.search.hypothesis import Hypothesis

# N sentences in a batch, R rows (hypotheses), C candidates of a sentence, U candidates of the batch together

MOST_BEST = 1000  # target pieces of a source piece: bounds what is read of somebody's file


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
        """From encoded pairs, whose pieces the statistical aligner links.

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
        for source, target, posteriors in zip(
            sources, targets, StatisticalAligner(*words).fit().posteriors(), strict=True
        ):
            links = soft_links(posteriors)
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
        """What is stored."""
        return {name: torch.from_numpy(getattr(self, name).astype(np.int32)) for name in FIELDS}

    @classmethod
    def load(cls, folder: Path, *, source_size: int, target_size: int) -> Shortlist:
        """The list in a step folder, as its manifest knows it, mapped: memory is taken as it is used.

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


FIELDS = ("starts", "pieces", "frequent")


class CandidateLists:
    """The candidates of each sentence of a batch, and of all of them together: what is multiplied once for the batch.

    A sentence may only be given its own candidates, so that its translation does not depend on its neighbours. Its
    token t is the t-th of its candidates, ascending; PAD, UNK, BOS and EOS keep their ids. Shorter lists end in places
    that are never allowed.
    """

    def __init__(self, shortlist: Shortlist, sources: Sequence[Sequence[int]]):
        lists = [shortlist.candidates(source) for source in sources]
        together_U = np.unique(np.concatenate(lists))
        longest = max(map(len, lists))
        self.ids_NC = np.full((len(lists), longest), PAD)
        self.is_own_NC = np.zeros((len(lists), longest), dtype=bool)
        for n, of_sentence in enumerate(lists):
            self.ids_NC[n, : len(of_sentence)] = of_sentence
            self.is_own_NC[n, : len(of_sentence)] = True
        self.together_U = torch.from_numpy(together_U)
        self.places_NC = np.searchsorted(together_U, self.ids_NC)  # among those of the batch

    def start(self, state: DecoderState) -> ShortlistState:
        """The state of a search that has one row a sentence."""
        own = (torch.from_numpy(of).to(state.device) for of in (self.ids_NC, self.places_NC, self.is_own_NC))
        return ShortlistState(state, *own)

    def whole_ids(self, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The hypotheses of a sentence, with ids of the whole vocabulary."""
        ids_C = self.ids_NC[sentence].tolist()
        return [replace(one, ids=tuple(ids_C[token] for token in one.ids)) for one in hypotheses]


@dataclass(frozen=True, eq=False)
class ShortlistState:
    """A decoder's state, and the candidates of each sentence that is still searched."""

    decoder: DecoderState
    ids_NC: Tensor
    places_NC: Tensor
    is_own_NC: Tensor

    @property
    def device(self) -> torch.device:
        return self.ids_NC.device

    def rows(self, index_R: Tensor, sentences_M: Tensor | None = None) -> ShortlistState:
        """As every state (`mt.search.search.State`): a sentence that stays keeps its candidates."""
        decoder = self.decoder.rows(index_R, sentences_M)
        if sentences_M is None:
            return replace(self, decoder=decoder)
        own = (of[sentences_M] for of in (self.ids_NC, self.places_NC, self.is_own_NC))
        return ShortlistState(decoder, *own)


def shortlist_step(
    extend: Callable[[Tensor, DecoderState], tuple[Tensor, DecoderState]],
    product: Callable[[Tensor], Tensor],
) -> Callable[[Tensor, ShortlistState], tuple[Tensor, ShortlistState]]:
    """A step for a search over each sentence's candidates.

    `extend` is the model's own; `product` multiplies states with the output rows of the candidates together.
    """

    def step(tokens_R: Tensor, state: ShortlistState) -> tuple[Tensor, ShortlistState]:
        N, C = state.ids_NC.shape
        ids_R = state.ids_NC.gather(1, tokens_R.view(N, -1)).flatten()
        states_R1D, decoder = extend(ids_R[:, None], state.decoder)
        logits_NWU = product(states_R1D[:, 0]).float().view(N, len(ids_R) // N, -1)
        places_NWC = state.places_NC[:, None].expand(-1, logits_NWU.shape[1], -1)
        logits_NWC = logits_NWU.gather(2, places_NWC).masked_fill_(~state.is_own_NC[:, None], -torch.inf)
        return logits_NWC.view(-1, C), replace(state, decoder=decoder)

    return step
