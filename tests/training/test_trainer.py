"""The trainer on a corpus whose translation is known: it learns, it counts right, and it goes on where it stopped."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from mt.checkpoint.validation import Validation
from mt.data.batching import Cursor
from mt.training.schedule import InverseSqrt
from mt.training.settings import TrainerSettings, parse_duration
from tests.training.runs import assert_same, count_up, make_model, make_trainer, metrics, weights


def test_the_same_seed_gives_the_same_run_and_another_seed_another(prepared, tmp_path):
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trainer = make_trainer(prepared, tmp_path / name, model=make_model(prepared, seed), seed=seed)
        trainer.run()
        runs.append(metrics(tmp_path / name))
    assert runs[0] == runs[1] != runs[2]


# in float32 over the end of an epoch
@pytest.mark.parametrize("precision, max_tokens, epochs", [("float32", 2000, 1), ("bfloat16", 300, 0)])
def test_a_run_that_a_signal_stopped_resumes_exactly(prepared, tmp_path, precision, max_tokens, epochs):
    settings = {"ema_decay": 0.9, "accumulate": 2, "max_tokens": max_tokens, "max_steps": 14, "precision": precision}
    whole = make_trainer(prepared, tmp_path / "whole", **settings)
    whole.run()

    def interrupted(model, step):
        os.kill(os.getpid(), signal.SIGTERM)
        return Validation(numbers={"loss": 1.0, "bleu": 1.0})

    outcome = make_trainer(prepared, tmp_path / "parts", validate=interrupted, **settings).run()
    assert (outcome.signal, outcome.position.step) == (signal.SIGTERM, 5)
    torch.manual_seed(99)  # whatever happened in between
    resumed = make_trainer(prepared, tmp_path / "parts", model=make_model(prepared, 7), resume=True, **settings)
    outcome = resumed.run()
    assert outcome.position.step == 14 and outcome.position.cursor == whole.position.cursor
    assert outcome.position.cursor.epoch >= epochs
    assert_same(weights(resumed), weights(whole))
    assert_same(resumed.learner.average.tensors(), whole.learner.average.tensors())
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def test_lines_of_steps_after_the_checkpoint_are_cut_from_the_metrics(prepared, tmp_path):
    make_trainer(prepared, tmp_path / "run", max_steps=5).run()
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "loss": 1.0}\n{"step": 7, "lo')
    make_trainer(prepared, tmp_path / "run", max_steps=6, resume=True).run()
    steps = [line["step"] for line in metrics(tmp_path / "run") if "loss" in line]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_one_large_batch_and_many_small_ones_give_the_same_update(prepared, tmp_path):
    results = []
    for name in ("one", "many"):
        trainer = make_trainer(prepared, tmp_path / name, model=make_model(prepared, dropout=0.0), max_tokens=2000)
        whole, _ = trainer.batches.read(Cursor())
        parts = whole.within(600) if name == "many" else [whole]
        assert (len(parts) > 3) == (name == "many")
        update = trainer.learner.updater(trainer.learner.optimizer, parts, step=0, learning_rate=1e-3)
        results.append((weights(trainer), update))
    (left, left_numbers), (right, right_numbers) = results
    assert left_numbers.target_tokens == right_numbers.target_tokens
    assert left_numbers.loss_nats == pytest.approx(right_numbers.loss_nats, rel=1e-5)
    assert left_numbers.gradient_norm == pytest.approx(right_numbers.gradient_norm, rel=1e-4)
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=1e-3, atol=1e-4)


def test_patience_stops_the_run_and_best_stays_best(prepared, tmp_path):
    trainer = make_trainer(
        prepared, tmp_path / "run", validate=count_up([3.0, 9.0, 8.0, 7.0, 6.0]), max_steps=100, patience=2, keep_last=1
    )
    outcome = trainer.run()
    assert outcome.position.step == 20 and "no better bleu in 2 validations" in outcome.reason
    assert (tmp_path / "run" / "best").resolve().name == "step_000010"
    assert sorted(p.name for p in (tmp_path / "run").glob("step_*")) == ["step_000010", "step_000020"]


def test_metric_loss_means_less_is_better(prepared, tmp_path):
    losses = iter([2.0, 1.0, 3.0])
    trainer = make_trainer(
        prepared,
        tmp_path / "run",
        max_steps=15,
        metric="loss",
        validate=lambda model, step: Validation(numbers={"loss": next(losses)}),
    )
    trainer.run()
    assert (tmp_path / "run" / "best").resolve().name == "step_000010"


def test_epochs_are_a_limit(prepared, tmp_path):
    trainer = make_trainer(prepared, tmp_path / "epochs", max_steps=None, max_epochs=0.5, max_tokens=2000)
    outcome = trainer.run()
    total = len(list(trainer.batches.once()))
    assert total / 2 <= outcome.position.step <= total / 2 + 1


def test_a_time_budget_is_kept_and_the_schedule_lands_at_zero_in_it(prepared, tmp_path, monkeypatch):
    clock = iter(range(10**9))
    monkeypatch.setattr("time.monotonic", lambda: next(clock) * 0.01)  # every look takes 10 ms
    trainer = make_trainer(
        prepared,
        tmp_path / "time",
        max_steps=None,
        time_budget="3s",
        validate_every=10_000,
        schedule=InverseSqrt(peak=3e-3, warmup_steps=5, cooldown=0.5),
    )
    outcome = trainer.run()
    rates = [line["learning_rate"] for line in metrics(tmp_path / "time") if "learning_rate" in line]
    assert 3.0 <= outcome.position.seconds < 3.3
    assert rates[-1] == min(rates) < 0.1 * max(rates)


def test_ema_is_what_is_validated_and_saved(prepared, tmp_path):
    seen = []

    def look(model, step):
        seen.append(model.encoder.layers[0].attention.query.weight.detach().clone())
        return Validation(numbers={"loss": 1.0, "bleu": 1.0})

    trainer = make_trainer(prepared, tmp_path / "run", validate=look, ema_decay=0.9, max_steps=5)
    trainer.run()
    saved = load_file(tmp_path / "run" / "last" / "model.safetensors")["encoder.layers.0.attention.query.weight"]
    own = trainer.learner.model.encoder.layers[0].attention.query.weight
    assert torch.equal(saved, seen[0]) and not torch.equal(saved, own)
    assert torch.equal(saved, trainer.learner.average.tensors()["encoder.layers.0.attention.query.weight"])


@pytest.mark.parametrize("text, seconds", [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("12", 12), (45, 45)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "one of max_steps, max_epochs, time_budget must be given"),
        ({"max_steps": 0}, r"trainer.max_steps \(0\) must be a whole number of at least 1"),
        ({"max_steps": 1, "metric": "comet"}, r"trainer.metric \(comet\) must be one of bleu, chrf, loss"),
        ({"time_budget": "soon"}, r"trainer.time_budget \(soon\) must be a time such as 90s"),
        ({"max_steps": 1, "clip_norm": -1.0}, r"trainer.clip_norm \(-1.0\) must be 0 or more"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainerSettings(**settings)


def test_a_signal_during_validation_keeps_its_scores(prepared, tmp_path):
    def interrupted(model, step):
        os.kill(os.getpid(), signal.SIGTERM)
        return Validation(numbers={"loss": 1.0, "bleu": 7.0})

    make_trainer(prepared, tmp_path / "run", validate=interrupted).run()
    assert json.loads((tmp_path / "run" / "best" / "scores.json").read_text())["bleu"] == 7.0


def test_ctrl_c_that_is_ignored_stays_so_while_it_trains(prepared, tmp_path, caplog):
    """As in a job that a shell started with & or nohup: Ctrl-C is meant for what stands before it."""

    def pressed_at_step_3(step, progress):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return 1e-3

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        outcome = make_trainer(prepared, tmp_path / "run", schedule=pressed_at_step_3).run()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert (outcome.signal, outcome.position.step) == (None, 12) and "SIGINT" not in caplog.text


def test_a_validation_that_a_signal_prevented_comes_when_the_run_resumes(prepared, tmp_path):
    def stop_at_step_5(step, progress):
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1e-3

    make_trainer(prepared, tmp_path / "whole", schedule=lambda step, progress: 1e-3).run()
    outcome = make_trainer(prepared, tmp_path / "parts", schedule=stop_at_step_5).run()
    assert outcome.position.step == 5 and not (tmp_path / "parts" / "best").exists()
    make_trainer(prepared, tmp_path / "parts", schedule=lambda step, progress: 1e-3, resume=True).run()
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    assert (tmp_path / "parts" / "best").resolve().name == "step_000005"


def test_a_checkpoint_that_a_signal_left_does_not_count_among_the_last(prepared, tmp_path):
    def stop_at_step_7(step, progress):
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1e-3

    settings = {"max_steps": 15, "keep_last": 3}
    make_trainer(prepared, tmp_path / "run", schedule=stop_at_step_7, **settings).run()
    assert (tmp_path / "run" / "last").resolve().name == "step_000007"
    make_trainer(prepared, tmp_path / "run", resume=True, **settings).run()
    kept = ["step_000005", "step_000010", "step_000015"]
    assert sorted(p.name for p in (tmp_path / "run").glob("step_*")) == kept
