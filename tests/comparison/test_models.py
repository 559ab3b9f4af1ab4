"""The map of models: what each costs and gives, and which points no other one beats."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from mt.compare_models import main
from mt.comparison.models import Entry, Point, front, run_turn
from mt.quantize import main as quantize


def test_the_front_is_what_no_other_point_beats():
    a, b, c, d, e = (Point(*row) for row in (
        ("a", "beam", 10, 40.0), ("b", "beam", 20, 39.0), ("c", "beam", 15, 38.0), ("d", "beam", 10, 40.0),
        ("e", "greedy", 5, 39.9),
    ))  # fmt: skip
    assert front([a, b, c, d, e]) == [b, a, d]


def test_a_path_may_hold_an_at_sign():
    assert Entry.of("/home/me@host/export@ctranslate2").folder == Path("/home/me@host/export")
    with pytest.raises(
        ValueError, match=r"checkpoint \(/home/me@host/nowhere\) does not exist"
    ):  # not: host/nowhere must be one of float32
        Entry.of("/home/me@host/nowhere")


@pytest.mark.parametrize("how", ["int8+bfloat16", "int8+int8", "ctranslate2+int8", "shortlist+ctranslate2"])
def test_what_cannot_be_asked_for_together_is_refused(how):
    with pytest.raises(ValueError, match=rf"one of .* can be asked for, not {re.escape(how)}"):
        Entry.of(f"x@{how}")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("@int9", "int9 must be one of float32, bfloat16, int8, ctranslate2, shortlist"),
        ("@int8+shortlist", "there is no shortlist: python -m mt.shortlist writes one"),
        ("/nowhere", "does not exist"),
    ],
)
def test_a_model_that_cannot_be_measured_is_refused(trained_run, how, message):
    with pytest.raises(ValueError, match=message):
        Entry.of(f"{trained_run}{how}")


def test_a_folder_may_have_such_a_sign_in_its_name(trained_run, tmp_path, monkeypatch):
    shutil.copytree(trained_run, tmp_path / "mine@v2", symlinks=True)
    monkeypatch.chdir(tmp_path)
    assert Entry.of("mine@v2").precision == "float32"
    assert Entry.of("mine@v2@bfloat16").precision == "bfloat16"


def test_the_command_writes_the_map(trained_run, corpus_folder, tmp_path, capsys):
    rounded = tmp_path / "int8"
    quantize(["--checkpoint", str(trained_run), "--output", str(rounded)])
    assert Entry.of(str(rounded)).precision == "int8" and Entry.of(f"{rounded}@float32").precision == "float32"
    for side in ("de", "en"):
        lines = (corpus_folder / f"test.{side}").read_text("utf-8").splitlines()[:12]
        (tmp_path / f"test.{side}").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    test = ["--source", str(tmp_path / "test.de"), "--target", str(tmp_path / "test.en")]
    how = ["--rounds", "1", "--lines", "5", "--one-lines", "1", "--output", str(tmp_path / "map")]
    assert main([str(trained_run), str(rounded), *test, *how]) == 0
    rows = list(csv.DictReader((tmp_path / "map" / "models.csv").open(encoding="utf-8")))
    assert [(row["model"], row["search"]) for row in rows] == [
        (str(one), mode) for one in (trained_run, rounded) for mode in ("beam", "greedy")
    ]
    for row in rows:
        assert float(row["sentences_per_second"]) > 0 and float(row["bleu"]) > 50 and float(row["cold_seconds"]) > 0
    assert float(rows[2]["megabytes"]) < float(rows[0]["megabytes"]) and float(rows[2]["p_bleu"]) <= 1
    page = (tmp_path / "map" / "models.html").read_text("utf-8")
    assert "<svg" in page and page.count("<table>") == 3
    assert (tmp_path / "map" / "models.md").read_text("utf-8") in capsys.readouterr().out


def test_a_turn_that_fails_says_why_in_one_line(trained_run):
    with pytest.raises(ValueError, match=r"x: .*<2fr>") as refused:
        run_turn(Entry("x", Entry.of(str(trained_run)).folder), ["eins"], timed=1, one_lines=1, tag="<2fr>")
    assert "\n" not in str(refused.value)
