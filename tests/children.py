"""Processes that tests start: they get the signals that they should, and are waited for by what they do.

On a machine whose cores are busy with other work everything is slower and nothing is wrong: PATIENCE_SECONDS is there
only to end a test that would never end.
"""

import atexit
import ctypes
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from subprocess import Popen  # the class itself, which tests may replace in its module
from typing import Any

PATIENCE_SECONDS = 900
ROOT = Path(__file__).resolve().parents[1]


def give_clean_signals():
    """From now on children of this process get the signals that it ignores, as under `nohup` or in a job with &.

    What is ignored stays so in a child, what is handled does not: so this process handles them, by doing nothing.
    Signals that are blocked are let through, since that would be inherited, too.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def wait_for(condition, process=None):
    """Waits until it is so; fails when it never is, or the process that should make it so has ended without."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if process is not None and process.poll() is not None and not condition():
            raise AssertionError(f"ended with {process.returncode} before: {process.communicate()[1]}")
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


@cache
def _forks() -> socket.socket:
    """Where this process asks for forks of a Python that has torch in it (tests/forks.py), which ends with it."""
    ours, theirs = socket.socketpair()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    server = Popen(
        [sys.executable, str(ROOT / "tests" / "forks.py"), str(theirs.fileno())],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # Ctrl-C ends the tests, and with them this
    )
    theirs.close()
    atexit.register(lambda: (ours.close(), server.wait()))
    return ours


class Fork(Popen):
    """A `Popen` of `python ARGUMENTS` that is forked from a Python with torch in it, where starting one takes seconds.

    What Python reads when it starts (`PYTHONIOENCODING`, `-X`) has no effect: for that a test needs `Popen` itself.
    """

    def __init__(self, arguments: list[Any], *, setup=None, **how: Any):
        """`setup`: a function of a module that the new process calls first."""
        self.setup = setup
        super().__init__([str(argument) for argument in arguments], **how)

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *others):
        _, _, _, inside_in, outside_in, outside_out, inside_out, outside_err, inside_err, *_ = others
        env = dict(os.environ if env is None else env)
        for name in env.keys() | os.environ.keys():
            assert not name.startswith("PYTHON") or name == "PYTHONPATH" or env.get(name) == os.environ.get(name), name
        ours, theirs = socket.socketpair()
        streams = [place if given == -1 else given for place, given in enumerate((inside_in, inside_out, inside_err))]
        socket.send_fds(_forks(), [b"!"], [theirs.fileno(), *streams])
        theirs.close()
        setup = self.setup and (self.setup.__module__, self.setup.__name__)
        request = {"arguments": args, "cwd": str(cwd or os.getcwd()), "env": env, "setup": setup}
        ours.sendall(pickle.dumps(request))
        self._answers = ours.makefile("rb")
        self.pid = int(self._answers.readline())
        self._child_created = True
        self._socket = ours
        self._close_pipe_fds(inside_in, outside_in, outside_out, inside_out, outside_err, inside_err)

    def poll(self) -> int | None:
        return self._ended(0)

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:  # as Popen itself asks, also in its __del__
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return status

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._socket], [], [], timeout)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._socket.close()
        return self.returncode


class ForkOfCommand(Fork):
    """The same for code that starts `[sys.executable, ...]` with `subprocess.Popen`, which a test replaces by this."""

    def __new__(cls, command, **how):
        return super().__new__(cls) if command[0] == sys.executable else Popen(command, **how)

    def __init__(self, command: list[Any], *, preexec_fn=None, **how: Any):
        super().__init__(command[1:], setup=preexec_fn, **how)


def run(arguments, *, input=None, timeout=PATIENCE_SECONDS, capture_output=False, check=False, **how):
    """`subprocess.run` of `python ARGUMENTS`, in a fork."""
    if capture_output:
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        how["stdin"] = subprocess.PIPE
    with Fork(arguments, **how) as process:
        out, errors = process.communicate(input, timeout=timeout)
    done = subprocess.CompletedProcess(process.args, process.returncode, out, errors)
    if check:
        done.check_returncode()
    return done


def give_powers_away() -> None:
    """Lets root, as which many containers run their tests, be refused files like anybody else."""
    if os.geteuid() == 0:
        read_and_write_anything = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        library, header = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0)
        sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same for capabilities from 32 on
        if library.capget(header, sets):
            raise OSError("root cannot ask for its powers here")
        for place in range(3):
            sets[place] &= ~read_and_write_anything
        if library.capset(header, sets):
            raise OSError("root cannot give its powers away here")


def run_ranks(count: int, arguments: list[Any], **how: Any) -> str:
    """Runs `python ARGUMENTS` in so many processes as torchrun would; fails where one does, and gives their stderr."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    job = {"WORLD_SIZE": str(count), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    environments = [os.environ | job | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    processes = [Fork(arguments, env=env, stderr=subprocess.PIPE, text=True, **how) for env in environments]
    said = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in processes]
    for process, errors in zip(processes, said, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return "".join(said)
