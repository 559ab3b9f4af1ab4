"""How often a head's map and erasure name the same source word: what a head shows against what the model uses.

The same is counted for contributions, where they are defined for the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.alignment.alignment import (
    CONTRIBUTIONS,
    ERASURE,
    SHIFTS,
    SIGNALS,
    SPECIAL_PIECES,
    RawAttention,
    without_specials,
)
from mt.alignment.words import Words, weights_by_words, words_of

# C signals and shifts, L layers, H heads, T target words, S source words


@dataclass(frozen=True, eq=False)
class ErasureAgreement:
    """Counts over target words that erasure links: of all, and of those where a map has the same best source word.

    `same_contributions`: of those where contributions have it; None where they were not computed.
    """

    num_words: int
    same_CLH: np.ndarray
    signals: tuple[str, ...]
    same_contributions: int | None = None

    @classmethod
    def of(cls, raw: RawAttention, source_text: str, target_text: str) -> ErasureAgreement:
        """The counts of one line, for each signal that `raw` has, each shift, layer and head."""
        signals = SIGNALS if raw.norms_LHS is not None else SIGNALS[:1]
        source, target = (
            words_of([piece for piece in pieces if piece not in SPECIAL_PIECES], text)
            for pieces, text in ((raw.source_pieces, source_text), (raw.target_pieces, target_text))
        )
        erasure_TS = _by_words(raw, raw.signal(ERASURE)[0, 0], 0, source, target)
        used_T = erasure_TS.any(axis=1)
        best_T = erasure_TS.argmax(axis=1)[used_T]

        def same(weights: np.ndarray, shift: int) -> np.ndarray:
            return (_by_words(raw, weights, shift, source, target).argmax(axis=-1)[..., used_T] == best_T).sum(-1)

        of_heads = [same(raw.signal(signal), shift) for signal in signals for shift in SHIFTS]
        has_contributions = raw.contributions_TS is not None
        of_model = int(same(raw.signal(CONTRIBUTIONS)[0, 0], 0)) if has_contributions else None
        return cls(int(used_T.sum()), np.array(of_heads), signals, of_model)

    def __add__(self, other: ErasureAgreement) -> ErasureAgreement:
        signals = self.signals[: min(len(self.signals), len(other.signals))]
        most = len(signals) * len(SHIFTS)
        counts = self.same_contributions, other.same_contributions
        return ErasureAgreement(
            self.num_words + other.num_words,
            self.same_CLH[:most] + other.same_CLH[:most],
            signals,
            None if None in counts else sum(count for count in counts if count is not None),
        )

    def to_json(self) -> dict[str, Any]:
        """The share for each signal, shift, layer and head, the best of them, and of contributions; to 4 decimals."""
        shares_CLH = np.round(self.same_CLH / max(self.num_words, 1), 4)
        found: dict[str, Any] = {"words": self.num_words, "nearest": self.nearest()}
        for number, signal in enumerate(self.signals):
            found[signal] = {str(shift): shares_CLH[number * len(SHIFTS) + shift].tolist() for shift in SHIFTS}
        if self.same_contributions is not None:
            found[CONTRIBUTIONS] = round(self.same_contributions / max(self.num_words, 1), 4)
        return found

    def nearest(self) -> dict[str, Any]:
        """Signal, shift, layer and head of the map that agrees most, and its share."""
        of, layer, head = (int(place) for place in np.unravel_index(self.same_CLH.argmax(), self.same_CLH.shape))
        share = round(float(self.same_CLH[of, layer, head]) / max(self.num_words, 1), 4)
        at = {"signal": self.signals[of // len(SHIFTS)], "shift": of % len(SHIFTS), "layer": layer, "head": head}
        return {**at, "share": share}

    def describe(self) -> str:
        """The head that agrees most, and contributions, as one line."""
        at = self.nearest()
        of_model = ""
        if self.same_contributions is not None:
            of_model = f"; contributions: for {100 * self.same_contributions / max(self.num_words, 1):.1f} %"
        return (
            f"the head nearest to erasure: layer {at['layer']}, head {at['head']}, shift {at['shift']}, {at['signal']}:"
            f" the same source word for {100 * at['share']:.1f} % of {self.num_words} words{of_model}"
        )


def _by_words(raw: RawAttention, weights: np.ndarray, shift: int, source: Words, target: Words) -> np.ndarray:
    weights_TS, _ = without_specials(weights, raw.source_pieces, raw.target_pieces, shift=shift)
    return weights_by_words(weights_TS, source, target)
