"""R-Drop: two passes with different dropout are to predict the same (Liang et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mt.attention.dropout import Dropout
from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.kernels.cross_entropy import cross_entropy_of_two_
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.fused import fused_loss
from mt.objective.label_smoothing import check_settings
from mt.objective.teacher_forcing import teacher_forcing
from mt.objective.two_passes import check_weight

# N real target tokens, C tokens of one chunk, D model, V vocabulary


@dataclass(frozen=True)
class RowsOfTwo:
    """The loss of logits of two passes, in nats: what is minimised, the plain cross-entropy, and their divergence."""

    smoothing: float
    weight: float  # of the divergence

    @property
    def constant(self) -> float:
        return self.smoothing / 2

    def __call__(self, logits_CV: Sequence[Tensor], targets_C: Tensor, *, has_gradient: bool) -> tuple[Tensor, ...]:
        p_CV, q_CV = logits_CV
        plain, uniform, divergence = cross_entropy_of_two_(
            p_CV, q_CV, targets_C, self.smoothing, self.weight, has_gradient=has_gradient
        )
        smoothed = (1.0 - self.smoothing) * plain + self.smoothing * uniform
        return smoothed + self.weight * divergence, plain, divergence


class RDrop:
    """The mean label-smoothed cross-entropy of two passes + alpha / 2 * their symmetric divergence.

    The divergence of a target token is (KL(p || q) + KL(q || p)) / 2, where p and q are what the two passes predict.
    This is half of the paper's loss, which adds the cross-entropies up: alpha means the same, and the length of a
    gradient compares with that of other objectives. "nats" is the mean of both passes; "divergence" comes with it.

    Logits of `chunk_tokens` target tokens are held at once, those of both passes (`mt.objective.fused`).
    """

    def __init__(self, *, alpha: float = 5.0, smoothing: float = 0.1, chunk_tokens: int = 512):
        check_settings(smoothing, chunk_tokens)
        check_weight("alpha", alpha, "1 to 5 are usual")
        self.alpha, self.smoothing, self.chunk_tokens = alpha, smoothing, chunk_tokens

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        states_ND, targets_N = teacher_forcing(model, batch)
        other_states_ND, _ = teacher_forcing(model, batch)
        rows = RowsOfTwo(self.smoothing, 0.5 * self.alpha)
        passes = [states_ND, other_states_ND]
        minimised, plain, divergence = fused_loss(rows, passes, model.output, targets_N, self.chunk_tokens)
        return Loss(minimised, {"nats": plain, "divergence": divergence}, {})

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a model without any dropout, whose two passes would be the same."""
        if not any(isinstance(part, Dropout) and part.rate > 0.0 for part in model.modules()):
            raise ValueError(
                "objective (r_drop) compares two passes with different dropout, so model.layer.dropout or"
                " model.layer.attention_dropout must be above 0"
            )

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """All will do."""
