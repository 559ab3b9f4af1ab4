"""Vectors of many things with their names, in a folder, and the search for those nearest to a query."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mt.checkpoint.array_file import check_header
from mt.checkpoint.small_file import read_json
from mt.data.whole_folder import json_text, whole_folder
from mt.inference import cells
from mt.inference.cells import Cells

log = logging.getLogger(__name__)

# N things, D width, Q queries, K of the best, P places in a block, C candidates

VECTORS, NAMES, ABOUT = "vectors.safetensors", "names.jsonl", "about.json"
FORMAT = 1
BLOCK_BYTES = 1 << 20  # of a block as float32, while it is compared: it stays in the cache of a core


@dataclass(frozen=True, eq=False)
class VectorIndex:
    """`vectors_ND`, float16 and of length 1, each with its name; `about` says what made them.

    float16 halves memory; products are float32. 1,000,000 vectors of 128 numbers are 256 MB. With `cells` a search
    compares only vectors that are likely near; None: all of them.
    """

    names: Sequence[str]
    vectors_ND: Tensor
    about: Mapping[str, Any] = field(default_factory=dict)
    cells: Cells | None = None

    @classmethod
    def of(cls, names: Sequence[str], vectors_ND: Tensor, about: Mapping[str, Any] | None = None) -> VectorIndex:
        """An index of vectors of any length, which become of length 1. Raises ValueError where one is not finite."""
        if len(names) != len(vectors_ND):
            raise ValueError(f"names ({len(names)}) must be as many as vectors ({len(vectors_ND)})")
        vectors_ND = torch.nn.functional.normalize(vectors_ND.float(), dim=-1)
        if not bool(torch.isfinite(vectors_ND).all()):
            place = int((~torch.isfinite(vectors_ND).all(dim=1)).nonzero()[0])
            raise ValueError(f"the vector of {names[place]} must be of finite numbers")
        return cls(list(names), vectors_ND.half(), dict(about or {}))

    def __len__(self) -> int:
        return len(self.names)

    def approximated(self) -> VectorIndex:
        """The same with cells. Raises ValueError where faiss is missing."""
        made = Cells.of(self.vectors_ND, self.search_all)
        about = {"cells_probed": made.num_probed, "recall": round(made.recall, 4)}
        return replace(self, about={**self.about, **about}, cells=made)

    def save(self, folder: str | Path) -> None:
        """Writes the folder, whole or not at all."""
        with whole_folder(folder) as new:
            save_file({"vectors_ND": self.vectors_ND.contiguous()}, new / VECTORS)
            (new / NAMES).write_text("".join(f"{json.dumps(name)}\n" for name in self.names), "utf-8")
            body = {"format": FORMAT, "vectors": len(self), "width": self.vectors_ND.shape[1], **self.about}
            (new / ABOUT).write_text(json_text(body), "utf-8")
            if self.cells is not None:
                self.cells.save(new / cells.FILE)

    @classmethod
    def load(cls, folder: str | Path) -> VectorIndex:
        """Reads what `save` wrote; without its cells, where faiss is missing, of which a warning tells.

        Raises ValueError in one line for anything else.
        """
        folder = Path(folder)
        if not (folder / ABOUT).is_file():
            raise ValueError(f"{folder} is no index: it has no {ABOUT}")
        about = read_json(folder / ABOUT)
        if about.get("format") != FORMAT:
            raise ValueError(f"{folder / ABOUT}: format ({about.get('format')}) must be {FORMAT}")
        check_header(folder / VECTORS)
        try:
            names = [json.loads(line) for line in (folder / NAMES).read_text("utf-8").split("\n")[:-1]]
            with safe_open(folder / VECTORS, framework="pt") as file:
                vectors_ND = file.get_tensor("vectors_ND")
        except (SafetensorError, ValueError, RuntimeError) as error:
            raise ValueError(f"{folder} cannot be read as an index: {' '.join(str(error).split())}") from None
        if vectors_ND.dtype != torch.float16 or vectors_ND.dim() != 2 or len(vectors_ND) != len(names):
            raise ValueError(f"{folder}: {VECTORS} must hold a float16 row for each of the {len(names)} names")
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"{folder / NAMES} must hold a name a line")
        return cls(names, vectors_ND, about, _cells(folder, about, vectors_ND.shape))

    def search(self, queries_QD: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """(scores_QK, places_QK): the cosines of the K nearest, K = min(k, N), best first; of equals the first.

        With cells, a few of the nearest may be missing, in favour of others. Raises ValueError for queries of another
        width.
        """
        if self.cells is None:
            return self.search_all(queries_QD, k)
        queries_QD = self._directions(queries_QD)
        k = min(k, len(self))
        scores, places = [], []
        for query_D, places_C in zip(queries_QD, self.cells.candidates(queries_QD, k), strict=True):
            candidates_C = places_C[places_C >= 0].sort().values
            if len(candidates_C) < k:  # the searched cells are nearly empty
                scores_1K, places_1K = self.search_all(query_D[None], k)
                scores.append(scores_1K[0])
                places.append(places_1K[0])
                continue
            cosines_C = self.vectors_ND[candidates_C].float() @ query_D
            best_K = cosines_C.argsort(descending=True, stable=True)[:k]
            scores.append(cosines_C[best_K])
            places.append(candidates_C[best_K])
        return torch.stack(scores), torch.stack(places)

    @torch.inference_mode()
    def search_all(self, queries_QD: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """As `search`, but compares every vector, block by block."""
        queries_QD = self._directions(queries_QD)
        k = min(k, len(self))
        best = [Nearest(k) for _ in queries_QD]
        for start, block_PD in self._blocks():
            scores_QP = (block_PD @ queries_QD.T).T
            worst_Q1 = torch.tensor([[one.worst] for one in best])
            # after the first blocks few have anything above the worst of the best so far
            for query in (scores_QP > worst_Q1).any(dim=1).nonzero().flatten().tolist():
                best[query].take(scores_QP[query], start)
        return torch.stack([one.scores_K for one in best]), torch.stack([one.places_K for one in best])

    def _directions(self, queries_QD: Tensor) -> Tensor:
        """Queries of length 1. Raises ValueError for those of another width."""
        width = self.vectors_ND.shape[1]
        if queries_QD.shape[-1] != width:
            raise ValueError(f"a query's width ({queries_QD.shape[-1]}) must be that of the index ({width})")
        return torch.nn.functional.normalize(queries_QD.float(), dim=-1)

    def _blocks(self) -> Iterator[tuple[int, Tensor]]:
        """(first place, block_PD as float32), each in the same memory."""
        size = min(max(1, BLOCK_BYTES // (4 * self.vectors_ND.shape[1])), len(self))
        memory_PD = torch.empty(size, self.vectors_ND.shape[1])
        for start in range(0, len(self), size):
            block_PD = self.vectors_ND[start : start + size]
            yield start, memory_PD[: len(block_PD)].copy_(block_PD)


class Nearest:
    """The best of the scores taken so far, at most `k`, best first; of equals the one that came first."""

    def __init__(self, k: int):
        self.k = k
        self.scores_K, self.places_K = torch.empty(0), torch.empty(0, dtype=torch.int64)

    @property
    def worst(self) -> float:
        """What a score must be above to come in."""
        return float(self.scores_K[-1]) if len(self.scores_K) == self.k else float("-inf")

    def take(self, scores_P: Tensor, start: int) -> None:
        """Takes the scores of the next places, the first of which is `start`."""
        above_C = (scores_P > self.worst).nonzero().flatten()
        scores, places = torch.cat((self.scores_K, scores_P[above_C])), torch.cat((self.places_K, above_C + start))
        in_order = scores.argsort(descending=True, stable=True)[: self.k]
        self.scores_K, self.places_K = scores[in_order], places[in_order]


def _cells(folder: Path, about: Mapping[str, Any], shape: torch.Size) -> Cells | None:
    """The cells in the folder of an index, if it has any that can be searched."""
    if not (folder / cells.FILE).is_file():
        return None
    probed, recall = about.get("cells_probed"), about.get("recall")
    if not (isinstance(probed, int) and probed >= 1 and isinstance(recall, float)):
        raise ValueError(f"{folder / ABOUT}: cells_probed ({probed}) and recall ({recall}) must be numbers")
    if not cells.is_available():
        log.warning("%s: every vector is compared, since faiss is missing: %s", folder, cells.INSTALL)
        return None
    return Cells.load(folder / cells.FILE, probed, recall, shape)
