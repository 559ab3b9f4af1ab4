"""The processor cores that this process may use, how its threads wait, and how long they wait for a core.

Imports the standard library alone, since `mt/__init__.py` applies `wait_without_spinning` before torch can be loaded.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# How OpenMP threads wait for the next parallel part, each name read once by one OpenMP library when it is loaded.
# By default they spin, holding a core that the thread they wait for may need: on busy cores training was six times
# slower. A spin this short costs nothing measurable on a quiet machine (docs/training.md, scripts/bench/waiting.py).
SPIN_SETTINGS = {
    "GOMP_SPINCOUNT": "3000",  # GNU (torch's builds for Linux): turns of the waiting loop
    "KMP_BLOCKTIME": "1",  # LLVM and Intel (macOS, conda): milliseconds
}
CHOSEN_BY_USER = {*SPIN_SETTINGS, "OMP_WAIT_POLICY"}  # if the environment sets any of these, nothing is changed


# Of a thread: its stack (8 MiB) and its own heap. 16 threads failed to start with 437 MiB left, and started with 534.
BYTES_OF_A_THREAD = 32 * 2**20


def check_threads(count: int) -> None:
    """Raises ValueError where a limit of address space (`ulimit -v`) leaves too little for `count` more threads.

    A C++ library that cannot start a thread ends the whole process, so this is checked before. Elsewhere than on Linux
    nothing is known, and nothing is checked.
    """
    statm = Path("/proc/self/statm")
    if resource is None or not statm.exists():
        return
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed == resource.RLIM_INFINITY:
        return
    left = allowed - int(statm.read_text().split()[0]) * resource.getpagesize()
    needed = count * BYTES_OF_A_THREAD
    if left < needed:
        raise ValueError(
            f"{count} threads need {needed >> 20} MiB of address space, the limit (ulimit -v) leaves {left >> 20} MiB"
        )


def wait_without_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """Makes OpenMP threads sleep after a short wait, unless the environment sets how they wait.

    It affects libraries that are loaded later, and processes that are started later.
    """
    if not CHOSEN_BY_USER & environment.keys():
        environment.update(SPIN_SETTINGS)


def available_cores() -> int:
    """The cores that this process may use: its affinity, and the CPU quota of its container, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))


def num_threads(environment: Mapping[str, str] = os.environ) -> int:
    """The threads that a process should compute with: OMP_NUM_THREADS, which torchrun sets too, else all its cores."""
    chosen = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # a list has one number per nesting level
    return int(chosen) if chosen.isdecimal() and int(chosen) else available_cores()


def is_surely_cpu(device: str) -> bool:
    """Whether a device is the CPU, as far as can be seen without torch: for `auto`, where Linux has no GPU's driver."""
    drivers = ("nvidiactl", "nvhost-gpu", "nvmap", "dxg", "kfd")  # NVIDIA's, Windows' for its Linux, AMD's
    has_none = sys.platform == "linux" and not any(os.path.exists(f"/dev/{name}") for name in drivers)
    return device == "cpu" or (device == "auto" and has_none)


def cpu_quota(proc: Path = Path("/proc/self")) -> float | None:
    """The least CPU quota of this process's control groups, version 1 and 2, in cores; None where there is none.

    A group's limit holds for the groups below it, so all groups from the process's own up to the mount are read.
    """
    try:
        mounts = [_mount(line) for line in (proc / "mountinfo").read_text("utf-8").splitlines()]
        memberships = [line.split(":", 2) for line in (proc / "cgroup").read_text("utf-8").splitlines()]
    except (OSError, ValueError, IndexError):  # not Linux, or hidden
        return None
    quotas = []
    for number, controllers, path in memberships:
        version = "cgroup2" if number == "0" else "cgroup"
        for kind, root, folder, options in mounts:
            if kind == version and (version == "cgroup2" or "cpu" in set(controllers.split(",")) & set(options)):
                for group in _groups(path, root, Path(folder)):
                    quotas.append(_quota_v2(group) if version == "cgroup2" else _quota_v1(group))
    return min((quota for quota in quotas if quota is not None), default=None)


def seconds_waited_for_a_core() -> float | None:
    """The seconds that the threads of this process were ready to run and had no core, summed over its threads.

    Linux counts them a thread (the second number of `schedstat`); None where the system does not report it.
    """
    try:
        waited = [int((task / "schedstat").read_text("utf-8").split()[1]) for task in _tasks()]
    except (OSError, ValueError, IndexError):
        return None
    return sum(waited) / 1e9


def _tasks() -> list[Path]:
    return list(Path("/proc/self/task").iterdir())


def _mount(line: str) -> tuple[str, str, str, list[str]]:
    """File system, root, folder and options of a line of mountinfo (proc(5))."""
    left, _, right = line.partition(" - ")
    _, _, _, root, folder, *_ = left.split(" ")
    kind, _, options, *_ = right.split(" ")
    return kind, root, folder.replace("\\040", " "), options.split(",")


def _groups(path: str, root: str, mount: Path) -> list[Path]:
    """The folders of a group and of those above it. `root` is the group that is mounted at `mount`."""
    if root != "/" and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]  # a container's own view: its group is the root of what is mounted
    own = mount / path.strip("/")
    if not own.is_dir():  # a namespace hides the outer groups, whose limits are then those at the mount
        own = mount
    return [own, *(parent for parent in own.parents if parent == mount or mount in parent.parents)]


def _quota_v2(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text("utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text("utf-8"))
        period = int((group / "cpu.cfs_period_us").read_text("utf-8"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
