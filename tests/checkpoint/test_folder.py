import json
import os
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from mt.checkpoint.average import average_weights
from mt.checkpoint.folder import find_step, load_checkpoint, newest_run, read_training, write_checkpoint
from mt.checkpoint.run_folder import RunFolder


@pytest.fixture
def step(trained_run, tmp_path):
    """A copy of the trained step folder, to be damaged."""
    shutil.copytree(find_step(trained_run), tmp_path / "step")
    return tmp_path / "step"


def test_saved_equals_loaded(step, tmp_path):
    loaded = load_checkpoint(step)
    weights = dict(loaded.model.named_parameters())
    write_checkpoint(
        tmp_path / "again", card=loaded.card, weights=weights, tokenizers=loaded.tokenizers, scores={"bleu": 1.0}
    )
    again = load_checkpoint(tmp_path / "again")
    assert again.card == loaded.card
    for name, weight in again.model.named_parameters():
        assert torch.equal(weight, weights[name]), name
    assert again.tokenizers.source.encode("eins zwei") == loaded.tokenizers.source.encode("eins zwei")


def test_a_step_folder_says_all_that_is_needed_and_nothing_is_pickled(step):
    assert {path.name for path in step.iterdir()} == {
        "model.safetensors", "model.yaml", "tokenizer.model", "scores.json", "search.yaml", "alignment.json",
        "training.safetensors", "training.json",
    }  # fmt: skip
    card = yaml.safe_load((step / "model.yaml").read_text())
    assert (card["format"], card["source_language"], card["target_language"]) == (1, "de", "en")
    assert card["changes"] == []
    assert set(json.loads((step / "scores.json").read_text())) >= {"step", "loss", "bleu", "chrf"}


def test_writing_is_whole_or_not_at_all(step, tmp_path, monkeypatch):
    loaded = load_checkpoint(step)
    parts = {"card": loaded.card, "weights": dict(loaded.model.named_parameters()), "tokenizers": loaded.tokenizers}
    write_checkpoint(tmp_path / "target", **parts, scores={"try": 1})

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mt.checkpoint.folder.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path / "target", **parts, scores={"try": 2})
    monkeypatch.undo()
    assert json.loads((tmp_path / "target" / "scores.json").read_text()) == {"try": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step", "target"]
    write_checkpoint(tmp_path / "target", **parts, scores={"try": 3})
    assert json.loads((tmp_path / "target" / "scores.json").read_text()) == {"try": 3}


def edit_card(step, **changes):
    card = yaml.safe_load((step / "model.yaml").read_text())
    (step / "model.yaml").write_text(yaml.safe_dump({**card, **changes}))


def test_a_newer_format_is_refused(step):
    edit_card(step, format=99)
    with pytest.raises(ValueError, match=r"has format 99, this program reads up to 1"):
        load_checkpoint(step)


def test_a_stranger_cannot_run_code(step):
    edit_card(step, model={"_target_": "os.system", "command": "true"})
    with pytest.raises(ValueError, match=r"_target_ \(os.system\) must be a public class or function inside"):
        load_checkpoint(step)


@pytest.mark.parametrize(
    "damage", ["torn weights", "missing weight", "wrong shape", "extra weight", "no card", "bad card"]
)
def test_a_damaged_checkpoint_is_one_clear_line(step, damage):
    path = step / "model.safetensors"
    weights = load_file(path)
    name = sorted(weights)[0]
    if damage == "torn weights":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "missing weight":
        save_file({key: value for key, value in weights.items() if key != name}, path)
    elif damage == "wrong shape":
        save_file({**weights, name: torch.zeros(3)}, path)
    elif damage == "extra weight":
        save_file({**weights, "more": torch.zeros(3)}, path)
    elif damage == "no card":
        (step / "model.yaml").unlink()
    else:
        (step / "model.yaml").write_text("- nothing\n")
    with pytest.raises(ValueError) as refused:
        load_checkpoint(step)
    assert str(step) in str(refused.value) and "\n" not in str(refused.value)


def test_a_path_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint \(.*nowhere\) does not exist"):
        find_step(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is no checkpoint"):
        find_step(tmp_path)


def test_the_newest_finished_run_is_the_default(tmp_path):
    with pytest.raises(ValueError, match="no finished run under"):
        newest_run(tmp_path)
    for age, name in ((30, "older"), (10, "newer"), (0, "unfinished")):
        step = tmp_path / name / "step_000001"
        step.mkdir(parents=True)
        (tmp_path / name / "best").symlink_to(step.name)
        if name != "unfinished":
            (tmp_path / name / "scores.json").write_text("{}")
            os.utime(tmp_path / name / "scores.json", (1e9 - age, 1e9 - age))
    assert newest_run(tmp_path).name == "newer"


def test_average_is_the_mean_of_every_weight(tmp_path):
    for index, value in enumerate((1.0, 2.0, 6.0)):
        (tmp_path / str(index)).mkdir()
        save_file({"w": torch.full((2, 3), value)}, tmp_path / str(index) / "model.safetensors")
    mean = average_weights([tmp_path / str(index) for index in range(3)])
    assert torch.equal(mean["w"], torch.full((2, 3), 3.0))


def test_another_setting_in_a_started_run_is_refused_with_old_and_new_value(trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run", symlinks=True)
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    settings["trainer"]["max_steps"] = 9999  # how long it runs may change
    assert RunFolder.open(tmp_path / "run", settings).last is not None
    settings["model"]["layer"]["dim"] = 48
    with pytest.raises(ValueError, match=r"other settings \(model.layer.dim was 32, is 48\)"):
        RunFolder.open(tmp_path / "run", settings)
    assert RunFolder.open(tmp_path / "run", settings, fresh=True).last is None


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / ".step_000005.123").mkdir()
    RunFolder.open(tmp_path, {"name": "x"})
    assert not list(tmp_path.glob(".step_*"))


def test_training_state_is_plain_numbers_and_tensors(trained_run):
    state = read_training(find_step(trained_run))
    assert state.numbers["step"] == 450
    assert any(name.startswith("optimizer.exp_avg.") for name in state.tensors) and "random.cpu" in state.tensors


def test_a_stranger_cannot_name_a_function_of_ours_that_writes(step, tmp_path):
    write = {"_target_": "mt.data.whole_folder.write_whole", "path": str(tmp_path / "evil"), "text": "x"}
    card = yaml.safe_load((step / "model.yaml").read_text())
    for changes in ({"model": {**card["model"], "layer": write}}, {"model": card["model"], "changes": [write]}):
        edit_card(step, **changes)
        with pytest.raises(ValueError, match=r"_target_ \(mt.data.whole_folder.write_whole\) must be"):
            load_checkpoint(step)
    edit_card(step, **card)
    (step / "search.yaml").write_text(yaml.safe_dump(write))
    with pytest.raises(ValueError, match=r"_target_ \(mt.data.whole_folder.write_whole\) must be"):
        load_checkpoint(step)
    assert not (tmp_path / "evil").exists()


def test_a_step_that_a_kill_left_half_replaced_comes_back(trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run", symlinks=True)
    last = RunFolder(tmp_path / "run").last
    last.rename(last.with_name(f".{last.name}.old"))
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert RunFolder.open(tmp_path / "run", settings).last == last


def test_other_settings_for_what_comes_after_training_unfinish_a_run(trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run", symlinks=True)
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert RunFolder.open(tmp_path / "run", settings).scores is not None
    settings["search"]["size"] = 2
    assert RunFolder.open(tmp_path / "run", settings).scores is None


def test_steps_are_in_the_order_of_their_numbers(tmp_path):
    names = ["step_000005", "step_999999", "step_1000000"]
    for name in reversed(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text('{"bleu": 1.0}')
    assert [step.name for step in RunFolder(tmp_path).steps()] == names


def test_a_torn_training_state_is_one_clear_line(step):
    path = step / "training.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be resumed from"):
        read_training(step)
