"""How much memory training takes: counts tensors while small parts of an update run, and extrapolates."""

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
    """Counts the bytes of tensors created inside the block and not yet freed; `peak` is the largest count."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for storage in _storages((args, kwargs)):
            self._know(storage, size=0)  # not counted unless it was created inside the block
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
    """Peak bytes of an update on all of `batch`, without weights and the optimizer's state.

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
    """Bytes that this process holds now: on a GPU its tensors, on a CPU everything; None where unknown."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _status("VmRSS")


def free_bytes(device: torch.device) -> int | None:
    """Bytes still free for this process on the device, None where unknown."""
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
    """A list that holds, when the block ends, the peak of `held_bytes` inside it; empty where unknown."""
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
