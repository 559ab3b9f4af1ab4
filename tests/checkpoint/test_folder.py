import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from mt.checkpoint.average import average_weights
from mt.checkpoint.folder import TrainingState, load_checkpoint, read_training, write_checkpoint
from mt.checkpoint.manifest import FILE_NAME, write_manifest
from mt.checkpoint.outline import kept_tensors
from mt.checkpoint.rebuild import build
from mt.checkpoint.steps import find_step, newest_run
from mt.comparison.variant import ROLES
from mt.settings import config_folder
from tests.checkpoint.conftest import TOY
from tests.conftest import composed_settings
from tests.variants import variants


def test_saved_equals_loaded(parts, tmp_path):
    write_checkpoint(tmp_path / "step", **parts, scores={"bleu": 1.0})
    loaded = load_checkpoint(tmp_path / "step")
    assert loaded.card == parts["card"] and loaded.search is None
    for name, weight in loaded.model.named_parameters():
        assert torch.equal(weight, parts["weights"][name]), name
    assert loaded.tokenizers.source.encode("eins zwei") == parts["tokenizers"].source.encode("eins zwei")
    assert not any(weight.is_meta for weight in loaded.model.parameters())


def test_a_step_folder_says_all_that_is_needed_and_nothing_is_pickled(trained_run):
    step = find_step(trained_run)
    assert {path.name for path in step.iterdir()} == {
        "model.safetensors", "model.yaml", "tokenizer.model", "scores.json", "search.yaml", "alignment.json",
        "confidence.json", "training.safetensors", "training.json", "manifest.json",
    }  # fmt: skip
    card = yaml.safe_load((step / "model.yaml").read_text())
    assert (card["format"], card["source_language"], card["target_language"]) == (2, "de", "en")
    assert card["changes"] == []
    assert set(json.loads((step / "scores.json").read_text())) >= {"step", "loss", "bleu", "chrf"}


def test_writing_is_whole_or_not_at_all(parts, tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "target", **parts, scores={"try": 1})

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*target'"):
        write_checkpoint(tmp_path / "target", **parts, scores={"try": 2})
    monkeypatch.undo()
    assert json.loads((tmp_path / "target" / "scores.json").read_text()) == {"try": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    write_checkpoint(tmp_path / "target", **parts, scores={"try": 3})
    assert json.loads((tmp_path / "target" / "scores.json").read_text()) == {"try": 3}
    load_checkpoint(tmp_path / "target")


def test_a_newer_format_is_refused(step, edited):
    edited("model.yaml", format=99)
    write_manifest(step, {})
    with pytest.raises(ValueError, match=r"has format 99, this program reads up to 2"):
        load_checkpoint(step)


@pytest.mark.parametrize("has_manifest", [True, False], ids=["with manifest", "an older version's"])
@pytest.mark.parametrize(
    "damage", ["torn weights", "missing weight", "wrong shape", "other numbers", "extra weight", "no card", "bad card"]
)
def test_a_damaged_checkpoint_is_one_clear_line(step, damage, has_manifest):
    path = step / "model.safetensors"
    weights = load_file(path)
    name = sorted(weights)[0]
    if damage == "torn weights":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "missing weight":
        save_file({key: value for key, value in weights.items() if key != name}, path)
    elif damage == "wrong shape":
        save_file({**weights, name: torch.zeros(3)}, path)
    elif damage == "other numbers":
        save_file({**weights, name: weights[name].to(torch.int32)}, path)
    elif damage == "extra weight":
        save_file({**weights, "more": torch.zeros(3)}, path)
    elif damage == "no card":
        (step / "model.yaml").unlink()
    else:
        (step / "model.yaml").write_text("- nothing\n")
    if not has_manifest:
        (step / FILE_NAME).unlink()
    with pytest.raises(ValueError) as refused:
        load_checkpoint(step)
    assert str(step) in str(refused.value) and "\n" not in str(refused.value)


def test_a_checkpoint_of_an_older_version_is_loaded_without_its_manifest(step):
    (step / FILE_NAME).unlink()
    assert load_checkpoint(step).card.source_language == "de"


def test_what_only_resuming_needs_may_be_deleted(step):
    (step / "training.safetensors").unlink()
    (step / "training.json").unlink()
    assert load_checkpoint(step).card.target_language == "en"


def test_a_path_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint \(.*nowhere\) does not exist"):
        find_step(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        find_step(tmp_path)


def test_a_run_folder_without_its_links_gives_its_newest_step(step, tmp_path, caplog):
    for number in (5, 10, 2):
        shutil.copytree(step, tmp_path / "run" / f"step_{number:06d}")
    (tmp_path / "run" / "best").symlink_to("step_000099")
    assert find_step(tmp_path / "run").name == "step_000010"
    assert "has neither best nor last: using step_000010" in caplog.text


PARTS = [
    pytest.param(slot, config_folder() / "attention" / f"{variant.id}.yaml", id=f"{slot}-{variant.id}")
    for slot, role in ROLES.items()
    for variant in variants(role)
] + [
    pytest.param(f"{half}.layer", path, id=f"{half}.layer-{path.stem}")
    for half in ("encoder", "decoder")
    for path in (config_folder() / "layer").glob("*.yaml")
]


@pytest.mark.slow  # a model for each settings file
@pytest.mark.parametrize("slot, file", PARTS)
def test_every_part_that_settings_name_comes_back(parts, tmp_path, slot, file):
    node = composed_settings(TOY)["model"]
    half, name = slot.split(".")
    node[half][name] = yaml.safe_load(file.read_text("utf-8"))
    sizes = {f"{side}_vocab_size": getattr(parts["tokenizers"], side).size for side in ("source", "target")}
    weights = kept_tensors(build(node, **sizes))
    changed = {"card": replace(parts["card"], model=node), "weights": weights, "scores": {"bleu": 1.0}}
    write_checkpoint(tmp_path / "step", **{**parts, **changed})
    loaded = kept_tensors(load_checkpoint(tmp_path / "step").model)
    assert loaded.keys() == weights.keys() and all(torch.equal(loaded[name], weights[name]) for name in weights)


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
        weights = {"w": torch.full((2, 3), value), "ids": torch.arange(4, dtype=torch.int32)}
        save_file(weights, tmp_path / str(index) / "model.safetensors")
    folders = [tmp_path / str(index) for index in range(3)]
    for _ in range(2):  # the files are as they were
        found = average_weights(folders)
        assert torch.equal(found["w"], torch.full((2, 3), 3.0))
        assert torch.equal(found["ids"], weights["ids"]) and found["ids"].dtype == torch.int32


def test_damaged_weights_are_not_averaged(step):
    content = bytearray((step / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (step / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model.safetensors is damaged or changed"):
        average_weights([step])


def test_training_state_is_plain_numbers_and_tensors(trained_run):
    state = read_training(find_step(trained_run))
    assert state.numbers["step"] == 450
    assert any(name.startswith("optimizer.exp_avg.") for name in state.tensors)


def test_weights_of_training_are_the_models_unless_others_were_kept(parts, tmp_path):
    own = {"optimizer.m": torch.ones(3)}
    write_checkpoint(tmp_path / "one", **parts, scores={}, training=TrainingState(tensors=own, numbers={"step": 1}))
    state = read_training(tmp_path / "one")
    assert state.tensors.keys() == {*own, *(f"weights.{name}" for name in parts["weights"])}
    for name, weight in parts["weights"].items():
        assert torch.equal(state.tensors[f"weights.{name}"], weight)
    (name, weight), *_ = parts["weights"].items()
    own[f"weights.{name}"] = weight + 1
    write_checkpoint(tmp_path / "two", **parts, scores={}, training=TrainingState(tensors=own, numbers={"step": 1}))
    state = read_training(tmp_path / "two")
    assert state.tensors.keys() == own.keys() and torch.equal(state.tensors[f"weights.{name}"], weight + 1)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what is mapped")
def test_a_training_state_is_mapped_not_read(step):
    state = read_training(step)
    mapped = Path("/proc/self/maps").read_text()
    assert all(str(step / name) in mapped for name in ("training.safetensors", "model.safetensors"))
    assert state.tensors["optimizer.exp_avg.x"].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_torn_training_state_is_one_clear_line(step):
    path = step / "training.safetensors"
    path.write_bytes(path.read_bytes()[:1])
    with pytest.raises(ValueError, match="cannot be resumed from"):
        read_training(step)
