"""R-Drop: two passes with different dropout are to predict the same (Liang et al. 2021)."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from mt.attention.dropout import Dropout
from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.label_smoothing import check_settings, plain_cross_entropy
from mt.objective.teacher_forcing import teacher_forcing
from mt.objective.two_passes import check_weight, log_probs, summed, symmetric_divergence

# N real target tokens, C tokens of one chunk, D model, V vocabulary


class RDrop:
    """The mean label-smoothed cross-entropy of two passes + alpha / 2 * their symmetric divergence.

    The divergence of a target token is (KL(p || q) + KL(q || p)) / 2, where p and q are what the two passes predict.
    This is half of the paper's loss, which adds the cross-entropies up: alpha means the same, and the length of a
    gradient compares with that of other objectives. "nats" is the mean of both passes; "divergence" comes with it.

    Logits of `chunk_tokens` target tokens are held at once, and computed again in the backward pass.
    """

    def __init__(self, *, alpha: float = 5.0, smoothing: float = 0.1, chunk_tokens: int = 512):
        check_settings(smoothing, chunk_tokens)
        check_weight("alpha", alpha, "1 to 5 are usual")
        self.alpha, self.smoothing, self.chunk_tokens = alpha, smoothing, chunk_tokens

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        states_ND, targets_N = teacher_forcing(model, batch)
        other_states_ND, _ = teacher_forcing(model, batch)
        passes = states_ND, other_states_ND, targets_N
        smoothed, plain, divergence = summed(partial(self._sums, model.output), passes, self.chunk_tokens)
        minimised = smoothed + 0.5 * self.alpha * divergence
        return Loss(minimised, {"nats": plain.detach(), "divergence": divergence.detach()}, {})

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a model without any dropout, whose two passes would be the same."""
        if not any(isinstance(part, Dropout) and part.rate > 0.0 for part in model.modules()):
            raise ValueError(
                "objective (r_drop) compares two passes with different dropout, so model.layer.dropout or"
                " model.layer.attention_dropout must be above 0"
            )

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """All will do."""

    def _sums(self, output: nn.Linear, *passes: Tensor) -> tuple[Tensor, ...]:
        """Smoothed and plain cross-entropy, each the mean of both passes, and their divergence, in nats."""
        log_p_CV, log_q_CV, targets_C = log_probs(output, *passes)
        one, other = (plain_cross_entropy(log_probs, targets_C, self.smoothing) for log_probs in (log_p_CV, log_q_CV))
        return (
            (one.smoothed_nats + other.smoothed_nats) / 2,
            (one.plain_nats + other.plain_nats) / 2,
            symmetric_divergence(log_p_CV, log_q_CV),
        )
