"""How much memory training takes: tensors are counted while small parts of an update really run, and scaled up."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from mt.data.batching import Batch

PROBES = (8, 4)  # the parts of a batch that are tried: an eighth and a quarter


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of tensors made inside that still live; `peak` is the most there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for storage in _storages((args, kwargs)):
            self._know(storage, size=0)  # unless it was made inside, it is somebody else's
        result = function(*args, **(kwargs or {}))
        for storage in _storages(result):
            self._know(storage, size=storage.nbytes())
        return result

    def _know(self, storage: torch.UntypedStorage, size: int) -> None:
        key = storage._cdata
        if key not in self._known:
            self._known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _storages(values: object) -> Iterator[torch.UntypedStorage]:
    return (value.untyped_storage() for value in tree_iter(values) if isinstance(value, torch.Tensor))


def update_bytes(update: Callable[[Batch], object], batch: Batch) -> int:
    """What an update on the whole of `batch` would hold at its peak, beside weights and the optimizer's state.

    `update` is run on an eighth and on a quarter of the sentences, after one that makes the optimizer's state; memory
    grows by the same for each further sentence.
    """
    parts = [batch.within(batch.padded_tokens / divisor)[0] for divisor in PROBES]
    update(parts[0])
    (rows, peak), (more_rows, higher_peak) = ((len(part.indices), _peak(update, part)) for part in parts)
    if rows == more_rows:  # a batch of a few long sentences
        rows, peak, more_rows, higher_peak = 0, 0, rows, peak
    return round(higher_peak + (len(batch.indices) - more_rows) * (higher_peak - peak) / (more_rows - rows))


def _peak(update: Callable[[Batch], object], part: Batch) -> int:
    with LiveTensors() as tensors:
        update(part)
    return tensors.peak


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """The optimizer's own tensors, which it has after its first step."""
    states = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.nbytes for value in states if isinstance(value, torch.Tensor))


def held_bytes(device: torch.device) -> int | None:
    """What this process holds now: on a GPU in tensors, on a CPU in all; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _status("VmRSS")


def free_bytes(device: torch.device) -> int | None:
    """What is left for this process to take on the device, None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    try:
        system = _lines("/proc/meminfo")["MemAvailable"]
    except (OSError, KeyError):
        return None
    try:  # a container's own limit
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        return min(system, limit - used)
    except (OSError, ValueError):  # no such files, or "max"
        return system


@contextmanager
def peak_bytes(device: torch.device) -> Iterator[list[int]]:
    """A list that holds, when the block ends, the most that `held_bytes` was inside; empty where nobody knows."""
    peaks: list[int] = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield peaks
        peaks.append(torch.cuda.max_memory_allocated(device))
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak counts from here
    except OSError:
        yield peaks
        return
    yield peaks
    peaks += filter(None, [_status("VmHWM")])


def _status(name: str) -> int | None:
    try:
        return _lines("/proc/self/status")[name]
    except (OSError, KeyError):
        return None


def _lines(path: str) -> dict[str, int]:
    """The lines "name: number kB" of a file of Linux, in bytes."""
    found = {}
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value.split()[0]) * 1024
    return found
