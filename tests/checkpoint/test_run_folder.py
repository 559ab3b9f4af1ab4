"""A run's folder: one process at a time, settings that stay, and a sound checkpoint to resume from."""

import contextlib
import json
import os
import shutil
import subprocess
from copy import deepcopy

import pytest
import torch
import yaml

from mt.checkpoint.changes import read_settings, settings_to_resume
from mt.checkpoint.manifest import FILE_NAME
from mt.checkpoint.migrations import MOVED
from mt.checkpoint.run_folder import RunFolder
from tests.checkpoint.conftest import SETTINGS, in_child, opened, save, tree
from tests.children import Fork, wait_for


def of_format_1(run, settings):
    """Writes a run's settings as format 1 did; gives those that say the same today."""
    (run.path / "config.yaml").write_text(yaml.safe_dump(settings))
    return {name: value for name, value in read_settings(run.path).items() if name != "begun"}


@pytest.fixture
def run(tmp_path):
    """A run with steps 5, 10 (the best one) and 15."""
    with opened(tmp_path / "run") as run:
        for number in (5, 10, 15):
            save(run, number, is_best=number < 15)
        yield run


def changed(**settings):
    """The settings with others of the optimizer or, for one that is a group, at the top."""
    found = deepcopy(SETTINGS)
    for name, value in settings.items():
        (found if name in found else found["optimizer"])[name] = value
    return found


def tear(folder, name="model.safetensors"):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])


# --- settings


def test_another_setting_in_a_started_run_is_refused_with_old_and_new_value_and_every_way_out(run):
    with pytest.raises(ValueError) as refused:
        RunFolder.open(run.path, changed(peak=0.2, betas=[0.5]))
    said = str(refused.value)
    assert "(optimizer.betas was [0.9, 0.98], is [0.5]; optimizer.peak was 0.1, is 0.2)" in said
    for way in ("name=…", "fresh=true", "resume.allow=[optimizer.betas,optimizer.peak]"):
        assert way in said
    assert "or, to continue unchanged, optimizer.peak=0.1" in said
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == {"format": 3, "begun": 3, **SETTINGS}
    assert RunFolder.open(run.path, changed(peak=0.2), fresh=True).last is None


def test_a_run_whose_settings_name_a_class_by_its_old_place_resumes_and_another_class_is_refused(run):
    old, new = next(iter(MOVED.items()))
    now = of_format_1(run, {**SETTINGS, "objective": {"_target_": old}})
    with pytest.raises(ValueError, match=rf"\(objective._target_ was {new}, is mt.search.beam.Beam\)"):
        RunFolder.open(run.path, {**now, "objective": {"_target_": "mt.search.beam.Beam"}})
    assert RunFolder.open(run.path, {**now, "objective": {"_target_": new}}).last is not None
    assert not (run.path / "changes.jsonl").exists()


def test_how_long_a_run_takes_may_always_change(run):
    longer = changed(trainer={"max_steps": 9999, "seed": 1})
    assert RunFolder.open(run.path, longer).last is not None
    assert not (run.path / "changes.jsonl").exists()


def test_settings_change_freely_before_the_first_checkpoint(tmp_path):
    RunFolder.open(tmp_path, SETTINGS)
    RunFolder.open(tmp_path, changed(peak=0.2))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["optimizer"]["peak"] == 0.2


@pytest.mark.parametrize("allow", [["optimizer"], ["optimizer.peak"], ["trainer", "optimizer.peak"]], ids=str)
def test_an_allowed_change_is_taken_and_the_old_value_kept(run, allow):
    RunFolder.open(run.path, changed(peak=0.2), allow=allow)
    RunFolder.open(run.path, changed(peak=0.3), allow=allow)
    RunFolder.open(run.path, changed(peak=0.3))  # it is the run's own now
    lines = [json.loads(line) for line in (run.path / "changes.jsonl").read_text().splitlines()]
    assert lines == [
        {"step": 15, "name": "optimizer.peak", "old": 0.1, "new": 0.2},
        {"step": 15, "name": "optimizer.peak", "old": 0.2, "new": 0.3},
    ]


def test_what_is_not_allowed_is_refused_beside_what_is(run):
    with pytest.raises(ValueError, match=r"\(name was x, is y\).*resume.allow=\[name\]"):
        RunFolder.open(run.path, changed(peak=0.2, name="y"), allow=["optimizer"])
    assert not (run.path / "changes.jsonl").exists()


@pytest.mark.parametrize(
    "allow, said",
    [
        (["optimizr.peak"], r"resume.allow \(optimizr.peak\) must be .*; did you mean optimizer.peak\?"),
        (["optimizer.pea"], r"resume.allow \(optimizer.pea\) must be .*; did you mean optimizer.peak\?"),
        ("optimizer", r"resume.allow \(optimizer\) must be a list: resume.allow=\[optimizer\]"),
        (None, r"resume.allow \(None\) must be a list"),
    ],
    ids=str,
)
def test_an_unknown_name_in_allow_is_refused_also_in_a_new_run(run, tmp_path, allow, said):
    for folder in (run.path, tmp_path / "new"):
        with pytest.raises(ValueError, match=said):
            RunFolder.open(folder, SETTINGS, allow=allow)


def test_a_setting_that_is_gone_may_be_allowed_by_its_old_name(run):
    without = {"trainer": SETTINGS["trainer"], "name": "x"}
    assert RunFolder.open(run.path, without, allow=["optimizer"]).last is not None


def test_other_settings_for_what_comes_after_training_unfinish_a_run(run):
    run.finish({"bleu": 1.0})
    assert RunFolder.open(run.path, SETTINGS).scores == {"bleu": 1.0}
    assert RunFolder.open(run.path, {**SETTINGS, "search": {"size": 2}}).scores is None


def test_a_run_from_before_scores_were_settings_goes_on_as_it_scored_and_stays_finished(run):
    run.finish({"bleu": 1.0})
    now = of_format_1(run, SETTINGS)
    auto = {**now["scores"], "tokenize": "auto", "ter": "auto"}
    resumed = settings_to_resume({**now, "folder": str(run.path), "fresh": False, "scores": auto})
    assert resumed["scores"] == now["scores"] == {**auto, "tokenize": "13a", "ter": "tercom"}
    again = RunFolder.open(run.path, now)
    assert again.scores == {"bleu": 1.0}
    again.close()
    other = {**now, "scores": {**now["scores"], "tokenize": "char"}}
    with pytest.raises(ValueError, match=r"scores.tokenize was 13a, is char"):
        RunFolder.open(run.path, other)
    assert RunFolder.open(run.path, other, allow=["scores"]).scores is None, "the tests are scored again"


def test_checkpoints_whose_settings_are_lost_are_not_gone_on_with(run):
    (run.path / "config.yaml").unlink()
    with pytest.raises(ValueError, match=r"holds checkpoints but no config.yaml"):
        RunFolder.open(run.path, SETTINGS)
    assert RunFolder.open(run.path, SETTINGS, fresh=True).resume_point() is None


def test_fresh_leaves_a_folder_alone_that_is_no_runs(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    RunFolder.open(tmp_path, SETTINGS, fresh=True)
    assert (tmp_path / "thesis.txt").exists()


def test_links_that_a_copy_made_folders_are_reported(run, tmp_path):
    copy = shutil.copytree(run.path, tmp_path / "copy", symlinks=False)
    with pytest.raises(ValueError, match="must be a link to a step, not a folder: copy runs with cp -a"):
        RunFolder.open(copy, SETTINGS)


# --- the lock


def test_a_second_process_is_reported_who_is_there_and_deletes_nothing(run):
    before = tree(run.path)
    for how in ({}, {"fresh": True}):
        said, status = in_child(lambda how=how: opened(run.path, **how))
        assert status == 1 and f"{run.path} is in use by another run (process {os.getpid()} on " in said
    assert tree(run.path) == before
    run.close()
    assert in_child(lambda: opened(run.path).last.name) == ("step_000015", 0)


def test_the_process_itself_may_open_its_run_again(run):
    again = opened(run.path)
    run.close()
    assert in_child(lambda: opened(run.path))[1] == 1  # still
    again.close()
    assert in_child(lambda: opened(run.path) and None)[1] == 0


def test_a_refused_start_lets_go_of_the_lock(run):
    run.close()
    with pytest.raises(ValueError, match="other settings") as _:
        RunFolder.open(run.path, changed(peak=0.2))
    assert in_child(lambda: opened(run.path) and None)[1] == 0


def test_a_killed_process_is_not_in_the_way(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from mt.data import lock\n"
        "held = lock.lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(3600)"
    )
    with Fork(["-c", code, tmp_path], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=rf"is in use by another run \(process {other.pid} on .* since 20"):
            opened(tmp_path)
        other.kill()

    def is_free():
        with contextlib.suppress(ValueError):
            return bool(opened(tmp_path))

    wait_for(is_free)


def test_a_folder_that_was_deleted_is_locked_anew(run):
    shutil.rmtree(run.path)
    opened(run.path)
    assert in_child(lambda: opened(run.path))[1] == 1


# --- falling back


def test_a_run_without_checkpoints_has_nothing_to_go_on_from(tmp_path):
    assert opened(tmp_path / "run").resume_point() is None


def test_a_sound_run_goes_on_from_its_last_step(run, caplog):
    folder, state = run.resume_point()
    assert folder.name == "step_000015" and state.numbers["step"] == 15
    assert torch.equal(state.tensors["weights.w"], torch.full((4,), 15.0))
    assert not caplog.records


def test_a_damaged_step_is_reported_and_skipped_and_out_of_the_way(run, caplog):
    tear(run.last, "training.safetensors")
    folder, state = run.resume_point()
    assert folder.name == run.last.name == "step_000010" and state.numbers["step"] == 10
    (record,) = caplog.records
    for part in ("step_000015/training.safetensors is cut", "using step_000010 instead", "damaged_step_000015"):
        assert part in record.getMessage()
    assert [step.name for step in run.steps()] == ["step_000005", "step_000010"]
    save(run, 15)
    assert run.resume_point()[0].name == "step_000015" and (run.path / "damaged_step_000015").is_dir()


def test_a_step_that_is_damaged_twice_is_kept_twice(run):
    for name in ("damaged_step_000015", "damaged_step_000015_2"):
        tear(run.last)
        run.resume_point()
        assert (run.path / name).is_dir()
        save(run, 15)


def test_several_damaged_steps_are_skipped_each_with_a_line(run, caplog):
    for number in (10, 15):
        tear(run.path / f"step_{number:06d}")
    assert run.resume_point()[0].name == run.last.name == run.best.name == "step_000005"
    assert [text in caplog.text for text in ("damaged_step_000010", "damaged_step_000015")] == [True, True]


def test_without_a_sound_step_nothing_is_touched_and_one_line_says_so(run):
    for step in run.steps():
        tear(step)
    before = tree(run.path)
    with pytest.raises(ValueError) as refused:
        run.resume_point()
    said = str(refused.value)
    assert "has no checkpoint to resume from" in said and "step_000015/model.safetensors is cut" in said
    assert "(and 2 more)" in said and "fresh=true" in said and "\n" not in said
    assert tree(run.path) == before


def test_steps_of_an_older_version_are_refused_not_renamed(run):
    for step in run.steps():
        (step / FILE_NAME).unlink()
    with pytest.raises(ValueError, match=r"has no manifest.json"):
        run.resume_point()
    assert len(run.steps()) == 3


@pytest.mark.parametrize("target", [None, "step_000099", "../elsewhere"], ids=["gone", "dangling", "outside"])
def test_lost_links_are_mended(run, tmp_path, target):
    shutil.copytree(run.path / "step_000005", tmp_path / "elsewhere")
    for name in ("last", "best"):
        (run.path / name).unlink()
        if target:
            (run.path / name).symlink_to(target)
    assert run.last is None and run.best is None
    assert run.resume_point()[0].name == run.last.name == run.best.name == "step_000015"


def test_a_damaged_best_gives_way_to_the_newest_sound_step(run, caplog):
    tear(run.best)
    assert run.resume_point()[0].name == "step_000015" == run.best.name
    assert "step_000010/model.safetensors is cut" in caplog.text and (run.path / "damaged_step_000010").is_dir()


def test_a_best_without_what_resuming_needs_is_as_good(run):
    (run.best / "training.safetensors").unlink()
    run.resume_point()
    assert run.best.name == "step_000010"


def test_a_step_without_what_resuming_needs_is_passed_over_and_stays(run, caplog):
    tear(run.last)
    for name in ("training.safetensors", "training.json"):
        (run.best / name).unlink()
    assert run.resume_point()[0].name == "step_000005" and run.best.name == "step_000010"
    assert "step_000010/training.json is missing" in caplog.text or "step_000010/training.safe" in caplog.text
    for step in run.steps():
        for name in ("training.safetensors", "training.json"):
            (step / name).unlink(missing_ok=True)
    with pytest.raises(ValueError, match="has no checkpoint to resume from"):
        run.resume_point()


def test_a_step_that_no_link_named_is_the_last_resort(run):
    (run.path / "last").unlink()
    (run.path / "last").symlink_to("step_000010")
    assert run.resume_point()[0].name == "step_000010"
    for number in (5, 10):
        tear(run.path / f"step_{number:06d}")
    assert run.resume_point()[0].name == "step_000015"


def test_a_validated_step_becomes_best_where_there_is_none(run):
    shutil.rmtree(run.best)
    save(run, 20, is_best=False, scores={})
    assert run.best is None
    save(run, 25, is_best=False)
    assert run.best.name == "step_000025"


# --- order in the folder


def test_steps_are_in_the_order_of_their_numbers(tmp_path):
    names = ["step_000005", "step_999999", "step_1000000"]
    for name in [*reversed(names), "step_000007_mine", "damaged_step_000008", "step_000009"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text(
            '{"bleu": 1.0}' if "9" * 2 in name or name != "step_000009" else "{"
        )
    assert [step.name for step in RunFolder(tmp_path).steps()] == names


def test_pruning_keeps_the_newest_the_best_and_the_last(run):
    save(run, 20, is_best=False, scores={})
    run.prune(1)
    assert sorted(path.name for path in run.path.glob("*step*")) == ["step_000010", "step_000015", "step_000020"]


def test_what_a_kill_left_half_written_is_cleared_away_and_half_replaced_comes_back(run):
    for name in (".step_000025.123.unfinished", "step_000005/.search.yaml.123.unfinished"):
        (run.path / name).mkdir()
    (run.path / "step_000015").rename(run.path / ".step_000015.replaced")
    assert opened(run.path).last.name == "step_000015"
    assert not [name for name in tree(run.path) if "unfinished" in name or "replaced" in name]


def test_a_clock_that_jumps_back_changes_nothing_in_the_order_of_a_run(run):
    """Steps are in the order of their numbers, not of their times."""
    for number, step in enumerate(run.steps()):
        os.utime(step, (2e9 - 1000 * number, 2e9 - 1000 * number))
    save(run, 20, is_best=False)
    os.utime(run.path / "step_000020", (0, 0))
    assert run.last.name == run.resume_point()[0].name == "step_000020"
    run.prune(1)
    assert [step.name for step in run.steps()] == ["step_000010", "step_000020"]
