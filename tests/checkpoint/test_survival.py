"""Kills and full disks at every moment of writing leave what stood before, or what was to come, never half of it."""

import ctypes
import errno
import json
import os
import shutil
import signal

import pytest
import torch

from mt.checkpoint.folder import read_training
from mt.checkpoint.manifest import add_file, verify
from tests.checkpoint.conftest import at_disk_event, die, in_child, opened, save, tree

resource = pytest.importorskip("resource", reason="needs limits of a process")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """A kill loses nothing that was handed to the system, so that nobody need wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run with steps 5 and 10."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    with opened(folder) as run:
        save(run, 5)
        save(run, 10, is_best=False)
    return folder


def save_the_next(folder):
    with opened(folder) as run:
        save(run, 15)
        run.prune(1)


def save_the_same_again(folder):
    with opened(folder) as run:
        save(run, 10, mark=1)


def fall_back_and_save(folder):
    with opened(folder) as run:
        run.resume_point()
        save(run, 10, mark=1)


def finish(folder):
    with opened(folder) as run:
        add_file(run.best, "search.yaml", "size: 4\n")
        add_file(run.best, "search.yaml", "size: 5\n")
        run.finish({"bleu": 1.0})


def assert_all_is_sound(folder):
    """Opens the run as its next start does; gives the step and mark that it resumes from."""
    with opened(folder) as run:
        found, state = run.resume_point()
        verify(found)
        number, mark = state.numbers["step"], state.numbers["mark"]
        assert found.name == f"step_{number:06d}" == run.last.name
        assert torch.equal(state.tensors["weights.w"], torch.full((4,), float(number + mark)))
        assert torch.equal(state.tensors["optimizer.m"], torch.full((4,), -float(number + mark)))
        verify(run.best)
        assert run.scores in (None, {"bleu": 1.0})
        rubbish = [name for name in tree(folder) if "unfinished" in name or "replaced" in name]
        assert not rubbish
        save(run, 20)  # and nothing is in the way
        assert run.best.name == run.last.name == "step_000020"
    return number, mark


@pytest.mark.parametrize(
    "work, steps, stride",  # 1 takes longer; a change of the writing deserves it
    [
        (save_the_next, {(10, 0), (15, 0)}, 3),
        (save_the_same_again, {(10, 0), (10, 1)}, 2),
        (fall_back_and_save, {(5, 0), (10, 1)}, 3),
        (finish, {(10, 0)}, 3),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_kill_at_any_moment_leaves_a_run_that_resumes(begun, tmp_path, work, steps, stride):
    seen = set()
    for number in range(1, 1000, stride):
        folder = tmp_path / str(number)
        shutil.copytree(begun, folder, symlinks=True)
        if work is fall_back_and_save:
            (folder / "step_000010" / "model.safetensors").write_bytes(b"torn")

        def killed(number=number, folder=folder):
            at_disk_event(number, die)
            work(folder)

        _, status = in_child(killed)
        assert status in (0, -signal.SIGKILL)
        seen.add(assert_all_is_sound(folder))
        shutil.rmtree(folder)
        if status == 0:
            break
    assert number > 20 and seen == steps


@pytest.mark.parametrize(
    "name, code", [("step_000015", errno.ENOSPC), ("step_000010", errno.EIO)], ids=["new step", "same step again"]
)
def test_a_disk_that_refuses_at_any_moment_leaves_what_was_there(begun, tmp_path, name, code):
    for number in range(1, 1000, 2):
        folder = tmp_path / str(number)
        shutil.copytree(begun, folder, symlinks=True)
        before = tree(folder)

        def refused(number=number, folder=folder):
            def refuse(*names):
                first, second = (*names, None, None)[:2]
                raise OSError(
                    code, os.strerror(code), first, None, second
                )  # as the system does: with what it was given

            with opened(folder) as run:
                was_refused = at_disk_event(number, refuse)
                try:
                    save(run, int(name[5:]), mark=1)
                except OSError as error:
                    return error.errno, error.filename
                return was_refused()

        result, status = in_child(refused)
        assert status == 0, result
        now = tree(folder)
        if isinstance(result, bool):  # it was not needed: something that may be left for later
            assert assert_all_is_sound(folder) == (int(name[5:]), 1)
            shutil.rmtree(folder)
            if result:
                continue
            break
        assert result[0] == code and result[1].startswith(str(folder)) and "unfinished" not in result[1]
        if (now["best"], now["last"]) == ("step_000005", "step_000010"):  # the links had not come to it yet
            now = {key: value for key, value in now.items() if key in before or name not in key}
            if json.loads(now["step_000010/training.json"])["mark"] == 0:
                assert now == before
        assert not [key for key in now if "unfinished" in key or "replaced" in key]
        assert_all_is_sound(folder)
        shutil.rmtree(folder)
    assert number > 20


def test_a_file_that_may_not_grow_is_an_error_with_its_name(begun, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run", symlinks=True)
    before = tree(folder)

    def limited():
        with opened(folder) as run:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            run.save("step_000015", {"w": torch.zeros(50_000)}, {})

    said, status = in_child(limited)
    assert status == 1 and "File too large" in said and said.endswith("run/step_000015'")
    assert tree(folder) == before
    assert_all_is_sound(folder)


def test_a_disk_that_is_really_full_is_an_error_with_its_name(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()

    def on_a_small_disk():
        system = ctypes.CDLL(None, use_errno=True)
        new_namespace, private = 0x20000, 0x40000 | 0x4000
        if (
            system.unshare(new_namespace)
            or system.mount(b"none", b"/", None, private, None)
            or system.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=400k")
        ):
            return None
        run = opened(folder / "run")
        save(run, 5)
        before, said = tree(folder), []
        for _ in range(3):  # nothing piles up
            try:
                run.save("step_000010", {"w": torch.zeros(120_000)}, {}, read_training(run.last), is_best=True)
            except OSError as error:
                said.append(str(error))
        return said, tree(folder) == before, assert_all_is_sound(folder / "run")

    result, status = in_child(on_a_small_disk)
    if result is None:
        pytest.skip("needs to mount a small disk")
    assert status == 0, result
    said, is_as_before, goes_on_from = result
    assert len(said) == 3 and all("No space left on device" in line and "step_000010" in line for line in said)
    assert is_as_before and goes_on_from == (5, 0)


def test_a_fresh_start_that_was_killed_is_done_again(begun, tmp_path):
    for number in range(1, 1000, 3):
        folder = tmp_path / str(number)
        shutil.copytree(begun, folder, symlinks=True)

        def killed(number=number, folder=folder):
            at_disk_event(number, die)
            opened(folder, fresh=True)

        _, status = in_child(killed)
        with opened(folder, fresh=True) as run:
            assert run.resume_point() is None and set(tree(folder)) == {"config.yaml"}
        if status == 0:
            break
    assert number > 20
