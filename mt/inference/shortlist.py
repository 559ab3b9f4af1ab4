"""A shortlist of the vocabulary: the target pieces that a source may produce; only their logits are computed.

For each source piece the target pieces that it was linked to most often in a corpus, and the most frequent ones for
every source, as Marian's and CTranslate2's lexical shortlists have it (Jean et al. 2015; Mi et al. 2016). Probabilities
are normalized over the candidates: a translation may score higher, or differ where a piece is not on the list. Never
imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from mt.checkpoint.array_file import check_header
from mt.checkpoint.manifest import check_listed, has_manifest, verify
from mt.checkpoint.steps import SHORTLIST as FILE_NAME
from mt.data.lock import shared
from mt.data.tokenizer import NUM_SPECIAL

FIELDS = ("starts", "pieces", "frequent")
MOST_BEST = 1000  # target pieces of a source piece: a limit on untrusted files


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Target ids of source piece s: `pieces[starts[s] : starts[s + 1]]`; `frequent` are candidates of every source."""

    starts: np.ndarray
    pieces: np.ndarray
    frequent: np.ndarray

    @cached_property
    def common(self) -> np.ndarray:
        """Candidates of every source, ascending, with all special ids: PAD, UNK, BOS and EOS come first."""
        return np.unique(np.concatenate([np.arange(NUM_SPECIAL), self.frequent]))

    def candidates(self, source: Sequence[int]) -> np.ndarray:
        """Target ids for this source, ascending."""
        parts = [self.pieces[self.starts[id_] : self.starts[id_ + 1]] for id_ in set(source)]
        return np.unique(np.concatenate([self.common, *parts]))

    def arrays(self) -> dict[str, np.ndarray]:
        """What is stored, by its name in the file."""
        return {name: getattr(self, name).astype(np.int32) for name in FIELDS}

    @classmethod
    def load(cls, folder: Path, *, source_size: int, target_size: int) -> Shortlist:
        """The list in a step folder, checked by its header and its manifest.

        Raises ValueError where there is none, or one that is damaged or does not fit the vocabulary.
        """
        path = folder / FILE_NAME
        if not path.is_symlink() and not path.is_file():
            raise ValueError(f"{folder} has no shortlist: python -m mt.shortlist makes one")
        with shared(folder):
            shapes = _shapes(path)
            if sorted(shapes) != sorted(FIELDS) or any(
                len(shape) != 1 or kind != "I32" for shape, kind in shapes.values()
            ):
                raise ValueError(f"{path} must hold starts, pieces and frequent, each a row of int32")
            sizes = {name: shapes[name][0][0] for name in FIELDS}
            most = {"starts": source_size + 1, "pieces": MOST_BEST * source_size, "frequent": target_size}
            for name, size in sizes.items():
                if size > most[name]:
                    raise ValueError(f"{path}: {name} has {size} numbers, must have {most[name]} at most")
            if has_manifest(folder):
                check_listed(folder, (FILE_NAME,))
                verify(folder, (FILE_NAME,))
            with safe_open(path, framework="numpy") as file:
                found = cls(**{name: file.get_tensor(name) for name in FIELDS})
        is_index = len(found.starts) == source_size + 1 and found.starts[0] == 0
        if not is_index or (np.diff(found.starts) < 0).any() or found.starts[-1] != len(found.pieces):
            raise ValueError(
                f"{path}: starts must rise from 0 to {len(found.pieces)}, one for each of {source_size} pieces"
            )
        for ids in (found.pieces, found.frequent):
            if len(ids) and not (ids.min() >= 0 and ids.max() < target_size):
                raise ValueError(f"{path}: target ids must be from 0 to {target_size - 1}")
        return found


def _shapes(path: Path) -> dict[str, tuple[list[int], str]]:
    """The shape and the type of each array of a file, by its header. Raises ValueError for one that cannot be read."""
    check_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  it is not a mapping
            return {name: (part.get_shape(), part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
