"""Token cut-off: sentences with tokens cut off are learned beside the whole ones (Shen et al. 2020)."""

from __future__ import annotations

from torch import Tensor, nn

from mt.objective.label_smoothing import plain_cross_entropy
from mt.objective.token_cuts import ComparedWithCuts
from mt.objective.two_passes import check_weight, divergence_to_the_mean, log_probs

# C tokens of one chunk, V vocabulary


class CutOff(ComparedWithCuts):
    """(CE(whole) + cut_weight * CE(cut)) / (1 + cut_weight) + alpha * JS(whole, cut).

    CE is the label-smoothed cross-entropy, JS the Jensen-Shannon divergence of what is predicted from the whole
    sentences and from those with a share `rate` of the tokens of both sides cut off. The paper adds the two
    cross-entropies up; their mean lets the length of a gradient compare with that of other objectives. "nats" is that
    of the whole sentences; "divergence" comes with it. Logits of `chunk_tokens` target tokens are held at once, and
    computed again in the backward pass.
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        cut_weight: float = 1.0,
        rate: float = 0.05,
        smoothing: float = 0.1,
        chunk_tokens: int = 512,
    ):
        super().__init__(
            alpha=alpha, rate=rate, smoothing=smoothing, chunk_tokens=chunk_tokens, usual_alpha="1 is usual"
        )
        check_weight("cut_weight", cut_weight, "1 is usual")
        self.cut_weight = cut_weight

    def _sums(self, output: nn.Linear, *passes: Tensor) -> tuple[Tensor, ...]:
        log_p_CV, log_q_CV, targets_C = log_probs(output, *passes)
        whole, cut = (plain_cross_entropy(log_probs, targets_C, self.smoothing) for log_probs in (log_p_CV, log_q_CV))
        smoothed = (whole.smoothed_nats + self.cut_weight * cut.smoothed_nats) / (1.0 + self.cut_weight)
        return smoothed, whole.plain_nats, divergence_to_the_mean(log_p_CV, log_q_CV)
