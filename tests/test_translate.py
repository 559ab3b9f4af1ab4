"""The `translate` command on a model that has learned its corpus: what goes in comes out, whatever it is."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mt.alignment.omission import LEFT_OVER
from mt.inference.options import Options
from mt.inference.records import in_column
from mt.inference.searching import search_of
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.sampling import Sampling
from mt.translate import main
from mt.translate_flags import parser
from tests.children import PATIENCE_SECONDS, Fork, run_ranks, wait_for
from tests.conftest import reversed_pairs
from tests.hostile import file, lines

ROOT = Path(__file__).resolve().parents[1]


def test_sentences_as_arguments(translate):
    assert translate("eins zwei drei", "acht vier") == ["three two one", "four eight"]


def test_lines_of_standard_input_keep_their_number_and_order(translate):
    lines = b"eins zwei\n\n  \nacht vier\r\nzwei drei"
    assert translate(stdin=lines) == ["two one", "", "  ", "four eight", "three two"]
    assert translate(stdin=b"") == []
    assert translate(stdin=b"\n") == [""]


def test_files_in_and_out(translate, tmp_path):
    (tmp_path / "in").write_text("eins zwei\nacht vier\n", encoding="utf-8")
    assert translate("--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")) == []
    assert (tmp_path / "out").read_text(encoding="utf-8") == "two one\nfour eight\n"


def test_hostile_lines_are_as_many_as_went_in(translate, caplog):
    hostile = [b"eins \xff\xfe", b"\x00", "\u2028\u0085\x0c".encode(), "🙂 漢字 مرحبا".encode()]
    hostile += [b"eins " * 400, b"a" * 3000]
    assert len(translate("--max-length", "5", stdin=b"\n".join(hostile) + b"\n")) == len(hostile)
    assert "standard input: not UTF-8 at line 1, byte 5 (0xff); such bytes are replaced by U+FFFD" in caplog.text
    assert "line 5: split into" in caplog.text and "line 6:" in caplog.text


def test_thousands_of_hostile_lines_are_as_many_as_went_in(translate):
    content = file(lines(3000, seed=1, num_long=3, long_bytes=1 << 17))
    out = translate("--beam-size", "1", "--max-length", "4", stdin=content)
    assert len(out) == 3000
    for raw, line in zip(content.split(b"\n"), out, strict=False):
        if not raw.decode("utf-8", "replace").strip():
            assert line == raw.removesuffix(b"\r").decode("utf-8")


def test_an_argument_is_one_line_whatever_is_in_it(trained_run, tmp_path):
    arguments = [b"eins zwei", b"\xff\xfe", b"\n", b"eins\nzwei\n", b"\xed\xa0\x80 eins", "🙂\u2028\r".encode(), b" "]
    command = [sys.executable, "-m", "mt.translate", "--checkpoint", str(trained_run), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    locales = [{}, {"PYTHONIOENCODING": "ascii"}]
    if sys.executable.isascii():  # Python itself does not start in this one if its own path is not ASCII
        locales.append({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    for locale in locales:
        done = subprocess.run(
            command, env=environment | locale, capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(b"\n") == len(arguments)
        assert done.stdout.decode("utf-8").split("\n")[0] == "two one"
        assert [line.split(b":")[0] for line in done.stderr.splitlines() if b"not UTF-8" in line] == [
            b"line 2",
            b"line 5",
        ]


def test_json_of_other_scripts_is_utf8_in_any_locale(trained_run):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "mt.translate", "--checkpoint", str(trained_run), "--json", "語 🙂"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE_SECONDS, check=True)
    assert json.loads(done.stdout.decode("utf-8"))["source"] == "語 🙂"


def test_closed_streams(trained_run, tmp_path):
    def shell(redirection):
        translate = shlex.join([sys.executable, "-m", "mt.translate", "--checkpoint", str(trained_run)])
        command = f"exec {translate} {redirection}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )

    done = shell("<&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = shell("eins >&-")
    assert (done.returncode, done.stderr) == (2, "translate: error: standard output is closed\n")


def test_a_file_appears_whole(trained_run, tmp_path):
    output = tmp_path / "out"
    output.write_text("an older one\n")
    unfinished = tmp_path / "out.unfinished"
    process = start("--checkpoint", str(trained_run), "--output", str(output), stdin=subprocess.PIPE)
    process.stdin.write("eins drei\n")
    process.stdin.flush()
    wait_for(lambda: unfinished.exists() and unfinished.read_text() == "three one\n", process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_SECONDS) == 130
    assert (output.read_text(), unfinished.read_text()) == ("an older one\n", "three one\n")

    process = start("--checkpoint", str(trained_run), "--output", str(output), stdin=subprocess.PIPE)
    process.communicate("zwei drei\n", timeout=PATIENCE_SECONDS)
    assert output.read_text() == "three two\n" and not unfinished.exists()


@pytest.mark.parametrize("line", ["{}", "<b>{}</b> <br/>"], ids=["plain", "markup"])
def test_many_lines_go_to_several_processes_and_come_out_alike(trained_run, tmp_path, line):
    lines = [line.format(text) for text in reversed_pairs(700, 5)[0]]
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    flags = ["--checkpoint", str(trained_run), "--device", "cpu", "--input", str(tmp_path / "in"), "--n-best", "2"]
    for workers in ("1", "2"):
        main([*flags, "--alignment", "--markup", "--workers", workers, "--output", str(tmp_path / workers)])
    assert (tmp_path / "1").read_text("utf-8") == (tmp_path / "2").read_text("utf-8")


def test_a_kill_costs_what_was_under_way_and_no_more(trained_run, tmp_path, caplog):
    """Greedy search in one process, so that windows follow one another."""
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in reversed_pairs(9000, 5)[0]), "utf-8")
    flags = ["--checkpoint", str(trained_run), "--input", str(tmp_path / "in"), "--beam-size", "1", "--workers", "1"]
    main([*flags, "--output", str(tmp_path / "at once")])
    output, unfinished = tmp_path / "out", tmp_path / "out.unfinished"
    process = start(*flags, "--output", str(output))
    wait_for(lambda: unfinished.exists() and unfinished.stat().st_size, process)
    process.kill()
    process.wait()
    done = unfinished.read_bytes().count(b"\n")
    assert 0 < done < 9000
    caplog.set_level("INFO", "mt")
    main([*flags, "--output", str(output)])
    assert f"resumes after line {done}" in caplog.text
    assert output.read_bytes() == (tmp_path / "at once").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at once", "in", "out"]


@pytest.mark.slow
def test_of_several_processes_each_does_a_part(trained_run, tmp_path):
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in reversed_pairs(50, 5)[0]), "utf-8")
    flags = ["--checkpoint", str(trained_run), "--device", "cpu", "--input", str(tmp_path / "in")]
    main([*flags, "--output", str(tmp_path / "alone")])
    run_ranks(2, ["-m", "mt.translate", *flags, "--output", tmp_path / "together"])
    assert (tmp_path / "together").read_bytes() == (tmp_path / "alone").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "in", "together"]


def test_a_wrong_output_is_reported_before_the_model_is_loaded(tmp_path):
    for output, error in ((tmp_path, IsADirectoryError), (tmp_path / "nowhere" / "out", FileNotFoundError)):
        with pytest.raises(error) as refused:
            main(["--checkpoint", "no such checkpoint", "--output", str(output), "eins"])
        assert refused.value.filename == str(output)


def test_nothing_is_left_of_a_file_that_was_never_begun(tmp_path):
    with pytest.raises(ValueError, match="no such checkpoint"):
        main(["--checkpoint", "no such checkpoint", "--output", str(tmp_path / "out"), "eins"])
    assert not list(tmp_path.iterdir())


def test_what_is_no_file_is_written_as_it_is(trained_run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = start("--checkpoint", str(trained_run), "--output", str(tmp_path / "pipe"), "eins zwei")
    assert (tmp_path / "pipe").read_text() == "two one\n"
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_columns(translate):
    (line,) = translate("--scores", "--alignment", "eins zwei drei")
    score, text, links = line.split("\t")
    assert (text, links) == ("three two one", "0-2 1-1 2-0") and -1.0 < float(score) < 0.0


def test_n_best_lines_are_numbered(translate):
    rows = [line.split("\t") for line in translate("--n-best", "3", "--scores", "eins zwei", "acht vier")]
    assert [row[0] for row in rows] == ["1", "1", "1", "2", "2", "2"]
    assert [rows[0][2], rows[3][2]] == ["two one", "four eight"]
    assert float(rows[0][1]) >= float(rows[1][1]) >= float(rows[2][1])


def test_json_has_all_of_it(translate):
    (line,) = translate("--json", "--alignment", "--n-best", "2", "eins zwei")
    body = json.loads(line)
    assert (body["line"], body["source"], len(body["translations"])) == (1, "eins zwei", 2)
    assert body["translations"][0]["text"] == "two one" and body["translations"][0]["links"] == "0-1 1-0"


@pytest.mark.parametrize("line", ["<a\thref='x'>eins</a> zwei", "<a title='\\t'>eins</a> zwei", "{x:\u2028} eins zwei"])
def test_columns_hold_whatever_is_in_the_text(translate, line):
    plain = translate("--markup", line)[0]
    (row,) = translate("--markup", "--scores", "--alignment", line)
    _, column, links = row.split("\t")
    assert column == in_column(plain) != plain and links == "0-1 1-0"
    for number, _, column in (row.split("\t") for row in translate("--markup", "--scores", "--n-best", "2", line)):
        assert number == "1" and len(column.splitlines()) == 1
    assert json.loads(translate("--markup", "--json", line)[0])["translations"][0]["text"] == plain


def test_a_sentence_that_is_a_file_is_reported(translate, tmp_path, caplog):
    (tmp_path / "lines").write_text("eins\n")
    translate(str(tmp_path / "lines"), "eins")
    assert f"{tmp_path}/lines is a file, translated as a sentence; --input translates its lines" in caplog.text
    assert caplog.text.count("is a file") == 1


def test_coverage_says_what_is_left_out(translate):
    whole, cut = (
        json.loads(translate("--json", "--coverage", *flags, "eins zwei drei vier")[0])["translations"][0]
        for flags in ([], ["--max-length", "1"])
    )
    assert whole["omitted"] == whole["repeated"] == [] and whole["coverage"] == 1
    assert cut["omitted"] and {word["word"] for word in cut["omitted"]} <= {"eins", "zwei", "drei"}
    for word in cut["omitted"]:
        assert word["left_over"] >= LEFT_OVER and "eins zwei drei vier".split()[word["position"]] == word["word"]
    assert cut["coverage"] == 1 - len(cut["omitted"]) / 4


def test_coverage_of_a_line_that_is_split_counts_its_words(translate):
    line = "eins zwei drei vier fünf sechs acht"
    split, blank = translate("--json", "--coverage", "--max-length", "1", "--max-pieces", "4", line, " ")
    omitted = json.loads(split)["translations"][0]["omitted"]
    assert max(word["position"] for word in omitted) >= 4
    assert all(line.split()[word["position"]] == word["word"] for word in omitted)
    blank = json.loads(blank)["translations"][0]
    assert (blank["coverage"], blank["omitted"], blank["repeated"]) == (1.0, [], [])


def test_repeated_words_are_said(translate):
    (line,) = translate("--json", "--coverage", "--min-length", "30", "--beam-size", "1", "eins zwei")
    (translation,) = json.loads(line)["translations"]
    words = translation["text"].split()
    for loop in translation["repeated"]:
        size = len(loop["words"].split())
        assert words[loop["position"] :][: size * loop["times"]] == loop["words"].split() * loop["times"]
    assert translation["repeated"]


def test_greedy_beam_and_sampling(translate):
    assert translate("--beam-size", "1", "eins zwei") == translate("--beam-size", "9", "eins zwei") == ["two one"]
    wild = ["--sample", "--temperature", "5", "eins zwei drei"]
    assert translate(*wild, "--seed", "3") == translate(*wild, "--seed", "3") != ["three two one"]
    assert translate(*wild, "--top-k", "1") == ["three two one"]


def test_a_length_limit_is_reported(translate, caplog):
    assert translate("--max-length", "2", "eins zwei drei vier")
    assert "line 1: stopped at the length limit" in caplog.text


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--checkpoint", "nowhere", "eins"], r"checkpoint \(nowhere\) does not exist"),
        (["--workers", "0", "eins"], r"--workers \(0\) must be a whole number .*at least 1"),
        (["--n-best", "0", "eins"], r"--n-best \(0\) must be a whole number .*at least 1"),
        (["--beam-size", "0", "eins"], r"--beam-size \(0\) must be a whole number .*at least 1"),
        (["--device", "abacus", "eins"], r"device \(abacus\) must be auto, cpu"),
        (["--precision", "int3", "eins"], r"precision \(int3\) must be auto, float32, bfloat16 or int8"),
        (["--input", "x", "eins"], "give one of them, not both"),
        (["--coverage", "eins"], "--coverage needs --json"),
        (["--confidence", "eins"], "--confidence needs --json"),
        (["--sample", "--temperature", "0", "eins"], r"--temperature \(0\) must be a number, from 0.001 to 1000"),
        (["--top-k", "3", "eins"], "--top-k has no effect without --sample or --mbr"),
        (["--sample", "--beam-size", "3", "eins"], "--sample and --beam-size: give one of them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_clear_line(trained_run, flags, message):
    with pytest.raises(ValueError, match=message) as refused:
        main(["--checkpoint", str(trained_run), *flags])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("default", [Greedy(length_penalty=0.3), Sampling(top_k=4), Beam(size=7, n_best=5)], ids=repr)
def test_the_search_of_the_checkpoint_is_kept_where_no_flag_changes_it(default):
    def asked(*flags):
        return search_of(Options.of(vars(parser().parse_args(list(flags)))), default)

    assert asked() == replace(default, n_best=1)
    assert asked("--length-penalty", "2") == replace(default, n_best=1, length_penalty=2.0)
    assert asked("--beam-size", "3") == Beam(size=3, length_penalty=default.length_penalty)
    assert asked("--n-best", "3").n_best == 3


def test_a_missing_input_file_is_named(trained_run):
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt"):
        main(["--checkpoint", str(trained_run), "--input", "nothing.txt"])


def start(*arguments, **more):
    return Fork(["-m", "mt.translate", *arguments], text=True, **more)


def test_a_writer_that_waits_for_its_answer_gets_it(trained_run):
    process = start("--checkpoint", str(trained_run), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line, answer in (("eins zwei", "two one\n"), ("acht vier", "four eight\n")):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == answer
    process.stdin.close()
    assert process.wait(timeout=PATIENCE_SECONDS) == 0


def test_a_closed_pipe_and_ctrl_c_end_it_in_silence(trained_run):
    process = start(
        "--checkpoint", str(trained_run), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write("eins drei\n")
    process.stdin.flush()
    assert process.stdout.readline() == "three one\n"
    process.stdout.close()  # what `| head -1` does
    with contextlib.suppress(BrokenPipeError):  # it may have left before we are done
        process.stdin.write("zwei drei\n" * 20_000)
        process.stdin.close()
    assert process.wait(timeout=PATIENCE_SECONDS) == 141
    assert process.stderr.read() == ""

    process = start(
        "--checkpoint", str(trained_run), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write("eins drei\n")
    process.stdin.flush()
    assert process.stdout.readline() == "three one\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_SECONDS) == 130
    assert process.stderr.read() == ""
