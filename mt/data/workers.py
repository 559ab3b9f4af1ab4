"""Maps a function over a stream of inputs on several cores; results come in the order of the inputs.

The processes are plain Python processes, connected by pipes: they import only what the function needs, nothing of
the command that started them (no torch), and do not depend on its threads; and they end with it, even if it is killed.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain, islice
from typing import Any, TypeVar

Input = TypeVar("Input")
Result = TypeVar("Result")

INPUTS_ALONE = 4  # computed before any process is started, which would take longer
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from mt.data.workers import serve; serve()"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each worker is one thread, libraries included


def map_in_order(function: Callable[[Input], Result], inputs: Iterable[Input], num_processes: int) -> Iterator[Result]:
    """`function` of each input; it and they must be picklable. The first few (with one process: all) run here."""
    inputs = iter(inputs)
    yield from map(function, inputs if num_processes == 1 else islice(inputs, INPUTS_ALONE))
    for following in inputs:  # there are more
        with Workers(function, num_processes) as workers:
            pending: deque[Future] = deque()
            for value in chain([following], inputs):
                pending.append(workers.submit(value))
                if len(pending) > 2 * num_processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()


class Workers:
    """Processes that run one function. Leaving the block ends them at once."""

    def __init__(self, function: Callable, num_processes: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[Any, Future] | None] = queue.SimpleQueue()
        self._workers = [Worker(function) for _ in range(num_processes)]
        for worker in self._workers:
            # daemons: they do not keep the program running if it ends without closing
            threading.Thread(target=self._converse, args=(worker,), daemon=True).start()

    def submit(self, value: Any) -> Future:
        """The future result of the function, which also raises its ValueError or OSError."""
        future: Future = Future()
        self._tasks.put((value, future))
        return future

    def _converse(self, worker: Worker) -> None:
        while (task := self._tasks.get()) is not None:
            value, future = task
            try:
                future.set_result(worker.call(value))
            except Exception as error:
                future.set_exception(error)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes."""
        for worker in self._workers:
            worker.kill()
            self._tasks.put(None)


class Worker:
    """A process that runs one function, by one thread of the caller at a time."""

    def __init__(self, function: Callable) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | ONE_THREAD,
            start_new_session=True,  # Ctrl-C reaches only us, and we end the workers
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._inputs, self._results = self._process.stdin, self._process.stdout
        self._function: Callable | None = function  # sent with the first input, since sending may block

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def call(self, value: Any) -> Any:
        """The function's result, or its ValueError or OSError. Raises ChildProcessError if the process has ended."""
        try:
            if self._function is not None:
                pickle.dump(self._function, self._inputs, protocol=5)
                self._function = None
            pickle.dump(value, self._inputs, protocol=5)
            self._inputs.flush()
            is_well, result = pickle.load(self._results)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            code = self._process.wait()
            cause = f"by signal {-code}; is there enough memory?" if code < 0 else f"with exit code {code}"
            raise ChildProcessError(f"a worker process ended {cause}") from None
        if is_well:
            return result
        raise result

    def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._inputs, self._results):
            with suppress(BrokenPipeError):  # for unsent data
                pipe.close()


def serve() -> None:
    """Runs in a worker process: receives a function, then inputs; sends results."""
    gc.set_threshold(1_000_000)  # a tenth of the time went to looking for cycles in blocks, which have none
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # printed text must not mix with results
    inputs: queue.SimpleQueue = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                inputs.put(pickle.load(sys.stdin.buffer))
        except EOFError:
            os._exit(0)  # the parent process has ended: exit at once, since nobody needs the results
        except Exception as error:
            inputs.put(error)

    threading.Thread(target=read, daemon=True).start()
    function = inputs.get()
    while True:
        value = function if isinstance(function, Exception) else inputs.get()
        try:
            if isinstance(value, Exception):  # what came could not be read
                raise value
            outcome = True, function(value)
        except (ValueError, OSError) as error:
            outcome = False, error
        except Exception:
            outcome = False, RuntimeError(f"in a worker process:\n{traceback.format_exc()}")
        pickle.dump(outcome, results, protocol=5)
        results.flush()
