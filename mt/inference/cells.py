"""Approximate search among very many vectors: an inverted file (Jégou et al. 2011), with the optional package faiss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# N vectors, D width, Q queries, K of the best, C candidates

INSTALL = "pip install 'mt-trainer[search]'"
FILE = "cells.faiss"
RECALL_OF = 10  # nearest neighbours
RECALL_QUERIES = 256  # vectors whose neighbours are looked for
WANTED_RECALL = 0.95  # as many cells are searched as this needs
TRAINED_ON = 64  # vectors for each cell
ROUNDS = 10  # of k-means
CANDIDATES = 4  # times as many as are asked for are compared exactly: cells hold numbers of 8 bits
BLOCK = 65536  # vectors added at once

Search = Callable[[Tensor, int], tuple[Tensor, Tensor]]  # (queries_QD, k) -> (scores_QK, places_QK)


@dataclass(frozen=True, eq=False)
class Cells:
    """sqrt(N) cells of near vectors, of which a search looks into the `num_probed` nearest to the query.

    `recall` is the share of the 10 nearest neighbours of the vectors themselves that are found so.
    """

    index: Any
    num_probed: int
    recall: float

    @classmethod
    def of(cls, vectors_ND: Tensor, exactly: Search) -> Cells:
        """Cells of vectors of length 1. The number that is searched is doubled until the recall is 95 % or all are.

        Raises ValueError where faiss is missing.
        """
        faiss = package()
        num_vectors, width = vectors_ND.shape
        num_cells = max(1, round(num_vectors**0.5))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(width), width, num_cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.niter, index.cp.seed, index.cp.min_points_per_centroid = ROUNDS, 1, 1
        draw = torch.randperm(num_vectors, generator=torch.Generator().manual_seed(1))
        index.train(vectors_ND[draw[: TRAINED_ON * num_cells].sort().values].float().numpy())
        for some in vectors_ND.split(BLOCK):
            index.add(some.float().numpy())
        # others than those that the cells were learned from, where there are any
        queries_QD = vectors_ND[draw[-RECALL_QUERIES:]].float()
        nearest_QK = exactly(queries_QD, RECALL_OF)[1]
        probed, recall = 1, 0.0
        while True:
            found = cls(index, probed, recall)
            candidates_QC = found.candidates(queries_QD, RECALL_OF)
            recall = float((nearest_QK.unsqueeze(2) == candidates_QC.unsqueeze(1)).any(dim=2).float().mean())
            if recall >= WANTED_RECALL or probed >= num_cells:
                return cls(index, probed, recall)
            probed = min(2 * probed, num_cells)

    def candidates(self, queries_QD: Tensor, k: int) -> Tensor:
        """places_QC of vectors that are likely near, C = 4 k; -1 where the searched cells have no more."""
        self.index.nprobe = self.num_probed
        _, places_QC = self.index.search(queries_QD.float().numpy(), CANDIDATES * k)
        return torch.from_numpy(places_QC)

    def save(self, path: Path) -> None:
        """Writes the cells, which `load` reads."""
        package().write_index(self.index, str(path))

    @classmethod
    def load(cls, path: Path, num_probed: int, recall: float, shape: torch.Size) -> Cells:
        """Reads what `save` wrote, for vectors of this shape. Raises ValueError for anything else, or without faiss."""
        try:
            index = package().read_index(str(path))
        except RuntimeError as error:
            raise ValueError(f"{path} cannot be read as cells: {' '.join(str(error).split())[:200]}") from None
        if (index.ntotal, index.d) != tuple(shape) or not hasattr(index, "nprobe"):
            raise ValueError(f"{path} must hold the cells of {shape[0]} vectors of {shape[1]} numbers")
        return cls(index, num_probed, recall)


def is_available() -> bool:
    """Whether faiss is installed."""
    return find_spec("faiss") is not None


def package() -> Any:
    """faiss, with as many threads as torch. Raises ValueError where it is missing."""
    try:
        import faiss
    except ImportError:
        raise ValueError(f"approximate search needs a package that is missing: {INSTALL}") from None
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss
