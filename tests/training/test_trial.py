"""A trial trains for real, and what it measured is told for the whole training."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from mt.data.batching import TokenBatches
from mt.data.diagnosis.section import Level
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.training.distributed import Ranks
from mt.training.learner import Learner
from mt.training.optimizer import adamw
from mt.training.schedule import InverseSqrt
from mt.training.settings import TrainerSettings
from mt.training.trial import Memory, Speed, Trial, run_trial
from mt.training.trial_report import trial_section
from tests.training.runs import make_model

GIB = 2**30
CPU = torch.device("cpu")
PARAMETERS = {"source_embedding": 10, "encoder": 30, "total": 40}


def trial_of(*, needed=1, free=8, speed=None):
    return Trial(CPU, torch.float32, Memory({"weights": needed * GIB}, 3 * GIB, free * GIB), speed)


def section(trial, *, times_larger=1.0, **limits):
    settings = TrainerSettings(**(limits or {"max_steps": 100}))
    return trial_section(trial, settings, PARAMETERS, max_tokens=8192, times_larger=times_larger)


def test_a_trial_trains_the_model_and_measures_it(prepared):
    settings = TrainerSettings(max_steps=10, device="cpu", precision="float32", ema_decay=0.9, accumulate=2)
    model = make_model(prepared)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    learner = partial(Learner.of, settings, model, objective=LabelSmoothedCrossEntropy(), optimizer=adamw)
    trial = run_trial(
        partial(learner, device=CPU, max_tokens=600, ranks=Ranks()),
        settings=settings,
        device=CPU,
        batches=TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=1),
        by_length=TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=1, shuffle=False),
        schedule=InverseSqrt(peak=0.005, warmup_steps=10),
        seconds=1.0,
    )
    weights = sum(parameter.nbytes for parameter in before)
    assert trial.memory.parts["weights"] == trial.memory.parts["moving average"] == weights
    assert trial.memory.parts["optimizer"] > 2 * weights
    assert trial.memory.parts["largest update"] > weights  # the gradients alone are as much
    assert trial.speed.updates >= 1 and trial.speed.epochs > 0 and trial.speed.seconds > 0
    assert trial.speed.last_loss_nats < trial.speed.first_loss_nats
    assert not all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("needed, level", [(1, None), (7, Level.IMPROVE), (9, Level.STOP)])
def test_memory_that_is_not_there_stops_training(needed, level):
    levels = [finding.level for finding in section(trial_of(needed=needed)).findings]
    assert levels == ([] if level is None else [level])


def test_memory_that_the_process_holds_already_is_not_needed_again():
    memory = Memory({"weights": 2 * GIB}, 3 * GIB, 8 * GIB)
    assert (memory.estimate, memory.needed) == (5 * GIB, 2 * GIB)
    assert replace(memory, measured=6 * GIB).needed == 3 * GIB


SPEED = Speed(updates=10, seconds=20.0, epochs=0.5, target_tokens=4000, first_loss_nats=8.0, last_loss_nats=7.0)


@pytest.mark.parametrize(
    "limits, seconds, epochs",
    [
        ({"max_steps": 1000}, 2000, 50),
        ({"max_epochs": 8}, 320, 8),
        ({"time_budget": "10m"}, 600, 15),
        ({"max_steps": 1000, "max_epochs": 8, "time_budget": "10m"}, 320, 8),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_whole_training_ends_at_its_first_limit(limits, seconds, epochs):
    found = section(trial_of(speed=SPEED), **limits)
    assert found.numbers["whole"]["seconds"] == pytest.approx(seconds)
    assert found.numbers["whole"]["epochs"] == pytest.approx(epochs)
    assert found.findings == []


def test_an_epoch_of_a_sample_is_scaled_to_the_corpus():
    assert section(trial_of(speed=SPEED), times_larger=3.0).numbers["speed"]["seconds per epoch"] == pytest.approx(120)


@pytest.mark.parametrize("steps, words", [(20, "sees every pair 1.0 times"), (100_000, "learn the corpus by heart")])
def test_too_few_and_too_many_epochs_are_reported(steps, words):
    (finding,) = section(trial_of(speed=SPEED), max_steps=steps).findings
    assert finding.level == Level.IMPROVE
    assert words in finding.what
