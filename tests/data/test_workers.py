"""Work on other processes: results in order, mistakes told, nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from mt.data.workers import Workers, map_in_order
from tests.children import Fork, wait_for

ROOT = Path(__file__).parents[2]


def slow_square(number):
    time.sleep(0.02 if number % 3 == 0 else 0)
    print("what a library prints comes not between results")
    return number * number


def process_of(_):
    return os.getpid(), "torch" in sys.modules


def fails_at(bad, error, number):
    if number == bad:
        raise error
    return number


def dies_at(bad, number):
    if number == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def begins_and_sleeps(begun):
    begun.touch()
    time.sleep(600)


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")  # only Linux tells one that has ended and that nobody has asked about
    return not state.exists() or state.read_text().split()[2] != "Z"


@pytest.mark.parametrize("num_processes", [1, 2, 3])
@pytest.mark.parametrize("num_inputs", [0, 3, 4, 5, 60])
def test_results_come_in_the_order_of_the_inputs(num_processes, num_inputs):
    results = map_in_order(slow_square, range(num_inputs), num_processes)
    assert list(results) == [number * number for number in range(num_inputs)]


def test_few_inputs_start_no_process_and_many_are_shared_without_torch():
    assert {process for process, _ in map_in_order(process_of, range(4), 2)} == {os.getpid()}
    seen = set(map_in_order(process_of, range(60), 2))
    assert len({process for process, _ in seen}) == 3
    assert not any(has_torch for process, has_torch in seen if process != os.getpid())
    wait_for(lambda: not any(is_there(process) for process, _ in seen if process != os.getpid()))


def test_inputs_are_not_read_far_ahead():
    given = []
    inputs = (given.append(number) or number for number in count())
    results = map_in_order(slow_square, inputs, 2)
    for _ in range(20):
        next(results)
    assert len(given) < 30
    results.close()


@pytest.mark.parametrize("error", [ValueError("not so"), FileNotFoundError(2, "No such file", "a.txt")])
@pytest.mark.parametrize("bad", [1, 30])
def test_a_mistake_is_raised_as_it_was(error, bad):
    with pytest.raises(type(error)) as raised:
        list(map_in_order(partial(fails_at, bad, error), range(60), 2))
    assert str(raised.value) == str(error)


def test_a_bug_shows_where_it_happened():
    with pytest.raises(RuntimeError, match="in fails_at"):
        list(map_in_order(partial(fails_at, 30, KeyError("a bug")), range(60), 2))


def test_a_process_that_dies_is_told_in_one_line():
    with pytest.raises(ChildProcessError, match=r"^a worker process ended by signal 9; is there enough memory\?$"):
        list(map_in_order(partial(dies_at, 30), range(60), 2))


def test_leaving_ends_workers_in_the_middle_of_their_work(tmp_path):
    with Workers(begins_and_sleeps, 2) as workers:
        workers.submit(tmp_path / "begun")
        wait_for((tmp_path / "begun").exists)
    assert [worker._process.returncode for worker in workers._workers] == [-signal.SIGKILL] * 2


def test_workers_of_a_killed_process_end_with_it():
    code = (
        "import time\n"
        "from mt.data.workers import Workers\n"
        "workers = Workers(time.sleep, 2)\n"
        "[workers.submit(300) for _ in range(2)]\n"
        "print(*(worker._process.pid for worker in workers._workers), flush=True)\n"
        "time.sleep(300)\n"
    )
    with Fork(["-c", code], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as parent:
        workers = [int(process) for process in parent.stdout.readline().split()]
        time.sleep(1)  # they are at work
        assert len(workers) == 2 and all(map(is_there, workers))
        parent.kill()
    wait_for(lambda: not any(map(is_there, workers)))


def test_a_program_may_end_while_its_workers_work(tmp_path):
    code = (
        "import atexit, sys\n"
        "from pathlib import Path\n"
        "from mt.data.workers import Workers\n"
        "from tests.children import wait_for\n"
        "from tests.data.test_workers import begins_and_sleeps\n"
        "workers, begun = Workers(begins_and_sleeps, 1), Path(sys.argv[1])\n"
        "task = workers.submit(begun)\n"
        "wait_for(begun.exists)\n"
        "atexit.register(lambda: print(task.done()))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "begun")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
