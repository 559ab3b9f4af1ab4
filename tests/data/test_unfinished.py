"""Files that a kill cut short: gone on from when the same makes them, else begun anew."""

import pytest

from mt.data.unfinished import Unfinished, joined


class Killed(BaseException):
    pass


def write(path, text, made_by="this", *, then_killed=False, first=0, **how):
    """What `text` adds to the file; gives the line that it resumes after."""
    try:
        with Unfinished(path, made_by, **how).open(first) as (num_done, file):
            file.write(text)
            if then_killed:
                raise Killed
    except Killed:
        pass
    return num_done


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_the_same_made_is_gone_on_from_after_its_last_whole_line(tmp_path):
    path = tmp_path / "out"
    assert write(path, "eins\nzwei\ndr", then_killed=True) == 0
    assert names(tmp_path) == ["out.made_by", "out.unfinished"]
    assert write(path, "drei\n", then_killed=True) == 2
    assert write(path, "vier\n") == 3
    assert path.read_text() == "eins\nzwei\ndrei\nvier\n" and names(tmp_path) == ["out"]
    assert write(path, "neu\n") == 0
    assert path.read_text() == "neu\n"


def test_what_something_else_made_is_begun_anew(tmp_path):
    path = tmp_path / "out"
    write(path, "eins\n", "that", then_killed=True)
    assert write(path, "one\n", then_killed=True) == 0
    assert write(path, "") == 1
    assert path.read_text() == "one\n"


def test_nothing_is_left_of_what_was_never_begun(tmp_path):
    write(tmp_path / "out", "", then_killed=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("torn", ["", "2", "2\tzw"])
def test_several_lines_for_one_are_done_again_when_the_last_is_not_sure(tmp_path, torn):
    path = tmp_path / "out"
    write(path, f"1\teins\n1\tone\n2\tzwei\n{torn}", then_killed=True, is_numbered=True)
    assert write(path, "2\tzwei\n2\ttwo\n", is_numbered=True) == 1
    assert path.read_text() == "1\teins\n1\tone\n2\tzwei\n2\ttwo\n"


def test_parts_are_known_again_until_they_are_joined(tmp_path):
    parts = [tmp_path / "out.part1of2", tmp_path / "out.part2of2"]
    assert write(parts[0], "eins\n", is_part=True) == 0
    assert Unfinished(parts[0], "this", is_part=True).is_whole()
    assert not Unfinished(parts[0], "that", is_part=True).is_whole()
    assert write(parts[1], "zwei\n", first=1, then_killed=True, is_part=True) == 1
    assert not Unfinished(parts[1], "this", is_part=True).is_whole()
    assert write(parts[1], "drei\n", first=1, is_part=True) == 2
    joined(parts, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "eins\nzwei\ndrei\n" and names(tmp_path) == ["out"]


def test_a_second_process_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "out"
    with Unfinished(path, "this").open() as (_, file):
        file.write("eins\n")
        file.flush()
        for made_by in ("this", "that"):
            with pytest.raises(ValueError, match="out is being written by another process"):
                write(path, "zwei\n", made_by)
        assert (tmp_path / "out.made_by").read_text() == "this"
        assert (tmp_path / "out.unfinished").read_text() == "eins\n"
    assert path.read_text() == "eins\n" and names(tmp_path) == ["out"]


def test_what_a_kill_left_of_the_mark_is_cleared_away(tmp_path):
    (tmp_path / ".out.made_by.0123456789abcdef.unfinished").write_text("th")
    (tmp_path / ".other.0123456789abcdef.unfinished").write_text("somebody's")
    write(tmp_path / "out", "eins\n")
    assert names(tmp_path) == [".other.0123456789abcdef.unfinished", "out"]
