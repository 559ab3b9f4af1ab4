"""The processes that tests start: a fork does what a new Python does, and what takes long is found."""

import os
import signal
import subprocess
import sys

import pytest

from tests.children import Fork, give_powers_away, run
from tests.slow import is_slow

PROGRAMS = {
    "streams": "import sys; print(sys.stdin.read().upper(), sys.argv); print('said', file=sys.stderr)",
    "exit code": "raise SystemExit(3)",
    "message": "raise SystemExit('no')",
    "surroundings": "import os, sys; print(os.getcwd(), os.environ['WORD'], __name__, os.listdir('/proc/self/fd')[:3])",
    "at exit": "import atexit; atexit.register(print, 'bye'); print('hello')",
    "signals": "import signal; print(signal.getsignal(2), signal.getsignal(15), signal.pthread_sigmask(0, []))",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "import": "import mt.words; print(mt.words.__name__)",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_fork_does_what_a_new_python_does(program, tmp_path):
    found = []
    for call, python in ((run, []), (subprocess.run, [sys.executable])):
        command = [*python, "-c", PROGRAMS[program], "argument"]
        environment = os.environ | {"WORD": "größer", "PYTHONPATH": os.getcwd()}
        done = call(command, cwd=tmp_path, env=environment, input="text", capture_output=True, text=True)
        found.append((done.returncode, done.stdout, done.stderr))
    assert found[0] == found[1]


def test_an_error_in_a_fork_has_its_traceback_and_code_1():
    done = run(["-c", "raise KeyError('x')"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.endswith("KeyError: 'x'\n")
    with pytest.raises(subprocess.CalledProcessError):
        run(["-c", "raise KeyError"], check=True, stderr=subprocess.DEVNULL)


def test_a_fork_can_be_waited_for_and_interrupted():
    process = Fork(["-c", "import time; print(1, flush=True); time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "1\n" and process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL == process.poll()
    process.stdout.close()


def test_a_module_is_run_under_its_own_name(tmp_path):
    (tmp_path / "loads.py").write_text("import sys; print(__name__, sys.argv[0], sys.argv[1:])")
    done = run(["-m", "loads", "a"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"__main__ {tmp_path}/loads.py ['a']\n"


def test_root_without_powers_is_refused_files(tmp_path):
    (tmp_path / "closed").touch(mode=0)
    done = run(["-c", f"open({str(tmp_path / 'closed')!r})"], setup=give_powers_away, capture_output=True, text=True)
    assert "PermissionError" in done.stderr


def test_what_takes_long_is_found_wherever_it_is_called(request):
    of_file = [item for item in request.session.items if item.fspath == request.node.fspath]
    slow = {item.name for item in of_file if is_slow(item)}
    assert request.node.name not in slow
    if not any(item.name == "test_an_error_in_a_fork_has_its_traceback_and_code_1" for item in of_file):
        pytest.skip("the slow tests of this file were not selected")
    assert "test_an_error_in_a_fork_has_its_traceback_and_code_1" in slow
