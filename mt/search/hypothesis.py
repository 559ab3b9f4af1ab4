"""One finished translation as token ids, with its probability and score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mt.search.length_penalty import length_penalty


@dataclass(frozen=True)
class Hypothesis:
    """Token ids that a search found for one sentence.

    ids              tokens without BOS and EOS
    log_prob         natural logarithm of the model's probability of the ids and EOS; -inf where nothing was allowed
    score            log_prob / length_penalty(number of ids + 1, alpha): hypotheses are ranked by it
    is_finished      False where the length limit ended it although another token was more likely than EOS
    token_log_probs  of each id and, last, of EOS; they sum to log_prob; empty where nothing was allowed
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float
    is_finished: bool
    token_log_probs: tuple[float, ...] = ()

    @classmethod
    def of(cls, ids: Sequence[int], totals: Sequence[float], *, alpha: float, is_finished: bool) -> Hypothesis:
        """The hypothesis of these ids, scored; `totals` are its log-probabilities after each token, EOS included."""
        steps = (after - before for before, after in zip((0.0, *totals), totals, strict=False))
        score = totals[-1] / length_penalty(len(ids) + 1, alpha)
        return cls(tuple(ids), totals[-1], score, is_finished, tuple(steps))

    @classmethod
    def impossible(cls, ids: Sequence[int], *, alpha: float) -> Hypothesis:
        """The hypothesis of a sentence for which no token was allowed after these."""
        return cls(tuple(ids), -math.inf, -math.inf / length_penalty(len(ids) + 1, alpha), is_finished=False)
