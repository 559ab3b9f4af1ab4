"""What reaches the terminal: no control characters, bounded messages, and nothing in the wrong stream."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import configure_log

from mt.command_line import is_out_of_memory, one_line, run
from mt.settings import config_folder
from mt.terminal import LONGEST, VisibleFormatter, shortened, tell, visible, visible_lines
from mt.training.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
NASTY = "a\x1b]0;owned\x07\nerror: none\r\x9b2J\u202eb\u2066\x00\u2028c"
SHOWN = r"a\x1b]0;owned\x07\nerror: none\r\x9b2J\u202eb\u2066\x00\u2028c"


def call(folder, shell, *, environment=()):
    """Runs a shell line in which $PYTHON is Python with the project's package."""
    known = os.environ | {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable} | dict(environment)
    return subprocess.run(["bash", "-c", shell], cwd=folder, env=known, capture_output=True, text=True, timeout=300)


def test_control_characters_are_shown_as_escapes():
    assert visible(NASTY) == SHOWN
    assert visible_lines("two\nlines\twith\x1b[31m") == "two\nlines\twith\\x1b[31m"


@pytest.mark.parametrize("text", ["größer 中文 हिन्दी عربي", "می\u200cخواهم", "👩\u200d🚀", "a\u00a0b\u00ad"])
def test_letters_of_every_script_stay_as_they_are(text):
    assert visible(text) == text


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 600_000])
def test_a_message_is_cut_in_its_middle(length):
    text = "begin" + "x" * (length - 8) + "end"
    cut = shortened(text)
    assert len(cut) <= LONGEST and cut.startswith("begin") and cut.endswith("end")
    assert (cut == text) == (length <= LONGEST)
    assert len(visible("\x1b" * length)) <= LONGEST


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"tag ({NASTY}) must be a symbol"),
        FileNotFoundError(2, "No such file or directory", f"/data/{NASTY}"),
        OSError(NASTY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_one_line_without_control_characters(error, monkeypatch, capsys):
    def main():
        raise error

    monkeypatch.setattr(sys, "argv", ["/bin/translate"])
    with pytest.raises(SystemExit):
        run(main)
    said = capsys.readouterr().err
    assert said.endswith("\n") and said[:-1].isprintable()
    assert said.startswith("translate: error: ") and r"\x1b]0;owned\x07" in said


def test_values_in_log_lines_are_on_one_line_and_the_lines_of_our_own_stay():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    log.warning("%s: %d of %.1f: %s", NASTY, 3, 2.5, ValueError(NASTY))
    log.warning("two\nlines: %(name)s", {"name": NASTY})
    log.warning("a table\n  of two rows\x1b[31m")
    log.warning("%s", Path("x" * 10_000))
    lines = stream.getvalue().splitlines()
    assert lines[:5] == [f"{SHOWN}: 3 of 2.5: {SHOWN}", "two", f"lines: {SHOWN}", "a table", "  of two rows\\x1b[31m"]
    assert len(lines[5]) <= LONGEST


def test_commands_with_settings_log_in_the_same_way(capsys):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("train", return_hydra_config=True)
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    try:
        configure_log(config.hydra.job_logging)
        logging.getLogger("mt.data").info("%s", NASTY)
    finally:
        root.handlers[:] = before
    assert capsys.readouterr().err == f"{SHOWN}\n"


def test_sample_translations_are_shown_without_control_characters(capsys):
    Progress(total_steps=None).say(f"    {NASTY}")
    assert capsys.readouterr().err == f"    {SHOWN}\n"


def test_a_warning_of_python_is_one_visible_line(tmp_path):
    script = (
        "import warnings; from mt.terminal import log_to_stderr; log_to_stderr()\n"
        "warnings.warn('x\\x1b[2J\\ny', stacklevel=1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stderr.endswith(r"UserWarning: x\x1b[2J y" + "\n") and done.stderr.count("\n") == 1


SAYS = """
import logging, os, sys
from contextlib import suppress
from mt.command_line import run

def main():
    file = open("out.txt", "w")
    logging.getLogger("mt").warning("warned")
    with suppress(OSError):  # a full disk
        print("error", file=sys.stderr)
        os.write(2, b"from a C library")
    file.write("result\\n")
    print("answer")
    if len(sys.argv) > 1:
        raise ValueError("refused")

run(main)
"""


def test_a_full_standard_output_is_named(tmp_path):
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    done = call(tmp_path, '"$PYTHON" says.py >/dev/full')
    assert done.returncode == 2
    assert "error: standard output, or a file that is written: No space left on device\n" in done.stderr


@pytest.mark.parametrize("argument, code", [("", 0), ("x", 2)])
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_what_belongs_to_a_closed_stderr_goes_nowhere_else(tmp_path, closed, argument, code):
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    done = call(tmp_path, f'"$PYTHON" says.py {argument} {closed}')
    assert (done.returncode, done.stdout) == (code, "answer\n")
    assert (tmp_path / "out.txt").read_text("utf-8") == "result\n"


def test_a_closed_stdout_is_an_error(tmp_path):
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    done = call(tmp_path, '"$PYTHON" says.py >&-')
    assert (done.returncode, done.stderr) == (2, "says: error: standard output is closed\n")
    assert not (tmp_path / "out.txt").exists()


def raised(make):
    try:
        make()
    except Exception as error:
        return error


def from_memory_error():
    try:
        raise MemoryError
    except MemoryError as error:
        raise AttributeError("half imported") from error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried to …"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        RuntimeError("in a worker process:\nTraceback …\nRuntimeError: could not create a primitive"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        raised(from_memory_error),
    ],
    ids=str,
)
def test_no_memory_is_one_line_and_code_2(error, monkeypatch, capsys):
    def main():
        raise error

    monkeypatch.setattr(sys, "argv", ["/bin/train"])
    with pytest.raises(SystemExit) as leaving:
        run(main)
    said = capsys.readouterr().err
    assert (leaving.value.code, said.count("\n")) == (2, 1)
    assert said.startswith("train: error: out of memory") and "smaller batches" in said


def test_other_errors_are_no_lack_of_memory():
    assert not is_out_of_memory(RuntimeError("a bug")) and not is_out_of_memory(KeyError("std::bad_alloc"))
    assert one_line(ValueError("not enough: bad_alloc")) == "not enough: bad_alloc"


def test_an_allocation_beyond_a_limit_of_memory_is_one_line(tmp_path):
    script = "import numpy; from mt.command_line import run; run(lambda: len(numpy.ones(2**34)))"
    done = call(tmp_path, f'ulimit -v 4194304; "$PYTHON" -c "{script}"', environment={"OPENBLAS_NUM_THREADS": "1"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "error: out of memory" in done.stderr


def test_telling_where_nothing_can_be_told_is_no_error(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    turned: list[tuple[int, int]] = []
    monkeypatch.setattr(sys, "stderr", Full())
    monkeypatch.setattr(os, "dup2", lambda *descriptors: turned.append(descriptors))
    tell("anything")
    [(_, descriptor)] = turned  # at the end Python flushes it once more, now into nothing
    assert descriptor == 2
