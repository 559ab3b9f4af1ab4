import json
import os
import re
import shutil

import pytest

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import FILE_NAME, add_file, check_listed, verify
from mt.data.lock import shared
from tests.checkpoint.conftest import at_disk_event, die, in_child, tree

FILES = ["model.safetensors", "model.yaml", "tokenizer.model", "scores.json", "training.safetensors", "training.json"]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0b100
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def delete(path):
    path.unlink()


def test_a_new_folder_is_sound_and_its_manifest_names_every_file(step):
    verify(step)
    assert sorted(json.loads((step / FILE_NAME).read_text())["files"]) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "tamper, said",
    [
        (flip_a_bit, r"is damaged or changed: its SHA-256 is \w{16}…, must be \w{16}…"),
        (truncate, r"is cut short or changed: it has \d+ bytes, must have \d+"),
        (delete, r"is missing: it must have \d+ bytes"),
    ],
    ids=["bit flip", "truncation", "missing"],
)
def test_damage_is_found_and_named(step, name, tamper, said):
    tamper(step / name)
    with pytest.raises(ValueError, match=re.escape(str(step / name)) + " " + said):
        verify(step)
    if name.startswith("training"):
        load_checkpoint(step)  # does not read it
        return
    with pytest.raises(ValueError, match=re.escape(str(step))):
        load_checkpoint(step)


@pytest.mark.parametrize("tamper", [flip_a_bit, truncate, delete], ids=["bit flip", "truncation", "missing"])
def test_a_manifest_that_is_damaged_vouches_for_nothing(step, tamper):
    (step / FILE_NAME).write_text((step / FILE_NAME).read_text().strip())  # the last byte counts
    tamper(step / FILE_NAME)
    with pytest.raises(ValueError, match=str(step)):
        verify(step)


def test_a_file_that_is_added_is_in_the_manifest_and_found_out_when_it_is_damaged(step):
    add_file(step, "alignment.json", '{"layer": 0}\n')
    verify(step)
    add_file(step, "alignment.json", '{"layer": 1}\n')
    verify(step)
    assert json.loads((step / "alignment.json").read_text()) == {"layer": 1}
    flip_a_bit(step / "alignment.json")
    with pytest.raises(ValueError, match=r"alignment.json is damaged or changed"):
        verify(step)
    with pytest.raises(ValueError, match=r"alignment.json is damaged or changed"):
        load_checkpoint(step)


def test_a_folder_without_a_manifest_stays_so_when_a_file_is_added(step):
    (step / FILE_NAME).unlink()
    before = tree(step)
    add_file(step, "alignment.json", "{}")
    assert tree(step) == {**before, "alignment.json": b"{}"}
    with pytest.raises(ValueError, match=r"has no manifest.json"):
        verify(step)


def test_processes_that_add_files_at_once_lose_nothing(step, monkeypatch):
    """Each adds a file of its own, and replaces it, many times; nobody's mark is lost, and every state is sound."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a kill loses nothing that the system has
    children = []
    for number in range(4):
        if (child := os.fork()) == 0:
            for turn in range(15):
                add_file(step, f"added_{number}.json", f"{turn}\n")
            os._exit(0)
        children.append(child)
    while children:
        with shared(step):
            verify(step)
        done, status = os.waitpid(-1, os.WNOHANG)
        if done:
            children.remove(done)
            assert status == 0
    verify(step)
    assert {f"added_{number}.json" for number in range(4)} <= set(json.loads((step / FILE_NAME).read_text())["files"])


@pytest.mark.slow
def test_a_kill_while_a_file_is_added_leaves_no_file_that_the_manifest_does_not_know(step, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    add_file(step, "alignment.json", "old")
    seen = set()
    for number in range(1, 100):
        folder = shutil.copytree(step, tmp_path / str(number))

        def killed(number=number, folder=folder):
            at_disk_event(number, die)
            add_file(folder, "alignment.json", "new one")
            add_file(folder, "shortlist.safetensors", "new")

        _, status = in_child(killed)
        verify(folder)
        names = ("alignment.json", "shortlist.safetensors")
        check_listed(folder, names)
        seen.add(tuple((folder / name).read_text() if (folder / name).exists() else None for name in names))
        add_file(folder, "search.yaml", "size: 4")  # another file, which leaves open what the kill left open
        verify(folder)
        check_listed(folder, names)
        if (folder / "shortlist.safetensors").exists():
            flip_a_bit(folder / "shortlist.safetensors")
            with pytest.raises(ValueError, match=r"shortlist.safetensors is damaged or changed"):
                verify(folder)
        if status == 0:
            break
    assert seen == {("old", None), ("new one", None), ("new one", "new")}


@pytest.mark.parametrize("name", ["shortlist.safetensors", "alignment.json", "search.yaml", "source.model"])
def test_a_file_that_the_manifest_does_not_know_is_refused(step, name):
    (step / name).write_text("{}")
    with pytest.raises(ValueError, match=f"{name} is not in manifest.json: another program put it there, delete it"):
        load_checkpoint(step)


def test_what_a_kill_left_is_cleared_away_when_the_next_file_is_added(step):
    before = set(tree(step))
    for name in (".manifest.json.0123456789abcdef.unfinished", ".shortlist.safetensors.12.unfinished"):
        (step / name).write_text("half")
    add_file(step, "alignment.json", "{}")
    assert set(tree(step)) == {*before, "alignment.json"}
