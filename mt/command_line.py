"""What all commands share: reporting errors in one line, exit codes, leaving. Never imports torch."""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

from mt.data.whole_folder import FULL
from mt.terminal import log_to_stderr, settle_streams, tell

USER_MISTAKE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
BROKEN_PIPE = 141  # 128 + SIGPIPE: what `... | head` gives every other filter

# messages of libraries' errors about memory that are not MemoryError
NO_MEMORY = (
    *("can't allocate memory", "bad_alloc", "can't start new thread", "annot allocate memory", "out of memory"),
    *("failed to map segment", "nable to mmap", "Resource temporarily unavailable"),
    "could not create a primitive",  # oneDNN
)


def run(main: Callable[[], int | None]) -> NoReturn:
    """Runs a tool and exits with its code; a user's mistake (ValueError, OSError) is one line and code 2."""
    with one_line_errors():
        settle_streams()
        log_to_stderr()
        code = main()
        sys.stdout.flush()  # here, where a closed pipe is still noticed in order
    raise SystemExit(code)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Ends the process at once, after its exit handlers: shutting down an interpreter with torch takes 0.3 seconds."""
    try:
        yield
    except SystemExit as end:
        atexit._run_exitfuncs()
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError, ValueError):  # closed by its reader, which was reported before
                stream.flush()
        os._exit(int(end.code or 0))


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns errors that a user can cause into an exit code, and one line on stderr where necessary."""
    ctrl_c = CtrlC.installed()
    try:
        with ctrl_c.first():
            yield
    except BrokenPipeError:
        # else Python complains again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN_PIPE) from None
    except Exception as error:
        if is_debugging() or not (isinstance(error, (ValueError, OSError)) or is_out_of_memory(error)):
            raise
        tell(f"{command_name()}: error: {one_line(error)}")
        raise SystemExit(USER_MISTAKE) from None


class CtrlC:
    """Interrupts as Python does, and remembers it: libraries turn an interrupted load into other errors."""

    came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.default_int_handler(number, frame)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Raises SystemExit after an interrupt, in place of any other error."""
        try:
            yield
        except (KeyboardInterrupt, Exception) as error:
            if not self.came and not isinstance(error, KeyboardInterrupt):
                raise
            # Python would end by the signal where the interrupt passed an exec() of text, as a dataclass's import does
            exec("")
            raise SystemExit(INTERRUPTED) from None

    @classmethod
    def installed(cls) -> "CtrlC":
        """The one that handles SIGINT from now on; where it is ignored (a shell's background job) it stays so."""
        now = signal.getsignal(signal.SIGINT)
        if isinstance(now, cls):
            return now
        new = cls()
        if now is signal.default_int_handler and current_thread() is main_thread():
            signal.signal(signal.SIGINT, new)
        return new


def is_debugging() -> bool:
    """Whether the environment requests tracebacks."""
    return os.environ.get("MT_DEBUG", "0") not in ("", "0")


def command_name() -> str:
    """The command as the user called it: `mt-train`, or `train` for `python -m mt.train`."""
    return Path(sys.argv[0]).stem


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, says that no memory is left, or none for a thread."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if isinstance(error, (RuntimeError, ImportError)) and any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def one_line(error: Exception) -> str:
    """The message of an error, folded to one line; for a file that the system refuses, its name and why."""
    if not isinstance(error, (ValueError, OSError)) and is_out_of_memory(error):
        said = " ".join(str(error).strip().rpartition("\n")[2].split())  # of a worker's traceback the last line
        return f"out of memory{f' ({said})' if said else ''}: smaller batches, models or fewer workers take less"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in FULL:  # those of outputs name their file
        return f"standard output, or a file that is written: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
