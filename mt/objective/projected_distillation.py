"""Distillation of hidden states by a learned projection: from the student's states, the teacher's can be read.

After Romero et al. 2015 ("FitNets") and Jiao et al. 2020 ("TinyBERT"), for the last states of the decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.data.batching import Batch
from mt.kernels.linear import Linear
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.distillation import check_weight
from mt.objective.teacher import BesideTeacher, Teachers
from mt.objective.teacher_forcing import noted_states, teacher_forcing

# B batch, T target positions, D model, E the teacher's model, N real target tokens


class ProjectedDistillation(BesideTeacher):
    """Another objective, and beside it how far the student's states, projected, are from the teacher's.

    For each real target token, the mean over the teacher's width of (states_ND W_DE - taught_NE) ** 2, of the decoder's
    states before the output projection. W is learned with the model, and belongs to the training alone.
    "projected_distance" is the sum, without `weight`. Where the inner objective runs the model several times, the first
    pass counts. The first teacher alone teaches.
    """

    def __init__(self, *, inner: Objective, teacher: Teachers, weight: float = 1.0):
        check_weight(weight)
        self.inner, self.teacher, self.weight = inner, teacher, weight
        self.projection: Linear | None = None

    def make_weights(self, model: Seq2Seq) -> nn.Module:
        """W_DE, from the student's width to the teacher's."""
        [teacher, *_] = self.teacher.models()
        self.projection = Linear(model.output.in_features, teacher.output.in_features, bias=False)
        return self.projection

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        assert self.projection is not None, "weights are made before the first update"
        with noted_states(model) as passes:
            loss = self.inner(model, batch)
        [teacher, *_] = self.teacher.models(batch.target_in_BT.device)
        with torch.no_grad():
            taught_NE, _ = teacher_forcing(teacher, batch)
        states_ND = passes[0].flatten(0, 1).index_select(0, batch.real_N)
        distance = squared_distance(self.projection(states_ND), taught_NE)
        return Loss(
            loss.minimised + self.weight * distance,
            {**loss.sums, "projected_distance": distance.detach()},
            loss.counts,
        )


def squared_distance(projected_NE: Tensor, taught_NE: Tensor) -> Tensor:
    """The sum over tokens of the mean squared difference, in float32."""
    return (projected_NE.float() - taught_NE.float()).square().mean(dim=-1).sum()
