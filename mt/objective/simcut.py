"""SimCut: a sentence with some tokens cut off is to be predicted like the whole one (Gao et al. 2022)."""

from __future__ import annotations

from torch import Tensor, nn

from mt.objective.label_smoothing import plain_cross_entropy
from mt.objective.token_cuts import ComparedWithCuts
from mt.objective.two_passes import divergence, log_probs

# C tokens of one chunk, V vocabulary


class SimCut(ComparedWithCuts):
    """Label-smoothed cross-entropy + alpha * KL(p || q): p from the whole sentences, q from those with tokens cut off.

    The gradient goes through both, as in the paper. `rate` is the share of tokens that are cut off, on both sides.
    "nats" is that of the whole sentences; "divergence" comes with it. Logits of `chunk_tokens` target tokens are held
    at once, and computed again in the backward pass.
    """

    def __init__(self, *, alpha: float = 3.0, rate: float = 0.05, smoothing: float = 0.1, chunk_tokens: int = 512):
        super().__init__(
            alpha=alpha, rate=rate, smoothing=smoothing, chunk_tokens=chunk_tokens, usual_alpha="2 to 3 are usual"
        )

    def _sums(self, output: nn.Linear, *passes: Tensor) -> tuple[Tensor, ...]:
        log_p_CV, log_q_CV, targets_C = log_probs(output, *passes)
        loss = plain_cross_entropy(log_p_CV, targets_C, self.smoothing)
        return loss.smoothed_nats, loss.plain_nats, divergence(log_p_CV, log_q_CV)
