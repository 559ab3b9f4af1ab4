"""Vectors of many things with their names, in a folder, and the exact search for those nearest to a query."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mt.checkpoint.array_file import check_header
from mt.checkpoint.small_file import read_json
from mt.data.whole_folder import json_text, whole_folder

# N things, D width, Q queries, K of the best, P places in a block

VECTORS, NAMES, ABOUT = "vectors.safetensors", "names.jsonl", "about.json"
FORMAT = 1
BLOCK_BYTES = 1 << 20  # of a block as float32, while it is compared: it stays in the cache of a core


@dataclass(frozen=True, eq=False)
class VectorIndex:
    """`vectors_ND`, float16 and of length 1, each with its name; `about` says what made them.

    float16 halves memory; products are float32. 1,000,000 vectors of 128 numbers are 256 MB.
    """

    names: Sequence[str]
    vectors_ND: Tensor
    about: Mapping[str, Any] = field(default_factory=dict)

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

    def save(self, folder: str | Path) -> None:
        """Writes the folder, whole or not at all."""
        with whole_folder(folder) as new:
            save_file({"vectors_ND": self.vectors_ND.contiguous()}, new / VECTORS)
            (new / NAMES).write_text("".join(f"{json.dumps(name)}\n" for name in self.names), "utf-8")
            body = {"format": FORMAT, "vectors": len(self), "width": self.vectors_ND.shape[1], **self.about}
            (new / ABOUT).write_text(json_text(body), "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> VectorIndex:
        """Reads what `save` wrote. Raises ValueError in one line for anything else."""
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
        return cls(names, vectors_ND, about)

    @torch.inference_mode()
    def search(self, queries_QD: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """(scores_QK, places_QK): the cosines of the K nearest, K = min(k, N), best first; of equals the first.

        Compares every vector, block by block. Raises ValueError for queries of another width.
        """
        width = self.vectors_ND.shape[1]
        if queries_QD.shape[-1] != width:
            raise ValueError(f"a query's width ({queries_QD.shape[-1]}) must be that of the index ({width})")
        queries_QD = torch.nn.functional.normalize(queries_QD.float(), dim=-1)
        k = min(k, len(self))
        best = [Nearest(k) for _ in queries_QD]
        for start, block_PD in self._blocks():
            scores_QP = (block_PD @ queries_QD.T).T
            worst_Q1 = torch.tensor([[one.worst] for one in best])
            # after the first blocks few have anything above the worst of the best so far
            for query in (scores_QP > worst_Q1).any(dim=1).nonzero().flatten().tolist():
                best[query].take(scores_QP[query], start)
        return torch.stack([one.scores_K for one in best]), torch.stack([one.places_K for one in best])

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
