"""Number formats and devices: the one place that defines `auto`."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

import torch

from mt.cores import num_threads
from mt.kernels.compiling import multiplies_bfloat16_faster

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]  # stands for a module

# oneDNN keeps compiled products by shape, 1024 of them by default; batches come in many shapes, and the cache grew
# to gigabytes without a gain in speed. It is read at the first product, so it must be set before.
KEPT_PRODUCTS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
DECODING_PRODUCTS, TRAINING_PRODUCTS = "128", "32"  # training batches have more shapes than a cache can hold
os.environ.setdefault(KEPT_PRODUCTS, DECODING_PRODUCTS)
# ideep, torch's layer above it, keeps 1024 more by shape, with the memory that each product needs in addition to its
# matrices: hundreds of megabytes after some thousand short lines, and no gain in speed.
os.environ.setdefault("LRU_CACHE_CAPACITY", "16")

# torch knows the affinity of a process, not the quota of a container: more threads would be throttled together.
if num_threads() < torch.get_num_threads():
    torch.set_num_threads(num_threads())

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PACKED_PRECISIONS = {**PRECISIONS, "int8": torch.int8}  # of matrices laid out for inference on a CPU

LARGE_BLOCK, MIDDLE_BLOCK = 1 << 30, 1 << 18  # bytes
LONG_PIECES = 1024  # from lines of this length on, memory matters more than time
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # numbers of settings in glibc's malloc.h


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA where there is any, else the CPU. ValueError where it is missing."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"device ({name}) must be auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count() or "no"
        raise ValueError(f"device ({name}) must be one that this machine has: {found} CUDA devices were found")
    return device


def choose_precision(
    name: str, device: torch.device, *, known: Mapping[str, torch.dtype] = MappingProxyType(PRECISIONS)
) -> torch.dtype:
    """The type of a precision's name; `auto` is bfloat16 where the device multiplies it faster, else float32."""
    if name == "auto":
        return torch.bfloat16 if _is_faster_in_bfloat16(device) else torch.float32
    if name not in known:
        *others, last = known
        raise ValueError(f"precision ({name}) must be auto, {', '.join(others)} or {last}")
    return known[name]


def mixed_precision(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Autocast to `dtype` for matrix products; nothing for float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def machine(device: torch.device) -> str:
    """A description of the device for timings: its name, the threads of a CPU, and torch's version."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    threads = f"{torch.get_num_threads()} threads" if torch.get_num_threads() > 1 else "1 thread"
    return f"{processor()}, {threads}, torch {torch.__version__}"


def processor() -> str:
    """The name of the CPU, as the system reports it."""
    try:
        rows = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    except (OSError, StopIteration):  # not Linux
        return platform.processor() or platform.machine()


def set_up_training() -> None:
    """Sets up the libraries of this process for training; call it before the first product of matrices.

    A cache size in the environment is kept, unless it is the one for decoding.
    """
    if os.environ.get(KEPT_PRODUCTS) == DECODING_PRODUCTS:
        os.environ[KEPT_PRODUCTS] = TRAINING_PRODUCTS


def set_up_memory(device: torch.device, *, longest: int) -> None:
    """Chooses what this process does with freed memory, by the pieces of the longest line that it trains on."""
    if device.type == "cpu":
        (give_back_freed_memory if longest > LONG_PIECES else keep_freed_memory)()


def keep_freed_memory() -> None:
    """Makes this process reuse freed memory instead of returning it to the system and requesting it again.

    Every step needs the same megabytes, and new memory is mapped page by page: on a CPU this takes a tenth of the time
    of decoding, and training a small model takes 1.7 times as long without it. Memory that is free now is returned
    first. Does nothing where the C library is not glibc.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt") and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
        library.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        library.mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK)


def give_back_freed_memory() -> None:
    """Returns freed memory to the system at once, in blocks of 256 KiB and more.

    A backward pass leaves small blocks between the large ones of long lines, which prevent their reuse.
    With lines of 4,096 pieces and attention in a loop over blocks, forward and backward took 465 MiB at
    most in place of 2,826. Does nothing where the C library is not glibc.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, MIDDLE_BLOCK)


def peak_memory_mib() -> int | None:
    """The most memory that this process has held so far, in MiB; None where the system does not report it."""
    if resource is None:
        return None
    bytes_each = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_each // 2**20


def _is_faster_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        has = {name for name, is_there in capabilities.items() if is_there is True}
        return "bf16" in has or multiplies_bfloat16_faster(has)  # the first is Arm's
    return False
