"""Of a line's translations the one nearest to its reference, by chrF (Kim and Rush 2016, "sequence interpolation")."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics import CHRF

from mt.inference.translation import Candidate

CHRF_OF_SENTENCES = CHRF()


def nearest(candidates: Sequence[Candidate], reference: str | None) -> Candidate:
    """The candidate with the highest sentence chrF2 to the reference, of equals the first; the first without one."""
    if not reference or len(candidates) == 1:
        return candidates[0]
    scores = [CHRF_OF_SENTENCES.sentence_score(one.text, [reference]).score for one in candidates]
    return candidates[scores.index(max(scores))]
