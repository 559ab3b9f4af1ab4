"""Distillation of attention: where a student's cross-attention looks, its teacher's looks (after Jiao et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.data.batching import Batch
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.distillation import check_temperature, check_weight
from mt.objective.teacher import BesideTeacher, Teachers, layer_of_teacher
from mt.objective.teacher_forcing import tapped, teacher_forcing

# B batch, H heads, T target positions, S source length, N real target tokens, A maps: heads, or 1 for their mean

HEADS = ("mean", "matched")
LEAST = 1e-9  # of a weight in a logarithm


class Maps:
    """A tap that keeps the cross-attention weights of every layer, of the first pass of the model."""

    def __init__(self) -> None:
        self.layers: dict[int, Tensor] = {}  # weights_BHTS

    def needs(self, layer: int) -> bool:
        """Every layer's. In later passes, too: a layer that is computed again must do what it did."""
        return True

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        """Keeps the weights of a layer, if they are its first."""
        self.layers.setdefault(layer, weights_BHTS.float())


class AttentionDistillation(BesideTeacher):
    """Another objective, and beside it KL(teacher's map || student's map) of every decoder layer's cross-attention.

    Each layer of the student is taught by a layer of the teacher, evenly spread. `heads` "mean" compares the means of
    the heads, "matched" head by head, which needs as many heads. Maps are sharpened (below 1) or softened by
    `temperature`: weights ** (1 / temperature), normalized again. "attention_divergence" is the mean over layers and
    heads, summed over target tokens, without `weight`. The first teacher alone teaches. Where the inner objective runs
    the model several times, its first pass counts, which reads whole sentences. Heads that were removed
    (`mt.compression.pruning`) have no part in it.
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
        parts = []
        for layer in range(own):
            of_teacher = layer_of_teacher(layer, own, other)
            heads, taught_heads = _heads(model, layer), _heads(teacher, of_teacher)
            if self.heads == "matched":
                heads = taught_heads = [head for head in heads if head in taught_heads]
            taught_maps = self._maps(taught.layers[of_teacher], taught_heads, batch)
            parts.append(map_divergence(taught_maps, self._maps(student.layers[layer], heads, batch)))
        divergence = torch.stack(parts).mean()
        return Loss(
            loss.minimised + self.weight * divergence,
            {**loss.sums, "attention_divergence": divergence.detach()},
            loss.counts,
        )

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a teacher that cannot be loaded, or whose heads cannot be matched."""
        super().check(model)
        [teacher, *_] = self.teacher.models()
        own, other = (one.decoder.layers[0].cross_attention.num_maps for one in (model, teacher))
        if self.heads == "matched" and own != other:
            raise ValueError(f"objective.heads (matched) needs as many heads as the teacher's {other}, not {own}")

    def _maps(self, weights_BHTS: Tensor, heads: Sequence[int], batch: Batch) -> Tensor:
        """maps_NAS of these heads for the real target tokens, at the temperature."""
        if len(heads) < weights_BHTS.shape[1]:
            weights_BHTS = weights_BHTS[:, list(heads)]
        maps_BATS = weights_BHTS.mean(dim=1, keepdim=True) if self.heads == "mean" else weights_BHTS
        maps_NAS = maps_BATS.transpose(1, 2).flatten(0, 1).index_select(0, batch.real_N)
        if self.temperature == 1.0:
            return maps_NAS
        # by logarithms: a power of a weight may be below the least number. Weights of padding stay 0
        logs_NAS = maps_NAS.clamp(min=LEAST).log() / self.temperature
        return logs_NAS.masked_fill(maps_NAS <= 0, torch.finfo(logs_NAS.dtype).min).softmax(dim=-1)


def _heads(model: Seq2Seq, layer: int) -> list[int]:
    """The numbers of the cross-attention heads of a layer that are not removed."""
    attention = model.decoder.layers[layer].cross_attention
    return list(range(attention.num_maps) if attention.kept_heads is None else attention.kept_heads)


def map_divergence(teacher_NAS: Tensor, student_NAS: Tensor) -> Tensor:
    """The sum over tokens of KL(teacher || student), mean over the maps of a token, in nats."""
    logs_NAS = teacher_NAS.clamp(min=LEAST).log() - student_NAS.clamp(min=LEAST).log()
    return (teacher_NAS * logs_NAS).sum() / max(1, teacher_NAS.shape[1])  # 0 where no head is in both
