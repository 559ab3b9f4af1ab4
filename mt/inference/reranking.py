"""How translations are ranked by a model of the other direction, too: likely both ways, and long enough."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mt.checkpoint.manifest import Mark
from mt.checkpoint.small_file import read_json
from mt.checkpoint.steps import WEIGHTS, find_step
from mt.inference.translation import Translation

# C candidates of a line, F features

FILE_NAME = "reranking.json"
FEATURES = ("log_prob", "reverse_log_prob", "pieces")


@dataclass(frozen=True, kw_only=True)
class Reranking:
    """How candidates are ranked: by log p(target|source) + `reverse` log p(source|target) + `length` pieces.

    That is the score of Li et al. 2016 ("A Diversity-Promoting Objective Function"), which comes from mutual
    information, with the length of the target in pieces, its end included.

    candidates  of a line that are compared
    model       digest of the weights of the reverse model with which this was tuned
    tag         goes before each translation that the reverse model reads; None: it needs none
    """

    reverse: float
    length: float
    candidates: int
    model: str
    tag: str | None = None

    def scores(self, features_CF: np.ndarray) -> np.ndarray:
        """The score of each candidate."""
        return features_CF @ np.array([1.0, self.reverse, self.length])

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def load(cls, checkpoint: str | Path) -> Reranking:
        """The one in a checkpoint. Raises ValueError where there is none, or a damaged one."""
        path = find_step(Path(checkpoint)) / FILE_NAME
        if not path.is_file():
            raise ValueError(f"--rerank needs {path}: `python -m mt.rerank` finds the weights and writes it")
        body = read_json(path)
        try:
            found = cls(
                reverse=float(body["reverse"]),
                length=float(body["length"]),
                candidates=int(body["candidates"]),
                model=str(body["model"]),
                tag=None if body.get("tag") is None else str(body["tag"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} must hold reverse, length, candidates and model: {error}") from None
        if not (math.isfinite(found.reverse) and math.isfinite(found.length) and found.candidates >= 2):
            numbers = f"reverse ({found.reverse}) and length ({found.length}) must be finite"
            raise ValueError(f"{path}: {numbers}, candidates ({found.candidates}) at least 2")
        return found


def reranked(translation: Translation, features_CF: np.ndarray | None, how: Reranking, n_best: int) -> Translation:
    """The translation with its `n_best` best candidates; without features in the order and with the scores it had."""
    if features_CF is None:
        return replace(translation, candidates=translation.candidates[:n_best])
    scores_C = how.scores(features_CF)
    best = np.argsort(-scores_C, kind="stable")[:n_best]
    candidates = tuple(replace(translation.candidates[place], score=float(scores_C[place])) for place in best)
    return replace(translation, candidates=candidates)


def digest(checkpoint: str | Path) -> str:
    """What tells the weights of a checkpoint from others."""
    return Mark.of(find_step(Path(checkpoint)) / WEIGHTS).sha256[:16]
