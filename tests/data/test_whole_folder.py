import os

import pytest

from mt.data.whole_folder import link_whole, remove_unfinished, remove_whole, whole_folder, write_whole


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
