"""Distillation of attention: where a student's cross-attention looks, its teacher's looks (after Jiao et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.distillation import check_temperature, check_weight
from mt.objective.teacher import Teachers, layer_of_teacher
from mt.objective.teacher_forcing import tapped, teacher_forcing

# B batch, H heads, T target positions, S source length, N real target tokens, A maps: heads, or 1 for their mean

HEADS = ("mean", "matched")
LEAST = 1e-9  # of a weight in a logarithm


class Maps:
    """A tap that keeps the cross-attention weights of every layer."""

    def __init__(self) -> None:
        self.layers: dict[int, Tensor] = {}  # weights_BHTS

    def needs(self, layer: int) -> bool:
        return True

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        self.layers[layer] = weights_BHTS.float()


class AttentionDistillation:
    """Another objective, and beside it KL(teacher's map || student's map) of every decoder layer's cross-attention.

    Each layer of the student is taught by a layer of the teacher, evenly spread. `heads` "mean" compares the means of
    the heads, "matched" head by head, which needs as many heads. Maps are sharpened (below 1) or softened by
    `temperature`: weights ** (1 / temperature), normalized again. "attention_divergence" is the mean over layers and
    heads, summed over target tokens, without `weight`. The first teacher alone teaches.
    """

    def __init__(
        self,
        *,
        inner: Objective,
        teacher: Teachers,
        weight: float = 1.0,
        temperature: float = 1.0,
        heads: str = "mean",
    ):
        check_weight(weight)
        check_temperature(temperature)
        if heads not in HEADS:
            raise ValueError(f"objective.heads ({heads}) must be one of {', '.join(HEADS)}")
        self.inner, self.teacher, self.weight = inner, teacher, weight
        self.temperature, self.heads = temperature, heads

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        student, taught = Maps(), Maps()
        with tapped(model, student):
            loss = self.inner(model, batch)
        [teacher, *_] = self.teacher.models(batch.target_in_BT.device)
        with torch.no_grad(), tapped(teacher, taught):
            teacher_forcing(teacher, batch)
        own, other = len(model.decoder.layers), len(teacher.decoder.layers)
        parts = [
            map_divergence(
                self._maps(taught.layers[layer_of_teacher(layer, own, other)], batch),
                self._maps(student.layers[layer], batch),
            )
            for layer in range(own)
        ]
        divergence = torch.stack(parts).mean()
        return Loss(
            loss.minimised + self.weight * divergence,
            {**loss.sums, "attention_divergence": divergence.detach()},
            loss.counts,
        )

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a teacher that cannot be loaded, or whose heads cannot be matched."""
        self.inner.check(model)
        [teacher, *_] = self.teacher.models()
        own, other = (one.decoder.layers[0].cross_attention.num_maps for one in (model, teacher))
        if self.heads == "matched" and own != other:
            raise ValueError(f"objective.heads (matched) needs as many heads as the teacher's {other}, not {own}")

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """Raises ValueError unless the teacher has the same, so that positions are the same pieces."""
        self.inner.check_tokenizers(tokenizers)
        self.teacher.check_tokenizers(tokenizers)

    def _maps(self, weights_BHTS: Tensor, batch: Batch) -> Tensor:
        """maps_NAS of the real target tokens, at the temperature."""
        maps_BATS = weights_BHTS.mean(dim=1, keepdim=True) if self.heads == "mean" else weights_BHTS
        maps_NAS = maps_BATS.transpose(1, 2).flatten(0, 1).index_select(0, batch.real_N)
        if self.temperature == 1.0:
            return maps_NAS
        # weights of padding stay 0; the gradient of a power of 0 would be infinite
        sharp_NAS = maps_NAS.clamp(min=LEAST) ** (1 / self.temperature) * (maps_NAS > 0)
        return sharp_NAS / sharp_NAS.sum(dim=-1, keepdim=True)


def map_divergence(teacher_NAS: Tensor, student_NAS: Tensor) -> Tensor:
    """The sum over tokens of KL(teacher || student), mean over the maps of a token, in nats."""
    logs_NAS = teacher_NAS.clamp(min=LEAST).log() - student_NAS.clamp(min=LEAST).log()
    return (teacher_NAS * logs_NAS).sum() / teacher_NAS.shape[1]
