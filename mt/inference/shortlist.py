"""A shortlist of the vocabulary: which target pieces a source may become, so that only these are projected to.

For each source piece the target pieces that it was linked to most often in a corpus, and the most frequent ones for
every source, as Marian's and CTranslate2's lexical shortlists have it (Jean et al. 2015; Mi et al. 2016). Probabilities
are those among the candidates: a translation may score higher, or be another one where a piece is not on the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mt.alignment.link_counts import LinkCounts
from mt.alignment.statistical import StatisticalAligner, soft_links
from mt.checkpoint.folder import SHORTLIST as FILE_NAME
from mt.checkpoint.manifest import check_listed, has_manifest, verify
from mt.checkpoint.tensor_file import TensorFile
from mt.data.lock import shared
from mt.data.tokenizer import NUM_SPECIAL

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

    def candidates(self, sources: Sequence[Sequence[int]]) -> torch.Tensor:
        """Target ids for these sources together, ascending, with all special ones: PAD, UNK, BOS and EOS come first."""
        used = np.unique(np.concatenate([np.asarray(ids, dtype=np.int64) for ids in sources]))
        parts = [self.pieces[self.starts[id_] : self.starts[id_ + 1]] for id_ in used]
        return torch.from_numpy(np.unique(np.concatenate([np.arange(NUM_SPECIAL), self.frequent, *parts])))

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
