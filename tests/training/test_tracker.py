"""Each update stands once in what a tracker shows, also after a kill, and after training went back to a checkpoint."""

import json
import sys
from collections import Counter
from types import ModuleType, SimpleNamespace

import pytest

from mt.train import main
from mt.training.tracker import TensorBoard, Wandb
from tests.conftest import SHORT_VALIDATION, composed_settings, train_overrides


def events(folder):
    """(step, name) of every value in TensorBoard's files, read as its own tools read them, without their mending."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    return [
        (event.step, value.tag)
        for path in sorted(folder.glob("events.*"))
        for event in loader.EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]


def recorded(tracker, folder, steps, *, after):
    """A tracker that was started after that step, and has recorded these."""
    tracker.start(folder, {}, after)
    for step in steps:
        tracker.record(step, {"loss": 1.0 / step, "rate": 0.1, "device": "cpu"})
    return tracker


@pytest.fixture
def killed(tmp_path):
    """A folder in which a process recorded steps 1 to 7 and was killed while it wrote an event."""
    pytest.importorskip("tensorboard")
    recorded(TensorBoard(), tmp_path, range(1, 8), after=0)
    (written,) = (tmp_path / "tensorboard").iterdir()
    with written.open("ab") as file:
        file.write(b"\x18\0\0\0\0\0\0\0torn")
    return tmp_path


@pytest.mark.parametrize("after", [0, 4, 7])
def test_tensorboard_shows_each_update_once_after_a_kill(killed, after):
    recorded(TensorBoard(), killed, range(after + 1, 10), after=after).finish()
    found = events(killed / "tensorboard")
    assert sorted(found) == sorted((step, name) for step in range(1, 10) for name in ("loss", "rate"))


def test_an_event_that_a_kill_tore_hides_none_of_those_after_it(killed):
    """A second kill, and files of which one holds nothing that stays."""
    recorded(TensorBoard(), killed, [5, 6], after=4)
    recorded(TensorBoard(), killed, [5, 6, 7], after=4).finish()
    assert sorted(step for step, name in events(killed / "tensorboard") if name == "loss") == [1, 2, 3, 4, 5, 6, 7]
    assert len(list((killed / "tensorboard").iterdir())) == 2


def test_a_run_that_is_killed_records_each_update_once(corpus_folder, tmp_path, monkeypatch, curves):
    """In TensorBoard's files as in metrics.jsonl; checkpoints at 4 and 8, killed after 7."""
    pytest.importorskip("tensorboard")
    overrides = [
        *train_overrides(corpus_folder, tmp_path),
        *SHORT_VALIDATION,
        "tracker=tensorboard",
        "trainer.max_steps=8",
        "trainer.validate_every=4",
        "trainer.log_every=1",
    ]
    record = TensorBoard.record

    def killed_after_7(self, step, numbers):
        record(self, step, numbers)
        if step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(TensorBoard, "record", killed_after_7)
    with pytest.raises(KeyboardInterrupt):
        main(composed_settings(overrides))
    monkeypatch.undo()
    main(composed_settings(overrides))
    found = Counter(step for step, name in events(tmp_path / "run" / "tensorboard") if name == "loss")
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert found == Counter(line["step"] for line in lines if "loss" in line)
    assert found == Counter(range(1, 9))


class FakeRun:
    """What wandb gives for a run: it keeps what was sent."""

    def __init__(self, sent, **how):
        self.sent, self.how = sent, how

    def log(self, numbers, step):
        self.sent.append((step, *numbers))

    def finish(self):
        pass


@pytest.fixture
def sent(monkeypatch):
    """What wandb was sent, and the ids of the runs that were started."""
    sent, ids = [], []
    wandb = ModuleType("wandb")
    wandb.Error, wandb.Image, wandb.Settings = OSError, str, SimpleNamespace
    wandb.init = lambda **how: ids.append(how["id"]) or FakeRun(sent)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    return sent, ids


def test_wandb_is_sent_each_update_once(sent, tmp_path):
    """Nothing that was sent can be taken back: after a kill, and after training went back to a checkpoint."""
    values, ids = sent
    recorded(Wandb(), tmp_path, range(1, 8), after=0)
    tracker = recorded(Wandb(), tmp_path, range(5, 10), after=4)
    tracker.picture(9, "attention", tmp_path / "9.png")
    tracker.cut(6)
    for step in range(7, 12):
        tracker.record(step, {"loss": 0.5})
        tracker.picture(step, "attention", tmp_path / f"{step}.png")
    steps = [step for step, *names in values if "loss" in names]
    pictures = [step for step, *names in values if "attention" in names]
    assert steps == list(range(1, 12)) and pictures == [9, 10, 11]
    assert len(ids) == 2 and ids[0] == ids[1]


def test_a_wandb_id_of_earlier_versions_is_kept(sent, tmp_path):
    (tmp_path / "wandb_id.txt").write_text("abc123\n")
    recorded(Wandb(), tmp_path, [1, 2], after=0)
    assert sent[1] == ["abc123"] and [step for step, *_ in sent[0]] == [1, 2]
