"""What an engine behind an export can be asked: the protocol by which a certificate measures the exported files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

# T target pieces, S source pieces

Pair = tuple[Sequence[int], Sequence[int]]  # ids of source and target, without BOS and EOS


@dataclass(frozen=True)
class Candidate:
    """A translation that an engine found.

    ids       target pieces without BOS and EOS
    log_prob  natural logarithm of the probability of the ids and EOS
    score     log_prob / length penalty of this project (`mt.search.length_penalty`)
    """

    ids: tuple[int, ...]
    text: str
    log_prob: float
    score: float


class Engine(Protocol):
    """An exported folder, running in its own engine, which holds what the folder's files say and nothing else.

    versions  the engine and the libraries that compute with it
    """

    versions: Mapping[str, str]

    def tokenize(self, lines: Sequence[str]) -> list[list[int]]:
        """Ids of each line as the export reads it, without EOS."""

    def detokenize(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The text of the target ids of each line."""

    def log_probs(self, pairs: Sequence[Pair]) -> list[list[float]] | None:
        """Log-probabilities of the target ids of each pair and of EOS; None: the engine cannot say (`without`)."""

    def translate(self, lines: Sequence[str], *, shortlist: bool = False) -> list[Candidate]:
        """The best translation of each line by the search of the export, in the order of the lines.

        `shortlist`: with the target pieces of the shortlist alone; only asked of an export that has one.
        """

    def attention(self, pairs: Sequence[Pair]) -> list[np.ndarray | None] | None:
        """weights_TS of each pair: the mean of the heads that were chosen for alignment (`Plan.alignment`), row t that
        predicts target piece t, no row and column of EOS, not normalized again.

        None for a pair without target pieces, and for all where the export has no such heads.
        """

    def constants(self) -> Mapping[str, float]:
        """Those of `Plan.constants` that the exported configuration holds, as it holds them."""

    def without(self) -> Mapping[str, str]:
        """What the engine cannot say of these files, and why: `log_probs`, `attention`."""
