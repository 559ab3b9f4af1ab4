"""Contrast: texts lie close to their own pictures or sounds, and far from others (InfoNCE, as in CLIP and CoCa)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from mt.data.batching import Batch
from mt.data.tokenizer import PAD, TokenizerPair
from mt.data.whole_update import Rows, over_the_update
from mt.model.seq2seq import Seq2Seq
from mt.model.shared_space import SharedSpace
from mt.objective.contract import Loss, Objective
from mt.objective.distillation import check_weight
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.pairs import Pairs, true_pairs

# N pairs that have a picture (or sound)


class Contrastive:
    """Another objective, and beside it the symmetric InfoNCE between texts and their pictures (or sounds).

    A text is the target, read by the decoder beside an empty source (as in CoCa, Yu et al. 2022: one decoder); a
    picture is what its encoder made of it in the inner objective's first pass. Both are projected into the model's
    shared space (`mt.model.shared_space`). Of N pairs, for text n

        -mean over positives m of log(exp(scale * similarity_nm) / sum over k of exp(scale * similarity_nk)),

    and the same for picture n, of both the mean. Positives are pairs with an equal text or an equal picture (Khosla et
    al. 2020, "Supervised Contrastive Learning", L_out); that a text is true of another picture in other words is not
    known. The N pairs are those of the whole update, on all ranks. It counts `weight` times, as a mean over pairs
    beside the mean over target tokens, and is reported as "contrast", in nats a pair.

    The texts are also predicted without their pictures, `alone` times ("text_alone", nats a token), so that it is
    known how likely a text is by itself: retrieval compares with that. A pair without a picture adds nothing.
    """

    relates_pairs = True

    def __init__(self, *, inner: Objective, weight: float = 0.5, alone: float = 0.1):
        check_weight(weight)
        if not 0 <= alone < float("inf"):
            raise ValueError(f"objective.alone ({alone}) must be at least 0 and finite")
        self.inner, self.weight, self.alone = inner, weight, alone
        self._cross_entropy = LabelSmoothedCrossEntropy(smoothing=0.0).cross_entropy

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        return self._loss(model, batch, Pairs.of(model, batch, self.inner))

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a model without a shared space."""
        if model.space is None:
            raise ValueError(
                "objective (contrastive) needs a model with a space that texts share with pictures or sounds:"
                " +space@model.space=shared"
            )
        self.inner.check(model)

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """As the inner objective does."""
        self.inner.check_tokenizers(tokenizers)

    def _loss(self, model: Seq2Seq, batch: Batch, pairs: Pairs) -> Loss:
        """The inner loss and what comes beside it."""
        assert model.space is not None
        is_real_NT = pairs.targets_NT != PAD
        states_ND, targets_N = pairs.states_NTD[is_real_NT], pairs.targets_NT[is_real_NT]
        alone = self._cross_entropy(states_ND, model.output, targets_N).smoothed_nats
        minimised = pairs.loss.minimised + self.alone * alone
        loss_of = partial(contrasted, model.space, weight=self.weight)
        contrast, count = minimised.new_zeros(()), minimised.new_zeros(())
        for name, rows in pairs.rows.items():
            with torch.autocast(minimised.device.type, enabled=False):
                found = over_the_update(batch.part, name, rows, loss_of)
            minimised = minimised + found["minimised"].sum()
            contrast, count = contrast + found["contrast"].sum().detach(), count + len(found["contrast"])
        return Loss(
            minimised,
            {**pairs.loss.sums, "contrast": contrast, "text_alone": alone.detach()},
            {**pairs.loss.counts, "contrast": count, "text_alone": is_real_NT.sum()},
        )


def contrasted(space: SharedSpace, rows: Rows, *, weight: float) -> dict[str, Tensor]:
    """ "contrast" of each pair, in nats, and "minimised": that, times `weight` and the mean number of target tokens."""
    logits_NN = rows["scale"].mean() * space.similarities(rows["text"], rows["is_word"], rows["thing"])
    is_true_NN = true_pairs(rows, rows)
    share_NN = is_true_NN / is_true_NN.sum(dim=1, keepdim=True)  # true pairs are so in both directions
    nats_N = -(share_NN * (logits_NN.log_softmax(dim=1) + logits_NN.T.log_softmax(dim=1))).sum(dim=1) / 2
    return {"minimised": weight * rows["tokens"].mean() * nats_N, "contrast": nats_N.detach()}
