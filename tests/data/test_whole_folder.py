import os
from pathlib import Path

import pytest

from mt.data.lock import alone, lock, only_process
from mt.data.whole_folder import link_whole, remove_unfinished, remove_whole, whole_file, whole_folder, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_error_names_the_file_as_it_would_have_been_called(tmp_path):
    with pytest.raises(IsADirectoryError) as refused, whole_folder(tmp_path / "new") as new:
        (new / "part").mkdir()
        (new / "part").write_text("x")
    assert refused.value.filename == str(tmp_path / "new" / "part")
    assert names(tmp_path) == []


def test_a_write_that_the_disk_refuses_leaves_the_old_file(tmp_path, monkeypatch):
    write_whole(tmp_path / "a.txt", "old")

    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/a.txt'"):
        write_whole(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_disk_that_is_full_in_the_middle_is_named(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"), whole_file("/dev/full") as file:
        file.write("a")
    with (
        pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/a.txt'"),
        whole_file(tmp_path / "a.txt") as file,
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError, match=r"^another's$"), whole_file(tmp_path / "a.txt") as file:
        raise OSError("another's")


def test_links_change_all_or_none(tmp_path):
    link_whole([tmp_path / "a", tmp_path / "b"], "one")
    (tmp_path / "full").mkdir()
    with pytest.raises(OSError, match="full"):
        link_whole([tmp_path / "a", tmp_path / "full" / "none" / "b"], "two")
    assert os.readlink(tmp_path / "a") == os.readlink(tmp_path / "b") == "one"
    link_whole([tmp_path / "a"], "two")
    assert os.readlink(tmp_path / "a") == "two" and names(tmp_path) == ["a", "b", "full"]


def test_a_folder_goes_at_once(tmp_path):
    (tmp_path / "old" / "deep").mkdir(parents=True)
    remove_whole(tmp_path / "old")
    assert names(tmp_path) == []


def test_what_a_kill_left_is_put_in_order_of_one_name_or_of_all(tmp_path):
    for name in ("a", ".a.replaced", ".b.replaced", ".b.12.unfinished", ".c.12.unfinished", ".mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "in").write_text(name)
    (tmp_path / ".d.12.unfinished").write_text("a file")
    remove_unfinished(tmp_path, "b".__eq__)
    assert (tmp_path / "b" / "in").read_text() == ".b.replaced"
    assert names(tmp_path) == [".a.replaced", ".c.12.unfinished", ".d.12.unfinished", ".mine", "a", "b"]
    remove_unfinished(tmp_path)
    assert names(tmp_path) == [".mine", "a", "b"] and (tmp_path / "a" / "in").read_text() == "a"


@pytest.mark.parametrize("name", ["a.txt", "a" * 240, "ä" * 120])
def test_what_is_being_written_has_a_name_that_cannot_be_planted(tmp_path, monkeypatch, name):
    """A stranger's links, by the names that were used before and by any that begin alike, stay where they are."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    planted = [f".{name[:100]}.{number}.unfinished" for number in (os.getpid(), 1)]
    for link in planted:
        (folder / link).symlink_to(victim)
    write_whole(folder / name, "new")
    (folder / "link").symlink_to(victim)
    write_whole(folder / "link", "not through it")
    assert victim.read_text() == "mine" and not (folder / "link").is_symlink()
    assert names(folder) == sorted([*planted, name, "link"])

    drawn = iter(["0" * 16, "1" * 16])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(drawn))
    (folder / f".b.{'0' * 16}.unfinished").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_whole(folder / "b", "new")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_an_unfinished_output_that_is_a_link_is_not_written_through(tmp_path, plant):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    plant(tmp_path / "out.unfinished", victim)
    said = r"out.unfinished (must be a plain file|is a hard link to another file)"
    with pytest.raises(ValueError, match=said), whole_file(tmp_path / "out") as file:
        file.write("new")
    assert victim.read_text() == "mine" and not (tmp_path / "out").exists()


def test_an_output_belongs_to_one_process(tmp_path):
    with whole_file(tmp_path / "out") as file:
        file.write("first\n")
        file.flush()
        said = rf"^{tmp_path}/out is being written by another process: wait for it"
        with pytest.raises(ValueError, match=said), whole_file(tmp_path / "out", keep=lambda _: pytest.fail("looked")):
            pass
        file.write("second\n")
    assert (tmp_path / "out").read_text() == "first\nsecond\n" and names(tmp_path) == ["out"]
    with whole_file(tmp_path / "out") as file:
        file.write("third\n")
    assert (tmp_path / "out").read_text() == "third\n"


def test_an_output_that_was_refused_lets_go(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), whole_file(tmp_path / "out"):
            raise RuntimeError
    assert names(tmp_path) == []


def test_an_output_folder_belongs_to_one_process(tmp_path):
    with only_process(tmp_path / "a" / "new"):
        said = "a/new is being written by another process"
        with pytest.raises(ValueError, match=said), only_process(tmp_path / "a" / "new"):
            pass
        assert (tmp_path / "a" / "new").is_dir()
    assert not (tmp_path / "a" / "new").exists()
    with only_process(tmp_path / "a" / "new"):
        (tmp_path / "a" / "new" / "file").touch()
    assert names(tmp_path / "a" / "new") == ["file"]


def test_a_lock_is_not_taken_through_a_link(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".lock").symlink_to(tmp_path / "victim")
    with pytest.raises(ValueError, match=r"\.lock must be a plain file, not a link"):
        lock(tmp_path)
    with pytest.raises(ValueError, match=r"\.lock must be a plain file, not a link"), alone(tmp_path / ".lock"):
        pass
    assert (tmp_path / "victim").read_text() == "mine"
