"""Runs a command and says what it took, with all its processes (Linux): python scripts/bench/peak_memory.py COMMAND …

Wall-clock and processor seconds, and the peaks of two sums over the processes, looked at ten times a second: all
resident memory, mapped files too, which the system can take back; and that without them (anonymous pages). A page that
several processes share counts once.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MIB = 1024  # kB, as /proc counts
PROPORTIONAL = ("Pss", "Pss_Anon")  # a page of n processes counts 1/n in each


def main() -> None:
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:])
    peaks = dict.fromkeys(PROPORTIONAL, 0)
    while process.poll() is None:
        time.sleep(0.1)
        for name, total in memory_kib(process.pid).items():
            peaks[name] = max(peaks[name], total)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, processors = time.perf_counter() - start, used.ru_utime + used.ru_stime
    private, resident = (peaks[name] / MIB for name in ("Pss_Anon", "Pss"))
    print(
        f"{seconds:.1f} s, {processors:.1f} s of processors, peak anonymous {private:.0f} MiB,"
        f" resident {resident:.0f} MiB",
        file=sys.stderr,
    )
    raise SystemExit(process.returncode)


def memory_kib(root: int) -> dict[str, int]:
    """The sums over a process and all that it started."""
    sums = dict.fromkeys(PROPORTIONAL, 0)
    for pid in with_children(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it is gone
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0])
    return sums


def with_children(root: int) -> Iterator[int]:
    """A process and all that it started, as far as they still run."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:  # it is gone
            continue
        yield pid


if __name__ == "__main__":
    main()
