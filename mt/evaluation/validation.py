"""Validation during training: loss on references, BLEU and chrF of translations, statistics of attention."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mt.checkpoint.validation import Validation
from mt.data.batching import TokenBatches
from mt.data.document import apart
from mt.data.held_out import HeldOut
from mt.data.several import another_picture
from mt.device import mixed_precision
from mt.evaluation.alignment_reference import Reference
from mt.evaluation.attention_probe import AttentionProbe
from mt.evaluation.captions import true_share, truths_of
from mt.evaluation.scores import score, zero_bleu
from mt.evaluation.tokenization import Tokenization
from mt.inference.request import held_out_requests
from mt.inference.translator import Translator
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.search.search import Search

log = logging.getLogger(__name__)

LEAST_GAIN = 0.01  # nats a token: below, a model does not use its pictures
ATTENTION = "attention"  # its pictures, and the folder that they are in


class Validator:
    """Scores a model on held-out text; `sample_lines` of it are shown with their translations.

    With `attention_lines`, attention is observed on that many sentences of the `reference`; the maps stored in
    `folder`/attention are read by the next validation. `language` is that of captions without a tag.
    """

    def __init__(
        self,
        held_out: HeldOut,
        batches: TokenBatches,
        *,
        search: Search,
        tokenization: Tokenization,
        reference: Callable[[], Reference],
        folder: Path,
        sample_lines: int = 3,
        attention_lines: int = 100,
        language: str = "",
    ):
        self.held_out, self.batches, self.search = held_out, batches, search
        self.tokenization, self._has_warned = tokenization, False
        self.sentences = [apart(source)[1] for source in held_out.sources]  # without their context
        self.probe = (
            AttentionProbe(reference, lines=attention_lines, folder=folder / ATTENTION) if attention_lines else None
        )
        self._truths = truths_of(held_out, language) if held_out.images is not None else None
        # spread over the set, the same at every validation, so that one can watch them improve
        step = max(1, len(held_out) // max(1, sample_lines))
        self.sample_indices = list(range(0, len(held_out), step))[:sample_lines]

    def __call__(self, translator: Translator, step: int) -> Validation:
        """Loss in nats a target token, perplexity, bleu, chrf, share of copied sources, alignment error (0 to 100)."""
        losses = self.losses(translator)
        held_out = self.held_out
        translations = translator.translate(held_out_requests(held_out), search=self.search)
        texts = [translation.text for translation in translations]
        tokenize, ter = self.tokenization.tokenize, self.tokenization.ter
        scores = score(texts, [held_out.targets], metrics=("bleu", "chrf"), tokenize=tokenize, ter=ter)
        warning = zero_bleu(scores)
        if warning and not self._has_warned:
            log.warning("validation: %s", warning)
            self._has_warned = True
        numbers = {
            "loss": losses[0],
            "perplexity": math.exp(min(losses[0], 700.0)),
            "bleu": scores.bleu,
            "chrf": scores.chrf,
            "copied": sum(_is_copy(*pair) for pair in zip(texts, self.sentences, strict=True)) / len(texts),
        }
        numbers |= self._of_pictures(texts, losses)
        look = self.probe(translator, step) if self.probe else None
        samples, about_scores = self._samples(texts), scores.about()
        if look is None:
            return Validation(numbers=numbers, samples=samples, about_scores=about_scores)
        if look.alignment_error is not None:
            numbers["alignment_error"] = look.alignment_error
        return Validation(
            numbers=numbers,
            samples=samples,
            about_scores=about_scores,
            details=look.numbers,
            pictures={ATTENTION: look.draw},
        )

    @torch.inference_mode()
    def losses(self, translator: Translator) -> list[float]:
        """Mean negative log-likelihood in nats of a reference token, EOS included, without smoothing.

        For a model that sees, the second one is that with the pictures of other sentences.
        """
        model, nats, num_tokens = translator.model, [0.0] * (1 + (translator.model.image is not None)), 0
        likelihood = LabelSmoothedCrossEntropy(smoothing=0.0)
        for batch in self.batches.once():
            batch = batch.to(translator.device)
            others = [batch, replace(batch, source=another_picture(batch.source))]
            for number in range(len(nats)):
                with mixed_precision(translator.device, translator.dtype):
                    nats[number] += float(likelihood(model, others[number]).sums["nats"])
            num_tokens += batch.num_tokens
        return [total / num_tokens for total in nats]

    def _of_pictures(self, texts: Sequence[str], losses: Sequence[float]) -> dict[str, float]:
        """What the right picture gains, in nats a token, and the share of true captions where it is known."""
        if len(losses) == 1:
            return {}
        gain = losses[1] - losses[0]
        if gain < LEAST_GAIN:
            log.warning(
                "validation: the right picture gains %.3f nats a token over another one: the model ignores pictures",
                gain,
            )
        share = None if self._truths is None else true_share(texts, self._truths)
        return {"picture_gain": gain, **({} if share is None else {"true_captions": share})}

    def _samples(self, texts: Sequence[str]) -> list[str]:
        held_out = self.held_out
        return [f"{held_out.sources[i]} -> {texts[i]} (reference: {held_out.targets[i]})" for i in self.sample_indices]


def _is_copy(text: str, source: str) -> bool:
    # lines of only names and numbers are correctly copied
    return text.strip() == source.strip() and len(source.split()) > 2
