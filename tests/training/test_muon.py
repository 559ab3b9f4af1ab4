"""Muon: its steps are orthogonal, it learns, is resumed exactly, and leaves tables to AdamW."""

import pytest
import torch
from torch import nn

from mt.training.muon import muon, orthogonal
from mt.training.optimizer import adamw
from tests.training.runs import assert_same, make_model, make_trainer, metrics, weights


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (6, 6)])
def test_a_step_keeps_the_singular_vectors_and_brings_the_values_near_one(shape):
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    values = left.T @ orthogonal(matrix) @ right.T
    assert torch.allclose(values, torch.diag(values.diagonal()), atol=1e-3)
    assert values.diagonal().min() > 0.6 and values.diagonal().max() < 1.3
    assert not orthogonal(torch.zeros(shape)).any()


def test_embeddings_and_the_output_move_as_by_adamw_and_matrices_do_not(prepared):
    models = [make_model(prepared, seed=3) for _ in range(2)]
    for model, optimizer in zip(models, (adamw(models[0]), muon(models[1])), strict=True):
        for _ in range(3):
            for number, parameter in enumerate(model.parameters()):
                parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            for group in optimizer.param_groups:
                group["lr"] = 1e-2
            optimizer.step()
    linear = {name for name, one in models[0].named_modules() if isinstance(one, nn.Linear)}
    inner = {f"{name}.weight" for name in linear - {"output"}}
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5) == (name not in inner), name


def test_a_run_learns_and_is_resumed_exactly(prepared, tmp_path):
    whole = make_trainer(prepared, tmp_path / "whole", optimizer=muon)
    whole.run()
    make_trainer(prepared, tmp_path / "parts", optimizer=muon, max_steps=5).run()
    resumed = make_trainer(prepared, tmp_path / "parts", optimizer=muon, resume=True)
    resumed.run()
    assert_same(weights(resumed), weights(whole))
    losses = [line["loss"] for line in metrics(tmp_path / "whole") if "loss" in line]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.0}, r"optimizer.momentum \(1.0\) must be from 0 to below 1"),
        ({"betas": [0.9]}, r"optimizer.betas \(\[0.9\]\) must be two numbers"),
        ({"epsilon": -1.0}, r"optimizer.epsilon \(-1.0\) must be 0 or more"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        muon(nn.Linear(2, 2), **settings)
