"""How every command leaves when something is wrong with its files, its pipe or its user's patience: never in pieces."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.children import PATIENCE_SECONDS, Fork, give_powers_away, run, wait_for
from tests.conftest import SHORT_VALIDATION, reversed_pairs, train_overrides

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ["translate", "evaluate", "align", "prepare", "train"]
TOOLS = COMMANDS[:3]


@dataclass
class Files:
    """What a command reads and writes in these tests: `corpus` has train, valid and test in de and en."""

    corpus: Path
    work: Path
    checkpoint: Path

    @property
    def source(self) -> Path:
        return self.corpus / "train.de"

    @property
    def output(self) -> Path:
        return self.work / "out"

    def arguments(self, command: str) -> list[str]:
        how = ["--checkpoint", str(self.checkpoint), "--device", "cpu", "--output", str(self.output)]
        if command == "translate":
            return [*how, "--input", str(self.source)]
        if command == "evaluate":
            return [*how, "--source", str(self.source), "--reference", str(self.corpus / "train.en")]
        if command == "align":
            return [*how, "--source", str(self.source), "--target", str(self.corpus / "train.en"), "--formats=json"]
        overrides = train_overrides(self.corpus, self.output)
        if command == "train":
            return [*overrides, "trainer.validate_every=30", *SHORT_VALIDATION]
        return [one for one in overrides if one.startswith(("data", "tokenizer", "+data"))]


@pytest.fixture
def files(tmp_path, trained_run):
    """A corpus of one's own, which a test may harm."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "work").mkdir()
    made = Files(tmp_path / "corpus", tmp_path / "work", trained_run)
    write_corpus(made, 200)
    return made


def write_corpus(files: Files, num_pairs: int, times: int = 1) -> None:
    """So many pairs to train on, each so many times."""
    for name, count, seed in (("train", num_pairs, 1), ("valid", 9, 2), ("test", 9, 3)):
        sources, targets = (side * (times if name == "train" else 1) for side in reversed_pairs(count, seed))
        links = [" ".join(f"{i}-{i}" for i in range(len(line.split()))) for line in sources]
        for ending, lines in (("de", sources), ("en", targets), ("align", links)):
            (files.corpus / f"{name}.{ending}").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def start(command, *arguments, **more):
    environment = os.environ | more.pop("env", {})
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return Fork(["-m", f"mt.{command}", *arguments], env=environment, text=True, **pipes)


@pytest.fixture(scope="module")
def refusable(tmp_path_factory):
    """Skips where nobody is refused a file."""
    closed = tmp_path_factory.mktemp("closed") / "file"
    closed.touch(mode=0)
    asked = ["-c", f"import os, sys; sys.exit(os.access({str(closed)!r}, os.R_OK))"]
    if run(asked, setup=give_powers_away, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("root cannot give its powers away here")


def refusal(process, command) -> str:
    """The one line of a command that was refused something."""
    out, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out) == (2, ""), said
    assert said.startswith(f"{command}: error: ") and said.count("\n") == 1 and said.endswith("\n"), said
    return said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file_is_named(command, files):
    files.source.unlink()
    assert str(files.source) in refusal(start(command, *files.arguments(command)), command)
    assert not files.output.exists() or command in ("prepare", "train")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_may_not_be_read_is_named(command, files, refusable):
    files.source.chmod(0)
    said = refusal(start(command, *files.arguments(command), setup=give_powers_away), command)
    assert said == f"{command}: error: {files.source}: Permission denied\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_may_not_be_written_is_named(command, files, refusable):
    files.work.chmod(0o555)
    said = refusal(start(command, *files.arguments(command), setup=give_powers_away), command)
    assert str(files.output) in said and "Permission denied" in said
    assert not list(files.work.iterdir())


@pytest.mark.parametrize("command", TOOLS)
def test_a_checkpoint_that_may_not_be_read_is_named(command, files, refusable, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    files.checkpoint = closed / "run"
    said = refusal(start(command, *files.arguments(command), setup=give_powers_away), command)
    assert str(closed) in said and "Permission denied" in said
    assert not files.output.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_where_a_folder_should_be_is_named(command, files):
    files.corpus = files.corpus / "train.de"
    said = refusal(start(command, *files.arguments(command)), command)
    assert str(files.corpus) in said


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "align", "prepare", "train"])
def test_a_reader_that_left_ends_it_in_silence(command, files):
    arguments = [*files.arguments(command), *(["trainer.max_steps=2"] if command == "train" else [])]
    reading, writing = os.pipe()
    process = start(command, *arguments, stdout=writing)
    os.close(reading)
    os.close(writing)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 141
    assert "Traceback" not in said and "Broken pipe" not in said and "error:" not in said
    assert files.output.exists()  # what was asked for is there: it is just not told


def interrupted(process) -> str:
    """What was said by a command that Ctrl-C ended."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "align"])
def test_ctrl_c_leaves_no_file_that_looks_finished(command, files):
    write_corpus(files, 20_000)
    process = start(command, *files.arguments(command))
    names = ["out"] if command == "evaluate" else ["out/alignments.jsonl"]
    unfinished = files.work / f"{names[0]}.unfinished"
    wait_for(lambda: unfinished.exists() and (command == "evaluate" or unfinished.stat().st_size), process)
    assert interrupted(process) == ""
    assert not any((files.work / name).exists() for name in (*names, "out/about.json"))


def test_children_of_tests_hear_the_signals_that_the_tests_ignore():
    """Else every test of Ctrl-C fails under nohup, and in a job that a script started with &."""
    children = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    tests = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])\n"
        "from tests.children import give_clean_signals\n"
        "give_clean_signals()\n"
        "signal.raise_signal(signal.SIGINT)\n"  # which they go on ignoring
        f"subprocess.run([sys.executable, '-c', {children!r}], check=True)\n"
        "subprocess.run([sys.executable, '-c', 'import signal; print(signal.pthread_sigmask(0, []))'], check=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", tests], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\nset()\n", "")


def test_ctrl_c_is_what_is_reported_where_a_library_made_another_error_of_it(tmp_path):
    (tmp_path / "loads.py").write_text(
        "import os, signal\n"
        "from mt.command_line import run\n"
        "def main():\n"
        "    try:\n"
        "        exec('os.kill(os.getpid(), signal.SIGINT)')\n"
        "    except KeyboardInterrupt:\n"
        "        raise ValueError('could not determine the shape') from None\n"
        "run(main)\n"
    )
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    ended = subprocess.run(
        [sys.executable, "-m", "loads"], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc to look for processes in")
def test_ctrl_c_while_a_corpus_is_prepared_leaves_nothing_half_done_and_nobody_behind(files):
    write_corpus(files, 3000, times=50)
    mark = str(uuid4())
    process = start("prepare", *files.arguments("prepare"), "num_processes=2", env={"MT_TEST_MARK": mark})
    prepared = files.output / "data"
    wait_for(lambda: len(marked(mark)) > 1 and list(prepared.glob(".clean.*")), process)
    assert interrupted(process) == ""
    assert {path.name for path in prepared.iterdir()} <= {".lock", "prepared.json"}
    wait_for(lambda: not marked(mark))


def marked(mark: str) -> list[int]:
    """Processes that were started with this mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_ctrl_c_while_it_trains_keeps_what_was_learned_and_says_so(files):
    command = [*files.arguments("train"), "trainer.max_steps=100000"]
    process = start("train", *command)
    metrics = files.output / "run" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.stat().st_size, process)
    said = interrupted(process).splitlines()
    assert "the same command resumes from there" in said[-1]
    last = files.output / "run" / "last"
    assert (last / "model.safetensors").is_file()
    assert not [path for path in (files.output / "run").iterdir() if "unfinished" in path.name]
