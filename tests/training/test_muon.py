"""Muon: orthogonal steps for hidden matrices, AdamW's steps for the rest, and an exact resume."""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch import nn

from mt.training.muon import AS_ADAM, muon, orthogonal
from mt.training.optimizer import adamw, state_needed
from mt.training.schedule import Constant
from mt.training.schedule_free import schedule_free
from tests.training.runs import assert_same, make_model, make_trainer, weights

RATE = 1e-2


def test_singular_values_of_steps_are_near_one_and_directions_stay():
    torch.manual_seed(1)
    matrices = [torch.randn(sizes) for sizes in ((16, 90), (24, 30), (90, 16), (8, 64))]
    for matrix, step in zip(matrices, orthogonal(matrices), strict=True):
        U, _, V = torch.linalg.svd(matrix, full_matrices=False)
        turned = U.T @ step @ V.T
        values = turned.diag()
        assert values.min() > 0.5 and values.max() < 1.3
        assert (turned - values.diag()).abs().max() < 1e-4


def after_one_step(model, optimizer):
    model = copy.deepcopy(model)
    made = optimizer(model)
    for group in made.param_groups:
        group["lr"] = RATE
    torch.manual_seed(2)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    made.step()
    return dict(model.named_parameters())


def test_only_hidden_matrices_differ_from_adamw(prepared):
    model = make_model(prepared)
    model.eyes, model.ears = nn.Conv2d(3, 8, 3), nn.Conv1d(5, 7, 3)
    before, ours, theirs = dict(model.named_parameters()), after_one_step(model, muon), after_one_step(model, adamw)
    hidden = {name for name in before if not torch.equal(ours[name], theirs[name])}
    assert hidden == {
        name for name, one in before.items() if one.ndim > 1 and "embedding" not in name and name != "output.weight"
    }
    assert {"eyes.weight", "ears.weight"} <= hidden
    for name in hidden:
        step = (ours[name] - before[name]).flatten(1)
        # of the size of AdamW's steps, as the rows of a tall matrix or the columns of a wide one are orthonormal
        size = RATE * AS_ADAM * (max(step.shape) * min(step.shape) / step.numel()) ** 0.5
        assert step.square().mean().sqrt().item() == pytest.approx(size, rel=0.2)


def test_a_matrix_without_gradient_and_a_frozen_one_stay(prepared):
    model = make_model(prepared)
    model.encoder.requires_grad_(False)
    before = {name: one.clone() for name, one in model.encoder.named_parameters()}
    optimizer = muon(model, weight_decay=0.1)
    optimizer.step()
    assert_same(dict(model.encoder.named_parameters()), before)


def test_a_run_in_two_parts_is_the_whole_run(prepared, tmp_path):
    whole = make_trainer(prepared, tmp_path / "whole", optimizer=muon, max_steps=8)
    whole.run()
    make_trainer(prepared, tmp_path / "parts", optimizer=muon, max_steps=5).run()
    parts = make_trainer(prepared, tmp_path / "parts", optimizer=muon, max_steps=8, resume=True)
    parts.run()
    assert_same(weights(parts), weights(whole))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"momentum": 1.0}, r"optimizer.momentum \(1.0\) must be from 0 to below 1"),
        ({"betas": (0.9,)}, r"optimizer.betas \(\[0.9\]\) must be two numbers"),
        ({"weight_decay": -1.0}, r"optimizer.weight_decay \(-1.0\) must be 0 or more"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        partial(muon, **settings)(nn.Linear(1, 1))


def test_matrices_in_shards_are_refused(monkeypatch):
    """A step takes the whole matrix. (Here every parameter counts as a shard.)"""
    monkeypatch.setattr("mt.training.muon.DTensor", nn.Parameter)
    with pytest.raises(ValueError, match=r"optimizer=muon needs whole matrices: trainer\.shard must be false"):
        muon(nn.Linear(2, 3))


OPTIMIZERS = {"adamw": adamw, "muon": muon, "schedule_free": schedule_free}


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize("before, after", [*itertools.permutations(OPTIMIZERS, 2)])
def test_a_run_goes_on_with_another_optimizer_which_begins_where_it_needs_more(
    prepared, tmp_path, before, after, decay, caplog
):
    def run(name, **settings):
        rate = Constant(peak=1e-2, warmup_steps=2)
        trainer = make_trainer(prepared, tmp_path, optimizer=OPTIMIZERS[name], schedule=rate, **settings)
        state = trainer.learner.optimizer.state
        held = {name: dict(state[one]) for name, one in trainer.learner.model.named_parameters() if one in state}
        trainer.run()
        return trainer, held

    def decay_of(name):
        return 0.0 if name == "schedule_free" else decay  # which averages the weights itself

    first, _ = run(before, max_steps=3, ema_decay=decay_of(before))
    second, held = run(after, max_steps=6, resume=True, ema_decay=decay_of(after))
    has_both = "schedule_free" not in (before, after)
    has_new_average = after == "schedule_free" and not decay
    assert ("has no average of the weights: it begins at the weights" in caplog.text) == has_new_average
    assert held.keys() == {name for name in weights(first) if has_both and keeps(name)}
    lost = len(weights(first)) - len(held)
    assert f"is of another optimizer: {lost} weights begin without what it held of them" in caplog.text
    for group in second.learner.optimizer.param_groups:
        for parameter in group["params"]:
            assert second.learner.optimizer.state[parameter].keys() == state_needed(second.learner.optimizer, group)
    assert all(one.isfinite().all() for one in weights(second).values())


def keeps(name):
    """Whether AdamW moves a parameter of `make_model` under muon too."""
    return "embedding" in name or name == "output.weight" or "bias" in name or "norm" in name
