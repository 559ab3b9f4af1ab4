"""Runs a command and says what it took, with all its processes (Linux): python scripts/bench/peak_memory.py COMMAND …

Wall-clock and processor seconds, and the peaks of two sums over the processes, looked at ten times a second: private
memory (anonymous pages), and all resident memory, in which a page that several share counts several times, and so do
mapped files, which the system can take back.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

MIB = 1024  # kB, as /proc counts


def main() -> None:
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:])
    peaks = {"RssAnon": 0, "VmRSS": 0}
    while process.poll() is None:
        time.sleep(0.1)
        for name, total in memory_kib(process.pid).items():
            peaks[name] = max(peaks[name], total)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, processors = time.perf_counter() - start, used.ru_utime + used.ru_stime
    private, resident = (peaks[name] / MIB for name in ("RssAnon", "VmRSS"))
    print(
        f"{seconds:.1f} s, {processors:.1f} s of processors, peak private {private:.0f} MiB,"
        f" resident {resident:.0f} MiB",
        file=sys.stderr,
    )
    raise SystemExit(process.returncode)


def memory_kib(root: int) -> dict[str, int]:
    """The sums over a process and all that it started."""
    sums = {"RssAnon": 0, "VmRSS": 0}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:  # it is gone
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0])
    return sums


if __name__ == "__main__":
    main()
