"""Label-smoothed cross-entropy, with a fused form that never holds all logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.kernels.cross_entropy import cross_entropy_
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.fused import fused_loss
from mt.objective.teacher_forcing import teacher_forcing

# N target tokens (padding left out), D model, V vocabulary, C tokens of one chunk


@dataclass(frozen=True)
class CrossEntropy:
    """Sums in nats over target tokens: `smoothed` has the gradient, `plain` is the negative log-likelihood."""

    smoothed_nats: Tensor
    plain_nats: Tensor


@dataclass(frozen=True)
class SmoothedRows:
    """The loss of logits of one pass: smoothed and plain nats."""

    smoothing: float

    @property
    def constant(self) -> float:
        return self.smoothing

    def __call__(self, logits_CV: Sequence[Tensor], targets_C: Tensor, *, has_gradient: bool) -> tuple[Tensor, ...]:
        plain, uniform = cross_entropy_(logits_CV[0], targets_C, self.smoothing, has_gradient=has_gradient)
        return (1.0 - self.smoothing) * plain + self.smoothing * uniform, plain


class LabelSmoothedCrossEntropy:
    """Cross-entropy against (1 - smoothing) * one-hot + smoothing / V (Szegedy et al. 2016; Vaswani et al. 2017).

    Logits of `chunk_tokens` target tokens are held at once (`mt.objective.fused`). `plain_cross_entropy` is the oracle.
    """

    def __init__(self, *, smoothing: float = 0.1, chunk_tokens: int = 512):
        check_settings(smoothing, chunk_tokens)
        self.smoothing, self.chunk_tokens = smoothing, chunk_tokens

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        states_ND, targets_N = teacher_forcing(model, batch)
        loss = self.cross_entropy(states_ND, model.output, targets_N)
        return Loss(loss.smoothed_nats, {"nats": loss.plain_nats}, {})

    def check(self, model: Seq2Seq) -> None:
        """Every model will do."""

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """All will do."""

    def cross_entropy(self, states_ND: Tensor, output: nn.Linear, targets_N: Tensor) -> CrossEntropy:
        """Of N target tokens, given the decoder's states and the output projection (which has no bias)."""
        rows = SmoothedRows(self.smoothing)
        return CrossEntropy(*fused_loss(rows, [states_ND], output, targets_N, self.chunk_tokens))


def check_settings(smoothing: float, chunk_tokens: int) -> None:
    """Raises ValueError naming the setting, its rule and value."""
    if not 0.0 <= smoothing < 1.0:
        raise ValueError(f"objective.smoothing ({smoothing}) must be at least 0 and below 1")
    if chunk_tokens < 1:
        raise ValueError(f"objective.chunk_tokens ({chunk_tokens}) must be at least 1")


def plain_cross_entropy(log_probs_NV: Tensor, targets_N: Tensor, smoothing: float) -> CrossEntropy:
    """The definition, on the log-probabilities (float32) of the whole vocabulary."""
    plain = -log_probs_NV.gather(1, targets_N[:, None]).sum()
    uniform = -log_probs_NV.mean(dim=-1).sum()
    return CrossEntropy((1.0 - smoothing) * plain + smoothing * uniform, plain.detach())
