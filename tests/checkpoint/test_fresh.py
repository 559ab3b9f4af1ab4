"""`fresh=true` deletes what a run wrote, by a list, and nothing that lies beside it."""

import os
import shutil

import pytest

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.run_contents import foreign
from mt.checkpoint.run_folder import RunFolder
from mt.checkpoint.steps import find_step
from tests.checkpoint.conftest import SETTINGS, at_disk_event, in_child, opened, save, tree

WITH_TESTS = {**SETTINGS, "data": {"tests": {"test": {}, "news": {}}}}


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("years of work")


OWN = [
    *("metrics.jsonl", "changes.jsonl", "ledger.json", "scores.json", "curve.png", "curve.svg", "wandb_id.txt"),
    *("attention/step_000005.png", "attention/step_1000005.npz", "bad_batches/step_000005_0001_0.json"),
    *("translations/test.txt", "translations/news.txt", "tensorboard/events.out.tfevents.17.host.1.0"),
    *("wandb/offline-run-20260101_000000-abc/files/x", "damaged_step_000005/model.yaml", "average/model.yaml"),
    *(".step_000025.0123456789abcdef.unfinished/model.yaml", ".step_000030.replaced/model.yaml"),
    "step_000005/reranking.json",
    *("step_000005/shortlist.safetensors", "step_000005/.search.yaml.0a.unfinished", "damaged_average_2/scores.json"),
]
FOREIGN = [
    *("thesis.txt", "notes/a.txt", "config.yaml.bak", "step_000005_mine/x", "step_000005/notes.txt", ".hidden"),
    *("translations/mine.txt", "attention/best.png", "tensorboard/notes", "wandb/mine", "bad_batches/README"),
    *("name=exp,trainer.seed=2/config.yaml", "average/x/y", "attention/deep/x", "step_000005/sub/x", "out.unfinished"),
]


@pytest.fixture
def run(tmp_path):
    """A run with steps 5 (the best one) and 10, two test sets, and files of every kind."""
    with opened(tmp_path / "run", WITH_TESTS) as run:
        save(run, 5)
        save(run, 10, is_best=False)
    write(run.path, *OWN)
    return run


def test_all_that_a_run_writes_goes(run):
    assert foreign(run.path, ["test", "news"]) == []
    RunFolder.open(run.path, WITH_TESTS, fresh=True).close()
    assert set(tree(run.path)) == {"config.yaml"}


@pytest.mark.parametrize("name", FOREIGN)
def test_whatever_else_lies_there_is_named_and_nothing_is_deleted(run, name):
    write(run.path, name)
    before = tree(run.path)
    with pytest.raises(ValueError) as refused:
        RunFolder.open(run.path, WITH_TESTS, fresh=True)
    first = {"notes": "notes/", "name=exp,trainer.seed=2": "name=exp,trainer.seed=2/", "step_000005_mine": "_mine/"}
    assert first.get(name.split("/")[0], name.removesuffix("/y").removesuffix("/x")) in str(refused.value)
    assert "which the run did not write: fresh=true deletes nothing" in str(refused.value)
    assert tree(run.path) == before
    RunFolder.open(run.path, WITH_TESTS).close()  # going on is another matter
    assert (run.path / name).read_text() == "years of work"


def test_links_are_not_followed_and_not_written_through(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path, "elsewhere/kept")
    for name, message in (
        ("mine", "holds mine, which the run did not write"),
        ("metrics.jsonl", "metrics.jsonl must not be a link"),
        ("translations", "translations must not be a link"),
        ("tensorboard/events.out.tfevents.2", "tfevents.2 must not be a link"),
        ("step_000020", "step_000020 must not be a link"),
    ):
        path = run.path / name
        aside = tmp_path / "aside"
        if path.exists():
            path.rename(aside)
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ValueError, match=message):
            RunFolder.open(run.path, WITH_TESTS, fresh=True)
        path.unlink()
        if aside.exists():
            aside.rename(path)
    assert (tmp_path / "elsewhere" / "kept").exists()
    RunFolder.open(run.path, WITH_TESTS, fresh=True)


def test_many_names_are_cut_and_control_characters_shown(run):
    write(run.path, *(f"{number}\x1b[2J\n" for number in range(1000)))
    with pytest.raises(ValueError) as refused:
        RunFolder.open(run.path, WITH_TESTS, fresh=True)
    said = str(refused.value)
    assert r"0\x1b[2J\n" in said and "… and 990 more" in said and said.isprintable() and len(said) < 500


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", ["config.yaml", "ledger.json", "translations/test.txt", "average/x"])
def test_a_run_does_not_write_over_files_that_are_no_runs(tmp_path, name, fresh):
    write(tmp_path, name)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{tmp_path} holds {name.split('/')[0]}, but no run: choose another"):
            RunFolder.open(tmp_path, SETTINGS, fresh=fresh)
    assert tree(tmp_path)[name] == b"years of work" and not (tmp_path / ".lock").exists()


def test_pruning_keeps_a_step_with_files_of_others(tmp_path, caplog):
    with opened(tmp_path / "run") as run:
        for number in (5, 10, 15):
            save(run, number, is_best=number == 15)
        write(run.path, "step_000005/notes.txt")
        for _ in range(2):
            run.prune(1)
        assert sorted(path.name for path in run.path.glob("step*")) == ["step_000005", "step_000015"]
        assert caplog.text.count("step_000005 is kept: it holds notes.txt") == 1


@pytest.mark.slow
def test_a_deletion_that_fails_half_way_says_so_and_leaves_a_run_that_loads_or_has_no_step(run, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for number in range(1, 300, 3):
        folder = tmp_path / str(number)
        shutil.copytree(run.path, folder, symlinks=True)

        def refused(number=number, folder=folder):
            def refuse(*names):
                raise PermissionError(13, "Permission denied", str((*names, folder)[0]))

            was_refused = at_disk_event(number, refuse)
            try:
                RunFolder.open(folder, WITH_TESTS, fresh=True)
            except (ValueError, OSError) as error:
                return str(error)
            return was_refused()

        said, status = in_child(refused)
        assert status == 0, said
        if isinstance(said, str):
            assert str(folder) in said and "\n" not in said
            steps = [step.name for step in folder.iterdir() if step.name in ("step_000005", "step_000010")]
            if steps:  # what it was, while there is any of it
                found = find_step(folder)
                assert (found.name, len(steps)) in (("step_000005", 2), ("step_000005", 1)), steps
            RunFolder.open(folder, WITH_TESTS, fresh=True).close()
        assert set(tree(folder)) == {"config.yaml"}
        shutil.rmtree(folder)
        if said is False:
            break
    assert number > 20


def test_the_list_holds_all_that_a_finished_run_has(trained_run):
    tests = RunFolder(trained_run)._tests()
    assert tests and foreign(trained_run, tests) == []
    load_checkpoint(trained_run)
