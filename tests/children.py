"""Processes that tests start: they get the signals that they should, and are waited for by what they do.

On a machine whose cores are busy with other work everything is slower and nothing is wrong: PATIENCE_SECONDS is there
only to end a test that would never end.
"""

import signal
import time

PATIENCE_SECONDS = 900


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
