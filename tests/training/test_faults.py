"""What goes wrong in training costs an update at most, and is said."""

import json
import logging
import math
from types import SimpleNamespace

import pytest
import torch

from mt.data.batching import Cursor
from mt.data.sampling import SubwordSampling
from mt.objective.contract import Loss
from mt.training.muon import muon
from mt.training.optimizer import adamw
from mt.training.tracker import Guarded, MetricsFile
from mt.training.updater import Updater
from mt.training.watch import WINDOW_UPDATES, Watch
from tests.training.runs import assert_same, count_up, fail_above, make_model, make_trainer, metrics, weights


def spoil(trainer, is_bad, kind="loss"):
    """Makes the loss (or only the gradient) of those updates not finite for which `is_bad(step, cursor)`."""
    loss = trainer.learner.updater.loss
    inner = loss.forward

    def forward(batch):
        given = inner(batch)
        if not is_bad(trainer.position.step, trainer.position.cursor):
            return given
        nats = given.sums["nats"]
        return Loss(given.minimised * math.nan, {"nats": nats * math.nan if kind == "loss" else nats}, {})

    loss.forward = forward


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_an_update_that_is_not_finite_is_skipped_and_its_sentences_are_kept(prepared, tmp_path, caplog, kind):
    trainer = make_trainer(prepared, tmp_path / "run", max_steps=6)
    spoil(trainer, lambda step, cursor: cursor.batch == 3, kind)
    bad, _ = trainer.batches.read(Cursor(batch=3))
    outcome = trainer.run()
    assert outcome.position.step == 6 and outcome.position.cursor.batch == 7 and outcome.position.skipped == 1
    assert all(torch.isfinite(value).all() for value in weights(trainer).values())
    (path,) = (tmp_path / "run" / "bad_batches").iterdir()
    kept = json.loads(path.read_text())
    assert [pair["pair"] for pair in kept["pairs"]] == bad.indices.tolist()
    assert kept["pairs"][0]["source"] == prepared.train.text(int(bad.indices[0])).source
    assert "not finite: the update is skipped" in caplog.text and str(path) in caplog.text
    assert [line["step"] for line in metrics(tmp_path / "run") if "loss" in line] == [1, 2, 3, 4, 5, 6]


def test_after_a_few_skipped_updates_the_run_goes_back_to_the_last_checkpoint(prepared, tmp_path, caplog):
    settings = {"max_steps": 12, "skip_limit": 2, "ema_decay": 0.9}
    calls = []
    tracker = SimpleNamespace(
        record=lambda step, numbers: "loss" in numbers and calls.append(step), cut=lambda step: calls.append(-step)
    )
    trainer = make_trainer(prepared, tmp_path / "run", tracker=tracker, **settings)
    spoil(trainer, lambda step, cursor: cursor.batch in (7, 8))
    outcome = trainer.run()
    at = calls.index(-5)
    assert calls[:at] == list(range(1, calls[at - 1] + 1)) and calls[at + 1 :] == list(range(6, 13))
    assert "2 updates in a row were skipped: back to the checkpoint of step 5" in caplog.text
    # steps 6 and 7 were lost, the two bad batches left out: the data is at 12 + 2 + 2
    assert outcome.position.step == 12 and outcome.position.cursor.batch == 16
    assert [line["step"] for line in metrics(tmp_path / "run") if "loss" in line] == list(range(1, 13))

    # the same by hand: the checkpoint of step 5, the data from batch 9 on
    other = make_trainer(prepared, tmp_path / "other", **settings | {"max_steps": 5})
    other.run()
    by_hand = make_trainer(prepared, tmp_path / "other", resume=True, **settings)
    by_hand.position = type(by_hand.position)(**{**vars(by_hand.position), "cursor": Cursor(batch=9)})
    by_hand.run()
    assert_same(weights(trainer), weights(by_hand))
    assert_same(trainer.learner.average.tensors(), by_hand.learner.average.tensors())


def test_going_back_forgets_what_another_optimizer_has_held_since_then(prepared, tmp_path):
    settings = {"optimizer": muon, "max_steps": 9, "skip_limit": 2, "validate_every": 100, "resume": True}
    for name in ("back", "by_hand"):
        make_trainer(prepared, tmp_path / name, optimizer=adamw, max_steps=5).run()
    back = make_trainer(prepared, tmp_path / "back", **settings)
    spoil(back, lambda step, cursor: cursor.batch in (7, 8))
    back.run()
    by_hand = make_trainer(prepared, tmp_path / "by_hand", **settings)
    by_hand.position = type(by_hand.position)(**{**vars(by_hand.position), "cursor": Cursor(batch=9)})
    by_hand.run()
    assert_same(weights(back), weights(by_hand))


def test_a_run_that_was_killed_after_going_back_ends_the_same(prepared, tmp_path):
    settings = {"max_steps": 12, "skip_limit": 2}

    def bad(step, cursor):
        return cursor.batch in (7, 8)

    whole = make_trainer(prepared, tmp_path / "whole", **settings)
    spoil(whole, bad)
    whole.run()

    class Killed(Exception):
        pass

    def kill(step, cursor):
        if cursor.batch == 11:
            raise Killed
        return bad(step, cursor)

    part = make_trainer(prepared, tmp_path / "parts", **settings)
    spoil(part, kill)
    with pytest.raises(Killed):
        part.run()
    part.store.close()
    resumed = make_trainer(prepared, tmp_path / "parts", resume=True, **settings)
    spoil(resumed, bad)
    resumed.run()
    assert_same(weights(resumed), weights(whole))
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def test_a_loss_that_stays_not_finite_ends_the_run_in_one_line(prepared, tmp_path):
    trainer = make_trainer(prepared, tmp_path / "never", skip_limit=2)
    spoil(trainer, lambda step, cursor: True)
    with pytest.raises(ValueError, match=r"2 updates in a row .* there is no checkpoint to go back to. Likely causes"):
        trainer.run()
    trainer = make_trainer(prepared, tmp_path / "later", skip_limit=2)
    spoil(trainer, lambda step, cursor: step >= 7)
    with pytest.raises(ValueError, match="after going back 3 times"):
        trainer.run()


def test_out_of_memory_replays_the_update_in_parts_with_equal_gradients(prepared, tmp_path, monkeypatch, caplog):
    results = {}
    for name in ("plenty", "little"):
        if name == "little":
            fail_above(monkeypatch, 500)
        trainer = make_trainer(prepared, tmp_path / name, model=make_model(prepared, dropout=0.0), max_tokens=1500)
        gradients = {}
        step = trainer.learner.optimizer.step

        def look(trainer=trainer, gradients=gradients, step=step):
            gradients.update({name: p.grad.clone() for name, p in trainer.learner.model.named_parameters()})
            step()

        trainer.learner.optimizer.step = look
        batches = [trainer.batches.read(Cursor(batch=number))[0] for number in (0, 1)]
        update = trainer.learner.updater(trainer.learner.optimizer, batches, step=0, learning_rate=1e-3)
        results[name] = gradients, update
    (plenty, plenty_update), (little, little_update) = results["plenty"], results["little"]
    assert plenty_update.target_tokens == little_update.target_tokens
    assert little_update.loss_nats == pytest.approx(plenty_update.loss_nats, rel=1e-5)
    for name in plenty:
        torch.testing.assert_close(little[name], plenty[name], rtol=1e-3, atol=1e-6)
    assert "out of memory with" in caplog.text and "in parts of at most" in caplog.text


def test_a_run_short_of_memory_learns_the_same(prepared, tmp_path, monkeypatch):
    def run(name):
        trainer = make_trainer(prepared, tmp_path / name, model=make_model(prepared, dropout=0.0), max_tokens=1500)
        trainer.run()
        return [line["loss"] for line in metrics(tmp_path / name) if "loss" in line]

    plenty = run("plenty")
    fail_above(monkeypatch, 300)
    assert run("little") == pytest.approx(plenty, rel=1e-3)


def test_out_of_memory_with_one_sentence_says_what_helps(prepared, tmp_path, monkeypatch):
    fail_above(monkeypatch, 0)
    with pytest.raises(ValueError, match=r"out of memory with .* lower batches.max_tokens or data.max_pieces"):
        make_trainer(prepared, tmp_path / "run").run()


def test_other_errors_of_the_device_are_not_taken_for_lack_of_memory(prepared, tmp_path, monkeypatch):
    fail_above(monkeypatch, 0, "an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        make_trainer(prepared, tmp_path / "run").run()


def test_a_sampled_batch_over_the_budget_goes_in_parts_within_it(prepared, tmp_path, monkeypatch):
    seen = []
    whole = Updater._backward_in_parts
    monkeypatch.setattr(
        Updater, "_backward_in_parts", lambda self, parts, *rest: (seen.extend(parts), whole(self, parts, *rest))[1]
    )
    trainer = make_trainer(prepared, tmp_path / "run", sampling=SubwordSampling(source=0.01, target=0.01), max_steps=8)
    sampled = [trainer.batches.read(Cursor(batch=number))[0].padded_tokens for number in range(8)]
    trainer.run()
    assert max(sampled) > 300 >= max(part.padded_tokens for part in seen)


class FailingStore:
    """A run folder whose disk is full at some saves."""

    def __init__(self, store, full_at):
        self._store, self._full_at = store, full_at

    def save(self, name, *arguments, **more):
        if name in self._full_at:
            raise OSError(28, "No space left on device", name)
        return self._store.save(name, *arguments, **more)

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_full_disk_does_not_end_a_run_that_can_go_on(prepared, tmp_path, caplog):
    trainer = make_trainer(prepared, tmp_path / "run", validate=count_up([5.0, 9.0, 6.0]), max_steps=15)
    trainer.store = FailingStore(trainer.store, {"step_000010"})
    outcome = trainer.run()
    assert outcome.position.step == 15
    assert "step 10: the checkpoint could not be written" in caplog.text
    # 9.0 was not kept, so 6.0 is the best that there is
    assert (tmp_path / "run" / "best").resolve().name == "step_000015" and outcome.position.best == 6.0


def test_a_full_disk_at_the_end_is_an_error_and_keeps_the_checkpoint_before(prepared, tmp_path):
    trainer = make_trainer(prepared, tmp_path / "run", max_steps=10)
    trainer.store = FailingStore(trainer.store, {"step_000010"})
    with pytest.raises(OSError, match="No space left on device"):
        trainer.run()
    assert (tmp_path / "run" / "last").resolve().name == "step_000005"


class BrokenTracker:
    def __init__(self):
        self.calls = 0

    def start(self, folder, settings, step):
        if settings:
            raise settings["fails with"]

    def record(self, step, numbers):
        self.calls += 1
        if self.calls == 3:
            raise ConnectionError("the network\nis gone")

    def finish(self):
        raise AssertionError("dropped already")


def test_a_tracker_that_fails_is_dropped_with_one_warning(prepared, tmp_path, caplog):
    tracker = BrokenTracker()
    trainer = make_trainer(prepared, tmp_path / "run", tracker=tracker)
    trainer.run()
    trainer.tracker.finish()
    assert tracker.calls == 3 and len(metrics(tmp_path / "run")) > 10
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "the tracker BrokenTracker failed and is dropped (ConnectionError: the network is gone);"
        " metrics.jsonl continues"
    ]


def test_a_tracker_that_cannot_start_is_dropped_but_its_wrong_settings_are_reported(tmp_path, caplog):
    with pytest.raises(ValueError, match="must be online"):
        Guarded(BrokenTracker()).start(tmp_path, {"fails with": ValueError("tracker.mode (x) must be online")}, 0)
    broken = BrokenTracker()
    tracker = Guarded(broken)
    tracker.start(tmp_path, {"fails with": TimeoutError("no answer")}, 0)
    tracker.record(1, {})
    assert broken.calls == 0
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "the tracker BrokenTracker failed and is dropped (TimeoutError: no answer); metrics.jsonl continues"
    ]


def test_what_a_kill_left_of_a_line_is_cut_from_the_metrics(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n\x00\x00\n[3]\n{"step": 2, "bleu": 1}\n{"step": 9}\n{"step": 2, "lo')
    MetricsFile(path).cut(5)
    assert path.read_text() == '{"step": 1}\n{"step": 2, "bleu": 1}\n'


def watched(losses):
    """The warnings for windows of updates with these mean losses, one window a number."""
    watch = Watch(warmup_steps=0)
    said = [
        watch.loss(window * WINDOW_UPDATES + update, 7.0 * loss, 7.0)
        for window, loss in enumerate(losses)
        for update in range(1, WINDOW_UPDATES + 1)
    ]
    return [text for text in said if text]


@pytest.mark.parametrize(
    "losses, word",
    [
        ([9.0, 6.0, 5.0, 4.5, 4.4, 4.3], None),
        ([9.0, 6.0, 5.0, 5.4, 5.2], None),
        ([9.0, 5.0, 4.0, 8.0, 9.0, 9.0], "explodes"),
        ([9.0, 8.9, 8.95, 8.9, 8.9], "does not move"),
        ([0.3, 0.3, 0.3, 0.3, 0.3], None),  # a model that has learned all there is, resumed
    ],
    ids=["learns", "wobbles", "explodes", "stands-still", "has-converged"],
)
def test_the_watch_tells_a_loss_that_goes_wrong_once(losses, word):
    said = watched(losses)
    assert [word] == [word for text in said if word in text] if word else said == []
    assert len(said) <= 1 and all("Likely causes" in text for text in said)


def test_the_watch_does_not_compare_stages_of_a_mixture():
    watch = Watch(warmup_steps=1)
    losses = [1.0, 0.3, 1.5, 1.2, 3.0]  # the third is of harder text, the fifth is wrong
    stages = [0, 0, 1, 1, 1]
    said = [
        watch.loss(window * WINDOW_UPDATES + update, 7.0 * losses[window], 7.0, stage=stages[window])
        for window in range(len(losses))
        for update in range(1, WINDOW_UPDATES + 1)
    ]
    assert ["3.00 nats a token after 1.20" in text for text in said if text] == [True]


def test_the_watch_tells_translations_that_go_wrong_after_the_warm_up():
    watch = Watch(warmup_steps=1000)
    assert watch.validation(500, {"bleu": 0.0, "copied": 1.0}) is None
    assert watch.validation(1500, {"bleu": 12.0, "copied": 0.02}) is None
    assert "80% of the translations are copies" in watch.validation(1500, {"bleu": 0.0, "copied": 0.8})
    assert "validation BLEU is 0.00" in watch.validation(1500, {"bleu": 0.0, "copied": 0.1})
    assert watch.validation(2000, {"bleu": 0.0, "copied": 0.9}) is None  # said already


def test_the_watch_of_a_run_that_went_on_does_not_ask_for_what_was_learned_before():
    watch = Watch(warmup_steps=400)
    said = [watch.loss(step, 3.0 * 7, 7.0) for step in range(10_001, 11_001)]
    assert not any(said)


def test_a_seed_of_any_size_trains_and_a_negative_one_is_refused(prepared, tmp_path):
    assert make_trainer(prepared, tmp_path / "run", max_steps=2, seed=2**62).run().position.step == 2
    with pytest.raises(ValueError, match=r"trainer.seed \(-1\) must be from 0"):
        make_trainer(prepared, tmp_path / "other", seed=-1)


def test_a_validation_that_could_not_be_kept_is_not_counted_twice(prepared, tmp_path):
    trainer = make_trainer(prepared, tmp_path / "run", max_steps=10, validate=count_up([5.0, 9.0]))
    trainer.store = FailingStore(trainer.store, {"step_000010"})
    with pytest.raises(OSError):
        trainer.run()
    assert [line["step"] for line in metrics(tmp_path / "run") if "valid_bleu" in line] == [5, 10]


def test_losses_between_a_line_and_a_validation_are_in_the_next_line(prepared, tmp_path):
    make_trainer(prepared, tmp_path / "all", max_steps=8, validate_every=100).run()
    make_trainer(prepared, tmp_path / "some", max_steps=8, validate_every=6, log_every=4).run()
    losses = {line["step"]: line["loss"] for line in metrics(tmp_path / "some") if "loss" in line}
    tokens = [make_trainer(prepared, tmp_path / "look").batches.read(Cursor(batch=n))[0].num_tokens for n in range(8)]
    each = [line["loss"] for line in metrics(tmp_path / "all") if "loss" in line]
    mean = sum(loss * n for loss, n in zip(each[4:], tokens[4:], strict=True)) / sum(tokens[4:])
    assert losses[8] == pytest.approx(mean, abs=1e-4)
