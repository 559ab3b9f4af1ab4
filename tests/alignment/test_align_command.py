"""The align command, end to end: with a stand-in whose attention is known, and with a real (untrained) model."""

import json
import shutil
import sys
import weakref

import numpy as np
import pytest

from mt import align
from mt.alignment.alignment import RawAttention
from mt.alignment.choice import Choice
from mt.checkpoint.manifest import add_file
from mt.evaluation import alignment_input
from mt.inference import aligner as inference
from mt.inference.aligner import Aligner
from tests.alignment.known_aligner import call, lines_of_page, records


def test_every_line_has_its_entry_in_every_file(aligner, files, capsys):
    folder = call(files, "--target", str(files / "de"))
    assert (folder / "links.pharaoh").read_text() == "0-2 1-1 2-0\n\n0-3 1-2 2-1 3-0\n"
    first, blank, last = records(folder)
    assert first["line"] == 1
    assert first["source"] == ["the", "old", "house"]
    assert first["target"] == ["Haus", "alte", "das"]
    assert first["links"][0] == {"source": 0, "target": 2, "tokens": ["the", "das"]}
    assert first["strength"] == ["strong", "strong", "strong"]
    assert blank == {"line": 2, "source": [], "target": [], "weights": [], "links": [], "strength": []}
    assert last["source"] == ["yes\u2028", "no", "$x", "<b>"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "0001.png", "0001.svg", "0003.png", "0003.svg", "about.json", "alignments.html", "alignments.jsonl",
        "links.pharaoh",
    ]  # fmt: skip
    assert capsys.readouterr().out == "layer 1, heads 0-1 (mean), shift 1, en-de, sink mass 0.06\n"


def test_exports_name_layer_heads_shift_and_direction(aligner, files):
    folder = call(files, "--target", str(files / "de"), "--layer", "2", "--heads", "1", "--shift", "0")
    about = json.loads((folder / "about.json").read_text())
    for values in (records(folder)[0], about):
        assert (values["direction"], values["layer"], values["heads"], values["shift"]) == ("en-de", 2, [1], 0)
    assert (about["lines"], about["blank_lines"], about["unit"], about["method"]) == (3, 1, "words", "argmax")
    assert "layer 2, head 1, shift 0  ·  en-de" in (folder / "0001.svg").read_text(encoding="utf-8")


def test_rows_of_the_json_sum_to_one_without_specials(aligner, files):
    for values in (records(call(files))[0], records(call(files, "--unit", "pieces"))[0]):
        np.testing.assert_allclose(np.sum(values["weights"], axis=1), 1, atol=2e-4)
        assert np.shape(values["weights"]) == (3, 3)


def test_without_a_target_the_own_translation_is_aligned(aligner, files):
    folder = call(files, "--formats", "json,pharaoh")
    assert records(folder)[0]["target"] == ["HOUSE", "OLD", "THE"]
    assert (folder / "links.pharaoh").read_text() == "0-2 1-1 2-0\n\n0-3 1-2 2-1 3-0\n"


def test_layer_heads_and_shift_change_the_weights(aligner, files):
    seen = {
        json.dumps(records(call(files, "--formats", "json", *flags.split()))[0]["weights"])
        for flags in ("", "--layer 0", "--heads 0", "--heads 1", "--shift 0")
    }
    assert len(seen) == 5
    assert records(call(files, "--formats", "json", "--heads", "all"))[0]["heads"] == [0, 1]
    assert records(call(files, "--formats", "json", "--layer", "0"))[0]["heads"] == [0, 1]


def test_pieces_keep_their_sign(aligner, files):
    assert records(call(files, "--unit", "pieces"))[0]["source"] == ["▁the", "▁old", "▁house"]


@pytest.mark.parametrize(("which", "maps"), [(["heads"], 2), ([], 2), (["layers"], 3), (["all"], 6)])
def test_grid_draws_all_of_them(aligner, files, which, maps):
    folder = call(files, "--formats", "svg", "--limit", "1", "--grid", *which)
    assert sorted(path.name for path in folder.glob("*.svg")) == ["0001.grid.svg", "0001.svg"]
    assert (folder / "0001.grid.svg").read_text(encoding="utf-8").count(">layer ") == maps


def test_formats_and_limit_decide_what_is_written(aligner, files):
    assert {path.name for path in call(files, "--formats", "pharaoh").iterdir()} == {"about.json", "links.pharaoh"}
    assert {path.name for path in call(files, "--formats", "png", "--limit", "1", output="b").iterdir()} == {
        "about.json",
        "0001.png",
    }
    assert not list(call(files, "--limit", "0", output="c").glob("*.png"))


@pytest.mark.slow
def test_the_page_shows_the_first_lines_that_have_two_sides(aligner, files, caplog):
    caplog.set_level("INFO", "mt.evaluation.alignment_output")
    assert lines_of_page(call(files, "--formats", "html")) == [1, 3]
    assert not caplog.messages
    assert lines_of_page(call(files, "--formats", "html", "--limit", "1")) == [1]
    assert caplog.messages == ["alignments.html: the first 1 of 2 lines (--limit)"]
    (files / "many").write_text("a b\n" * 101)
    folder = call(files, "--formats", "html,png", source="many", output="many.out")
    assert lines_of_page(folder) == [*range(1, 101)]
    assert len(list(folder.glob("*.png"))) == 20


def test_methods_make_other_links(aligner, files):
    def links(*flags):
        return (
            (call(files, "--formats", "pharaoh", "--layer", "0", *flags) / "links.pharaoh").read_text().split("\n")[0]
        )

    assert links() == "0-0 0-1 0-2"
    assert links("--method", "mutual") == "0-0"
    assert links("--method", "threshold", "--threshold", "0.15") == "0-0 0-1 0-2 1-0 1-1 1-2 2-0 2-1 2-2"


def test_gold_prints_the_error_rate(aligner, files, capsys):
    folder = call(files, "--target", str(files / "de"), "--gold", str(files / "wa"))
    # 7 links, 3 sure: all 3 found; 4 of the 7 are possible
    assert capsys.readouterr().out.splitlines()[1:] == [
        "AER 30.00  precision 57.14  recall 100.00  F1 72.73  (7 links, 3 sure)",
        "source words         sentences     AER  precision  recall      F1",
        "1-10                         2   30.00      57.14  100.00   72.73",
    ]
    about = json.loads((folder / "about.json").read_text())
    assert about["aer"] == about["by_length"]["1-10"]["aer"] == 0.3
    assert "by_direction" not in about
    assert "gold, possible" in (folder / "0001.svg").read_text(encoding="utf-8")


def test_device_precision_and_batch_tokens_are_handed_on(aligner, files):
    call(files, "--device", "cpu", "--precision", "bfloat16", "--batch-tokens", "77", "--formats", "json")
    assert aligner.loaded == ("run", {"device": "cpu", "precision": "bfloat16"})
    assert {tokens for _, tokens in aligner.calls} == {77}


def test_standard_input_is_read(aligner, files, monkeypatch):
    data = "\ufeffa b\r\n\nc".encode()
    (files / "stdin").write_bytes(data)
    monkeypatch.setattr(sys, "stdin", (files / "stdin").open())
    assert (
        align.main(["--checkpoint", "run", "--source", "-", "--output", str(files / "o"), "--formats", "pharaoh"]) == 0
    )
    assert (files / "o" / "links.pharaoh").read_text() == "0-1 1-0\n\n0-0\n"


def test_many_lines_come_in_order(aligner, files):
    lines = [f"w{number}" if number % 7 else "" for number in range(600)]
    (files / "many").write_text("\n".join(lines) + "\n")
    folder = call(files, "--formats", "json", source="many")
    assert [" ".join(values["source"]) for values in records(folder)] == lines


@pytest.mark.slow
@pytest.mark.parametrize("how", [["--target", "yy"], [], ["--target", "yy", "--reverse", "back"]], ids=str)
def test_the_maps_that_are_held_are_bounded_by_their_cells(checkpoint, tmp_path, monkeypatch, how):
    """However many lines there are, and whatever is kept of a line that was written."""
    words, sources, targets = ["der", "Hund", "sieht", "Katzen"], [], []
    for number in range(30):
        sources.append("" if number % 9 == 4 else " ".join(words[: 1 + number % 4]))
        targets.append(" ".join(words[: 1 + number % 3]))
    for name, lines in (("xx", sources), ("yy", targets)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(alignment_input, "load_reverse", lambda path, *_: Aligner.load(checkpoint, device="cpu"))
    held, cells, most = 0, [], 0

    def watched(**values):
        nonlocal held, most
        raw = RawAttention(**values)
        assert raw.weights_LHTS.base is None  # else it keeps more than itself
        cells.append(raw.weights_LHTS.size)
        held += cells[-1]
        most = max(most, held)
        weakref.finalize(raw, let_go, cells[-1])
        return raw

    def let_go(size):
        nonlocal held
        held -= size

    monkeypatch.setattr(inference, "RawAttention", watched)
    written = []
    for bound in (inference.MAX_CELLS, 1500, 1):
        monkeypatch.setattr(inference, "MAX_CELLS", bound)
        cells.clear()
        most = held = 0
        where = ["--checkpoint", str(checkpoint), "--source", "xx", "--output", f"out{bound}", "--device", "cpu"]
        assert align.main([*where, *how, "--formats", "html,json,pharaoh"]) == 0
        written.append(
            [(tmp_path / f"out{bound}" / name).read_text("utf-8") for name in ("alignments.jsonl", "links.pharaoh")]
        )
        # beside a portion: the line that is being written, and two of the other direction, which go one by one
        assert most <= max(bound, max(cells)) + (3 if "--reverse" in how else 1) * max(cells)
        assert bound > sum(cells) or most < sum(cells) / 4
    assert written[0] == written[1] == written[2]


def test_an_empty_file_gives_empty_files(aligner, files):
    (files / "none").write_text("")
    folder = call(files, source="none")
    assert (folder / "links.pharaoh").read_text() == (folder / "alignments.jsonl").read_text() == ""


def test_text_without_blanks_is_reported_once(aligner, files, caplog):
    (files / "zh").write_text("我知道那个老人\n我喜欢这本书\n", encoding="utf-8")
    call(files, "--formats", "json", source="zh")
    assert [record.getMessage() for record in caplog.records] == [
        "line 1: the source has no blanks, so it is one word (see --unit pieces)",
        "line 1: the target has no blanks, so it is one word (see --unit pieces)",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--target {short}", "has 1 lines, .* has 3"),
        ("--target {missing}", "file not found"),
        ("--layer 1 --signal erasure", r"--layer goes with --signal weights or norms: erasure is of the whole model"),
        ("--layer 3", r"layer \(3\) must be from 0 to 2"),
        ("--heads 0,2", r"head \(2\) must be from 0 to 1"),
        ("--heads one", r"--heads \(one\)"),
        ("--formats pdf", r"--formats \(pdf\)"),
        ("--formats ,", "--formats must name at least one"),
        ("--threshold 0.5 --method mutual", "goes with --method threshold, not mutual"),
        ("--method threshold --threshold 2", r"threshold \(2\)"),
        ("--gold {wa}", "--gold needs --target"),
        ("--gold {wa} --target {de} --unit pieces", "--gold needs --unit words"),
        ("--gold {short} --target {de}", "short: 1 lines of links for 3 sentences"),
        ("--gold {de} --target {de}", r"de: line 1: link \(Haus\) must be"),
        ("--gold {far} --target {de}", r"far, sentence 3: link \(9-0\) must lie within"),
        ("--target -  --source -", "standard input"),
        ("--limit -1", r"--limit \(-1\) must be a whole number of at most 64 bits, at least 0"),
        ("--batch-tokens 0", r"--batch-tokens \(0\)"),
    ],
)
def test_mistakes_are_one_clear_line(aligner, files, flags, message):
    (files / "short").write_text("eine\n")
    (files / "far").write_text("\n\n9-0\n")
    names = {name: files / name for name in ("short", "missing", "wa", "de", "far")}
    with pytest.raises((ValueError, OSError), match=message) as error:
        call(files, *flags.format(**names).split())
    assert "\n" not in str(error.value)


def test_a_real_model_is_read_the_same_whatever_the_batch(checkpoint, tmp_path):
    lines = ["der alte Hund sieht Katzen", "", "der Hund", "junge Häuser 🙂 sieht der alte junge Hund"]
    (tmp_path / "de").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    results = []
    for tokens in (1, 4096):
        folder = tmp_path / str(tokens)
        flags = ["--source", str(tmp_path / "de"), "--target", str(tmp_path / "de"), "--output", str(folder)]
        align.main(
            ["--checkpoint", str(checkpoint), *flags, "--device", "cpu", "--batch-tokens", str(tokens), "--limit", "1"]
        )
        results.append(records(folder))
    for line, one, many in zip(lines, *results, strict=True):
        assert one["source"] == one["target"] == many["source"] == line.split()
        np.testing.assert_allclose(one["weights"], many["weights"], atol=2e-4)
    assert (tmp_path / "1" / "0001.png").stat().st_size
    assert results[0][0]["direction"] == "xx-yy"
    assert (results[0][0]["layer"], results[0][0]["heads"], results[0][0]["shift"]) == (1, [0, 1], 0)


@pytest.mark.parametrize("has_target", [True, False], ids=["given target", "own translation"])
def test_lines_over_max_pieces_are_left_out_and_reported(checkpoint, tmp_path, caplog, has_target):
    words = ["the house ", "house the the "]
    (tmp_path / "en").write_text(f"the house\n{words[0] * 20_000}\nthe house is small\n", "utf-8")
    (tmp_path / "de").write_text("the house\nthe house\n" + words[1] * 5 + "\n", "utf-8")
    flags = ["--source", str(tmp_path / "en"), "--checkpoint", str(checkpoint), "--formats", "pharaoh,json"]
    if has_target:
        flags += ["--target", str(tmp_path / "de")]
    assert align.main([*flags, "--output", str(tmp_path / "out")]) == 0
    warnings = [message for message in caplog.messages if "left out" in message]
    assert len(warnings) == 1 and warnings[0].startswith("line 2: left out, its source has ")
    lines = (tmp_path / "out" / "links.pharaoh").read_text().split("\n")
    assert [bool(line) for line in lines] == [True, False, True, False]
    assert json.loads((tmp_path / "out" / "about.json").read_text())["too_long_lines"] == 1
    caplog.clear()
    assert align.main([*flags, "--max-pieces", "30", "--output", str(tmp_path / "few")]) == 0
    sides = ["line 2: left out, its source", *["line 3: left out, its target"] * has_target]
    assert [message[: len(side)] for message, side in zip(caplog.messages, sides, strict=True)] == sides


def test_a_choice_is_made_on_lines_that_fit(checkpoint, tmp_path, caplog, capsys):
    (tmp_path / "en").write_text(f"{'the house ' * 20_000}\nthe house\n", "utf-8")
    (tmp_path / "de").write_text("the house\nthe house\n", "utf-8")
    files = ["--source", str(tmp_path / "en"), "--target", str(tmp_path / "de"), "--checkpoint", str(checkpoint)]
    (tmp_path / "gold").write_text("0-0\n0-0 1-1\n", "utf-8")
    assert align.main(["choose", *files, "--gold", str(tmp_path / "gold"), "--dry-run"]) == 0
    assert [message.partition(", its")[0] for message in caplog.messages] == ["line 1: left out"]
    (tmp_path / "long").write_text("the house " * 20_000 + "\n", "utf-8")
    files[1] = files[3] = str(tmp_path / "long")
    with pytest.raises(ValueError, match="no pair of lines that is short enough"):
        align.main(["choose", *files, "--dry-run"])


def test_a_real_model_takes_its_choice_from_the_checkpoint(checkpoint, tmp_path):
    (tmp_path / "de").write_text("der alte Hund\n", encoding="utf-8")
    step = shutil.copytree(checkpoint, tmp_path / "step")
    add_file(step, "alignment.json", Choice(1, (1,), 0, error_rate=0.2).to_json())
    flags = ["--source", str(tmp_path / "de"), "--output", str(tmp_path), "--formats", "json"]
    align.main(["--checkpoint", str(step), *flags])
    (values,) = records(tmp_path)
    assert (values["layer"], values["heads"], values["shift"]) == (1, [1], 0)


@pytest.mark.parametrize("how", ["gold", "reverse", "statistical"])
def test_the_choice_is_written_into_the_checkpoint(checkpoint, tmp_path, capsys, how, monkeypatch):
    run = shutil.copytree(checkpoint, tmp_path / "step_000001")
    back = shutil.copytree(checkpoint, tmp_path / "back" / "step_000001")
    monkeypatch.setattr(alignment_input, "load_reverse", lambda path, *_: Aligner.load(path))
    (tmp_path / "de").write_text("der alte Hund\n\nder junge Hund sieht Katzen\n" * 4, encoding="utf-8")
    (tmp_path / "gold").write_text("0-0 1-1 2-2\n\n0-0 1-1 2-2 3?3\n" * 4)
    flags = ["choose", f"--source={tmp_path / 'de'}", f"--target={tmp_path / 'de'}", f"--checkpoint={run}", "--show=3"]
    flags += {"gold": [f"--gold={tmp_path / 'gold'}"], "reverse": [f"--reverse={back}"], "statistical": []}[how]
    assert align.main([*flags, "--dry-run"]) == 0
    assert not (run / "alignment.json").exists()
    assert align.main(flags) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert float(first.split("%")[0]) <= float(second.split("%")[0])
    choice = Choice.load(run, num_layers=2, num_heads=2)
    assert choice.describe() in first
    wanted = {
        "gold": "gold links",
        "reverse": "agreement with xx-yy",
        "statistical": "links of the statistical aligner",
    }
    assert choice.measured_on == wanted[how] and (back / "alignment.json").exists() == (how == "reverse")
