"""Schedule-free AdamW: the paper's three sequences, the average as the result, and an exact resume."""

from functools import partial

import pytest
import torch
from torch import nn

from mt.training.learner import average_of, check_schedule
from mt.training.optimizer import adamw
from mt.training.schedule import Constant, Cosine, InverseSqrt
from mt.training.schedule_free import schedule_free
from tests.training.runs import assert_same, count_up, make_model, make_trainer, weights

CONSTANT = Constant(peak=1e-2, warmup_steps=3)


def test_it_makes_the_steps_of_the_paper():
    torch.manual_seed(1)
    model = nn.Linear(3, 2).double()
    optimizer = schedule_free(model, betas=(0.9, 0.95), epsilon=1e-3, weight_decay=0.1)
    z = x = y = model.weight.detach().clone()
    v, sum_of_squares = torch.zeros_like(z), 0.0
    for step in range(1, 8):
        rate = CONSTANT(step, 0.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        gradient = torch.randn_like(y)
        model.weight.grad = gradient.clone()
        optimizer.step()
        v = 0.95 * v + 0.05 * gradient**2
        z = z - rate * (gradient / ((v / (1 - 0.95**step)).sqrt() + 1e-3) + 0.1 * y)
        sum_of_squares += rate**2
        c = rate**2 / sum_of_squares
        x = (1 - c) * x + c * z
        y = 0.1 * z + 0.9 * x
        torch.testing.assert_close(model.weight.detach(), y, rtol=0, atol=1e-12)
        torch.testing.assert_close(optimizer.average.tensors()["weight"], x, rtol=0, atol=1e-12)
    assert torch.equal(optimizer.average.tensors()["bias"], model.bias)  # without a gradient it stays


def test_where_gradients_are_noisy_the_average_is_nearer_to_the_best_weights_than_the_last_step():
    torch.manual_seed(2)
    model, best = nn.Linear(40, 1, bias=False), torch.randn(1, 40)
    optimizer = schedule_free(model)
    for step in range(1, 400):
        for group in optimizer.param_groups:
            group["lr"] = Constant(peak=0.05, warmup_steps=20)(step, 0.0)
        model.weight.grad = model.weight.detach() - best + torch.randn(1, 40)
        optimizer.step()
    last = optimizer.state[model.weight]["z"]
    assert (optimizer.average.of(model.weight) - best).norm() < 0.7 * (last - best).norm()


def test_a_run_in_two_parts_is_the_whole_run_and_validations_see_the_average(prepared, tmp_path):
    seen, count = [], count_up([1.0, 2.0, 3.0])

    def validate(model, step):
        seen.append({name: one.detach().clone() for name, one in model.named_parameters()})
        return count(model, step)

    run = partial(make_trainer, prepared, optimizer=schedule_free, schedule=CONSTANT)
    whole = run(tmp_path / "whole", max_steps=8, validate=validate)
    whole.run()
    run(tmp_path / "parts", max_steps=5).run()
    parts = run(tmp_path / "parts", max_steps=8, resume=True)
    parts.run()
    assert_same(weights(parts), weights(whole))
    averages = whole.learner.average.tensors()
    assert_same(parts.learner.average.tensors(), averages)
    assert_same(seen[-1], averages)
    assert not torch.equal(seen[-1]["encoder.norm.weight"], whole.learner.model.encoder.norm.weight)


def test_frozen_parameters_stay(prepared):
    model = make_model(prepared)
    model.encoder.requires_grad_(False)
    before = {name: one.clone() for name, one in model.named_parameters()}
    optimizer = schedule_free(model, weight_decay=0.1)
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    changed = {name for name, one in model.named_parameters() if not torch.equal(one, before[name])}
    assert changed == {name for name in before if not name.startswith("encoder.")}


def test_neither_a_rate_that_falls_nor_a_second_average_goes_with_it():
    model = nn.Linear(2, 2)
    ours = schedule_free(model)
    for schedule in (InverseSqrt(peak=1e-3, warmup_steps=2), Cosine(peak=1e-3, warmup_steps=2)):
        with pytest.raises(ValueError, match=rf"schedule \({type(schedule).__name__}\) must be constant after warm-up"):
            check_schedule(ours, schedule)
        check_schedule(adamw(model), schedule)
    check_schedule(ours, CONSTANT)
    with pytest.raises(ValueError, match=r"trainer.ema_decay \(0.9\) must be 0: this optimizer averages the weights"):
        average_of(model, ours, 0.9)
    with pytest.raises(ValueError, match=r"optimizer.betas \(\[0.0, 0.9\]\) must begin with a number above 0"):
        schedule_free(model, betas=(0.0, 0.9))
