"""One finished translation as token ids, with its probability and score."""

from dataclasses import dataclass


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
