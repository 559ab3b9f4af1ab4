"""Word drop: the decoder does not see some of its words, so that it must look at the source (Bowman et al. 2016)."""

from __future__ import annotations

from mt.data.batching import Batch
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.token_cuts import check_rate, cut_tokens


class WordDrop(LabelSmoothedCrossEntropy):
    """Label-smoothed cross-entropy; the decoder reads each target token as zeros with probability `rate`.

    All tokens are still predicted. Which ones are not read depends on the pairs' keys alone. A decoder that knows which
    words usually follow one another can predict without looking; word by word, this takes that knowledge away.
    Validation reads all tokens.
    """

    def __init__(self, *, rate: float = 0.2, smoothing: float = 0.1, chunk_tokens: int = 512):
        super().__init__(smoothing=smoothing, chunk_tokens=chunk_tokens)
        check_rate(rate)
        self.rate = rate

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        if not model.training:
            return super().__call__(model, batch)
        with cut_tokens(model, batch, self.rate, sides=("target",)):
            return super().__call__(model, batch)
