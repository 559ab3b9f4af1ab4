"""Validation during training: the loss on given references, and BLEU and chrF of the model's own translations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from mt.data.batching import TokenBatches
from mt.data.held_out import HeldOut
from mt.device import mixed_precision
from mt.evaluation.scores import score
from mt.inference.translator import Translator
from mt.search.search import Search


class Validator:
    """Scores a model on held-out text; `sample_lines` of it are shown as they are translated."""

    def __init__(self, held_out: HeldOut, batches: TokenBatches, *, search: Search, sample_lines: int = 3):
        self.held_out, self.batches, self.search = held_out, batches, search
        # spread over the set, the same at every validation, so that one can watch them mend
        step = max(1, len(held_out) // max(1, sample_lines))
        self.sample_indices = list(range(0, len(held_out), step))[:sample_lines]

    def __call__(self, translator: Translator) -> tuple[dict[str, float], list[str]]:
        """(loss in nats per target token, perplexity, bleu, chrf, share of copied sources; sample lines to show)."""
        loss = self.loss(translator)
        texts = [translation.text for translation in translator.translate(self.held_out.sources, search=self.search)]
        scores = score(texts, [self.held_out.targets], metrics=("bleu", "chrf"))
        numbers = {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "bleu": scores.bleu,
            "chrf": scores.chrf,
            "copied": sum(map(_is_copy, texts, self.held_out.sources)) / len(texts),
        }
        return numbers, self._samples(texts)

    @torch.inference_mode()
    def loss(self, translator: Translator) -> float:
        """Mean negative log-likelihood in nats of a reference token, EOS included, without smoothing."""
        model, nats, num_tokens = translator.model, 0.0, 0
        for batch in self.batches.once():
            batch = batch.to(translator.device)
            with mixed_precision(translator.device, translator.dtype):
                logits_BTV = model.output(model(batch.source_BS, batch.target_in_BT))
            nats += float(
                nn.functional.cross_entropy(
                    logits_BTV.float().flatten(0, 1),
                    batch.target_out_BT.flatten(),
                    ignore_index=model.pad,
                    reduction="sum",
                )
            )
            num_tokens += batch.num_tokens
        return nats / num_tokens

    def _samples(self, texts: Sequence[str]) -> list[str]:
        held_out = self.held_out
        return [f"{held_out.sources[i]} -> {texts[i]} (reference: {held_out.targets[i]})" for i in self.sample_indices]


def _is_copy(text: str, source: str) -> bool:
    # names and numbers alone are rightly the same
    return text.strip() == source.strip() and len(source.split()) > 2
