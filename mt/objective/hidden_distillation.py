"""Distillation of hidden states by their relations: states that the teacher finds alike are alike in the student.

After Tung and Mori 2019 ("Similarity-Preserving Knowledge Distillation"): cosines of states need no projection between
widths, so that nothing but the model has parameters. `projected_distillation` compares the states themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.data.batching import Batch
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.distillation import check_weight
from mt.objective.teacher import BesideTeacher, Teachers
from mt.objective.teacher_forcing import noted_states

# B batch, T target positions, D model, N real target tokens


class HiddenDistillation(BesideTeacher):
    """Another objective, and beside it how differently student and teacher relate the target positions of a sentence.

    For each real target token, the mean over the sentence's real target tokens of the squared difference between the
    cosines of the decoder's states (before the output projection). "hidden_distance" is its sum, without `weight`.
    Where the inner objective runs the model several times, the first pass counts. The first teacher alone teaches.
    """

    def __init__(self, *, inner: Objective, teacher: Teachers, weight: float = 1.0):
        check_weight(weight)
        self.inner, self.teacher, self.weight = inner, teacher, weight

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        with noted_states(model) as passes:
            loss = self.inner(model, batch)
        [teacher, *_] = self.teacher.models(batch.target_in_BT.device)
        with torch.no_grad():
            taught_BTD = teacher(batch.source, batch.target_in_BT)
        is_real_BT = torch.zeros_like(batch.target_in_BT, dtype=torch.float32)
        is_real_BT.view(-1)[batch.real_N] = 1.0
        distance = relation_distance(passes[0], taught_BTD, is_real_BT)
        return Loss(
            loss.minimised + self.weight * distance,
            {**loss.sums, "hidden_distance": distance.detach()},
            loss.counts,
        )


def relation_distance(student_BTD: Tensor, teacher_BTE: Tensor, is_real_BT: Tensor) -> Tensor:
    """The sum over real tokens of the mean squared difference of their cosines with the real tokens of the sentence."""
    difference_BTT = _cosines(student_BTD) - _cosines(teacher_BTE)
    both_BTT = is_real_BT[:, :, None] * is_real_BT[:, None]
    length_B11 = is_real_BT.sum(dim=1).clamp(min=1.0)[:, None, None]
    return (difference_BTT.square() * both_BTT / length_B11).sum()


def _cosines(states_BTD: Tensor) -> Tensor:
    unit_BTD = nn.functional.normalize(states_BTD.float(), dim=-1, eps=1e-6)
    return unit_BTD @ unit_BTD.transpose(1, 2)
