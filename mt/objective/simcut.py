"""SimCut: a sentence with some tokens cut off is to be predicted like the whole one (Gao et al. 2022)."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.label_smoothing import check_settings, plain_cross_entropy
from mt.objective.token_cuts import check_rate, whole_and_cut
from mt.objective.two_passes import check_weight, divergence, log_probs, summed

# C tokens of one chunk, V vocabulary


class SimCut:
    """Label-smoothed cross-entropy + alpha * KL(p || q): p from the whole sentences, q from those with tokens cut off.

    The gradient goes through both, as in the paper. `rate` is the share of tokens that are cut off, on both sides.
    "nats" is that of the whole sentences; "divergence" comes with it. Logits of `chunk_tokens` target tokens are held
    at once, and computed again in the backward pass.
    """

    def __init__(self, *, alpha: float = 3.0, rate: float = 0.05, smoothing: float = 0.1, chunk_tokens: int = 512):
        check_settings(smoothing, chunk_tokens)
        check_weight("alpha", alpha, "2 to 3 are usual")
        check_rate(rate)
        self.alpha, self.rate, self.smoothing, self.chunk_tokens = alpha, rate, smoothing, chunk_tokens

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        passes = whole_and_cut(model, batch, self.rate)
        smoothed, plain, apart = summed(partial(self._sums, model.output), passes, self.chunk_tokens)
        return Loss(smoothed + self.alpha * apart, {"nats": plain.detach(), "divergence": apart.detach()}, {})

    def check(self, model: Seq2Seq) -> None:
        """Every model will do."""

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """All will do."""

    def _sums(self, output: nn.Linear, *passes: Tensor) -> tuple[Tensor, ...]:
        log_p_CV, log_q_CV, targets_C = log_probs(output, *passes)
        loss = plain_cross_entropy(log_p_CV, targets_C, self.smoothing)
        return loss.smoothed_nats, loss.plain_nats, divergence(log_p_CV, log_q_CV)
