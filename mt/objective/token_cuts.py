"""Token cut-off: the embeddings of some tokens of both sides become zero (Shen et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.draws import uniform
from mt.objective.label_smoothing import check_settings
from mt.objective.teacher_forcing import teacher_forcing
from mt.objective.two_passes import check_weight, summed

# B batch, T length of a side, N real target tokens, D model


def whole_and_cut(model: Seq2Seq, batch: Batch, rate: float) -> tuple[Tensor, Tensor, Tensor]:
    """states_ND of the whole sentences, states_ND of those with tokens cut off, and targets_N."""
    states_ND, targets_N = teacher_forcing(model, batch)
    with cut_tokens(model, batch, rate):
        cut_states_ND, _ = teacher_forcing(model, batch)
    return states_ND, cut_states_ND, targets_N


@contextmanager
def cut_tokens(
    model: Seq2Seq, batch: Batch, rate: float, sides: Sequence[str] = ("source", "target")
) -> Iterator[None]:
    """Inside the block, every token of the batch is read as zeros with probability `rate`, on these sides.

    Its position stays. Which tokens these are depends on the pairs' keys alone.
    """

    def cut(stream: int):
        def hook(module: nn.Module, arguments: tuple, states_BTD: Tensor) -> Tensor:
            is_kept_BT = uniform(batch.keys_B, states_BTD.shape[1], stream=stream) >= rate
            return states_BTD * is_kept_BT.unsqueeze(-1)

        return hook

    embeddings = {"source": model.source_embedding, "target": model.target_embedding}
    hooks = [
        embedding.tokens.register_forward_hook(cut(stream))
        for stream, (side, embedding) in enumerate(embeddings.items())
        if side in sides and embedding is not None
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_rate(rate: float, usual: str = "0.05") -> None:
    """Raises ValueError naming the setting, its rule and value."""
    if not 0.0 < rate < 1.0:
        raise ValueError(f"objective.rate ({rate}) must be above 0 and below 1; {usual} is usual")


class ComparedWithCuts:
    """What objectives share that compare whole sentences with those that have tokens cut off.

    `_sums` gives, of a chunk, what is minimised beside the divergence, the negative log-likelihood of the whole
    sentences, and the divergence, which counts `alpha` times.
    """

    def __init__(self, *, alpha: float, rate: float, smoothing: float, chunk_tokens: int, usual_alpha: str):
        check_settings(smoothing, chunk_tokens)
        check_weight("alpha", alpha, usual_alpha)
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
        raise NotImplementedError
