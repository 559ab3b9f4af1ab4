"""Statistics of attention maps by layer: entropy, sparsity, where their mass is, and how much they change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mt.alignment.alignment import SPECIAL_PIECES, RawAttention, without_specials

# L layers, H heads, T target rows, S source columns

NAMES = ("entropy", "sparsity", "sink_mass", "coverage")
SPARSE_BELOW = 0.01  # of a row: smaller weights count as zero


def map_statistics(attentions: Iterable[RawAttention]) -> dict[str, np.ndarray]:
    """A number per layer for each of NAMES, the mean over heads and sentences.

    entropy    of a row, in nats: 0 for all weight on one piece, log(S) for equal weights
    sparsity   the share of a row's weights below SPARSE_BELOW, 0 to 1
    sink_mass  the weight of special columns (mostly "</s>") in rows that predict real pieces, 0 to 1
    coverage   the sum of a source piece's column, at most 1 (Tu et al. 2016), mean over pieces

    Raises ValueError without any sentence that has a piece on both sides.
    """
    found = [_of_sentence(raw) for raw in attentions if _has_pieces(raw)]
    if not found:
        raise ValueError("sentences with pieces on both sides (0) must be at least 1")
    return dict(zip(NAMES, np.mean(found, axis=0), strict=True))


def change(before: Sequence[np.ndarray], now: Sequence[np.ndarray]) -> np.ndarray:
    """The mean total variation distance of rows between `before` and `now`, per layer, 0 to 1.

    Both hold weights_LHTS of the same sentences. Near 0 the maps no longer change.
    """
    moved = [0.5 * np.abs(new - old).sum(axis=-1).mean(axis=(1, 2)) for old, new in zip(before, now, strict=True)]
    return np.mean(moved, axis=0)


def _has_pieces(raw: RawAttention) -> bool:
    return all(set(pieces) - SPECIAL_PIECES for pieces in (raw.source_pieces, raw.target_pieces))


def _of_sentence(raw: RawAttention) -> np.ndarray:
    """The statistics of a sentence, NAMES x L."""
    _, sink_LH = without_specials(raw.weights_LHTS, raw.source_pieces, raw.target_pieces, shift=0)
    rows = [t for t, piece in enumerate(raw.target_pieces) if piece not in SPECIAL_PIECES]
    columns = [s for s, piece in enumerate(raw.source_pieces) if piece not in SPECIAL_PIECES]
    weights_LHTS = np.asarray(raw.weights_LHTS, dtype=np.float64)[:, :, rows]
    entropy_LHT = -(weights_LHTS * np.log(np.where(weights_LHTS > 0, weights_LHTS, 1.0))).sum(axis=-1)
    coverage_LHS = np.minimum(weights_LHTS[..., columns].sum(axis=2), 1.0)
    sparsity_L = (weights_LHTS < SPARSE_BELOW).mean(axis=(1, 2, 3))
    return np.stack((entropy_LHT.mean(axis=(1, 2)), sparsity_L, sink_LH.mean(axis=1), coverage_LHS.mean(axis=(1, 2))))
