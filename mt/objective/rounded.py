"""Training with rounded weights, so that a model loses less when its weights become 8-bit integers.

After Jacob et al. 2018: every pass uses the matrices as they would be stored, and their gradients go to the weights as
they are (straight through; Bengio et al. 2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.rounded import RoundedMatrix
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective


class RoundedWeights:
    """Another objective, whose passes see every product and embedding rounded to 255 steps for each output row.

    What the inner objective computes again in the backward pass (the logits of some) sees the weights as they are.
    """

    def __init__(self, *, inner: Objective):
        self.inner = inner

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        with rounded_passes(model):
            return self.inner(model, batch)

    def check(self, model: Seq2Seq) -> None:
        """As the inner objective does."""
        self.inner.check(model)

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """As the inner objective does."""
        self.inner.check_tokenizers(tokenizers)


@contextmanager
def rounded_passes(model: nn.Module) -> Iterator[None]:
    """Inside the block, matrices are what they would be after rounding; their gradients are those of the weights."""
    parts = [part for part in model.modules() if isinstance(part, (nn.Linear, nn.Embedding))]
    before = [part._parameters["weight"] for part in parts]
    made: dict[int, Tensor] = {}  # tied matrices stay one
    try:
        for part, weight in zip(parts, before, strict=True):
            assert weight is not None
            if id(weight) not in made:
                made[id(weight)] = weight + (RoundedMatrix(weight).floats() - weight).detach()
            part._parameters["weight"] = made[id(weight)]  # type: ignore[assignment]  # as torch.func does it
        yield
    finally:
        for part, weight in zip(parts, before, strict=True):
            part._parameters["weight"] = weight
