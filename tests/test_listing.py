"""Lists inside messages are cut, on one line, and bring no control characters."""

import pytest

from mt.checkpoint.run_folder import RunFolder
from mt.inference.tags import Tags
from mt.listing import MOST, listed


@pytest.mark.parametrize("count", [0, 1, MOST, MOST + 1, 100_000])
def test_the_first_ten_are_shown_and_the_others_counted(count):
    said = listed(range(count))
    assert said.split(" … ")[0] == ", ".join(map(str, range(min(count, 10))))
    assert (f" … and {count - 10} more" in said) == (count > 10)


def test_items_are_cut_and_stay_on_a_line():
    assert listed(["a\nb", "\x1b[2J", "x" * 1000]) == f"a\\nb, \\x1b[2J, {'x' * 80}…"
    assert listed({"b": 1, "a": 2}, between="; ") == "b; a"


class ManySymbols:
    reserved_symbols = tuple(f"<2l{number}>" for number in range(5000))


def test_a_model_of_many_tags_names_ten(caplog):
    tags = Tags(ManySymbols(), reads_untagged=False)
    for check in (lambda: tags.check("<2xx>"), lambda: tags.check_lines([(1, "a")], None)):
        with pytest.raises(ValueError, match=r"<2l9> … and 4990 more") as refused:
            check()
        assert len(str(refused.value)) < 400


def test_many_changed_settings_are_cut_and_their_group_can_be_allowed(tmp_path):
    def settings(value):
        return {"model": {f"part{number}": value for number in range(500)}, "trainer": {"seed": value}}

    RunFolder.open(tmp_path / "run", settings(1))
    (tmp_path / "run" / "step_000001").mkdir()
    with pytest.raises(ValueError, match=r"model.part0 was 1, is 2; .* … and 491 more") as refused:
        RunFolder.open(tmp_path / "run", settings(2))
    assert "resume.allow=[model,trainer]" in str(refused.value) and len(str(refused.value)) < 700
    RunFolder.open(tmp_path / "run", settings(2), allow=["model", "trainer"])
