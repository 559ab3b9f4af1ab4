"""The C files of this folder as one library, compiled once for this processor and kept in a cache.

The system's compiler (cc, gcc or clang) is found at run time. Without one, on other processors than x86-64 with AVX2,
or with MT_KERNELS=off, `library()` is None and every operation runs its torch line. MT_KERNELS=avx2, avx512 or
avx512_bf16 limits the instruction set.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

try:
    import fcntl
except ImportError:  # Windows: no kernels there
    fcntl = None  # type: ignore[assignment]

HERE = Path(__file__).resolve().parent
SETTING = "MT_KERNELS"
COMPILERS = ("cc", "gcc", "clang")
COMMON = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-fno-math-errno", "-ffp-contract=fast", "-Wno-psabi")
COMPILE_SECONDS = 300  # a busy machine takes long; what takes longer hangs


@dataclass(frozen=True)
class Level:
    """An instruction set: the processor's flags that it needs, as Linux names them, and the compiler's."""

    name: str
    needs: frozenset[str]
    flags: tuple[str, ...]


_AVX2 = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512")
LEVELS = (  # best first
    Level("avx512_bf16", frozenset("avx2 fma avx512f avx512bw avx512vl avx512dq avx512_bf16".split()),
          (*_AVX512, "-mavx512bf16")),
    Level("avx512", frozenset("avx2 fma avx512f avx512bw avx512vl avx512dq".split()), _AVX512),
    Level("avx2", frozenset("avx2 fma f16c".split()), _AVX2),
)  # fmt: skip

_pointer, _int, _long, _float = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float
# functions of the C files, by name, with the types of their arguments; none returns anything
SIGNATURES: dict[str, tuple[type, ...]] = {
    "align_step": (_pointer, _pointer, _pointer, _int, _int, _pointer, _pointer, _int),
    "cross_entropy": (_pointer, _int, _pointer, _long, _long, _float, _int, _pointer, _int),
    "number_pairs": (_long, _pointer, _pointer, _pointer, _pointer, _long, _pointer, _pointer, _pointer, _int),
}


class Missing(Exception):
    """There is no library, and this is why."""


@dataclass(frozen=True)
class Library:
    """The loaded functions. `call` takes tensors (contiguous unless the function takes strides) and numbers."""

    functions: Mapping[str, Callable[..., None]]
    level: str
    compiler: str

    def call(self, name: str, *arguments: Tensor | int | float | None) -> None:
        """Runs the function with as many threads as torch has, which is its last argument."""
        values = [value.data_ptr() if isinstance(value, Tensor) else value for value in arguments]
        self.functions[name](*values, torch.get_num_threads())


@cache
def library() -> Library | None:
    """The library for this machine; None where there is none. Raises ValueError for a wrong MT_KERNELS."""
    found = found_or_reason()
    return found if isinstance(found, Library) else None


@cache
def found_or_reason() -> Library | str:
    """The library, or why there is none."""
    try:
        level = choose_level(os.environ.get(SETTING, "auto"), processor_flags())
        path, compiler = compiled(level)
        return load(path, level, compiler)
    except Missing as reason:
        return str(reason)


def description() -> str:
    """What the doctor says of the kernels of this machine."""
    found = found_or_reason()
    if isinstance(found, Library):
        return f"native kernels for {found.level}, compiled by {found.compiler}"
    return f"no native kernels, torch computes alone: {found}"


def applies_to(*tensors: Tensor | None) -> bool:
    """Whether the kernels can work on these tensors: on the CPU, float32 or bfloat16, and nothing is being traced."""
    return library() is not None and all(
        tensor is None or (tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.bfloat16))
        for tensor in tensors
    ) and not torch.compiler.is_compiling()  # fmt: skip


def choose_level(setting: str, flags: frozenset[str]) -> Level:
    """The best instruction set that the processor has and the setting allows. Raises Missing, or ValueError."""
    names = [level.name for level in LEVELS]
    if setting not in ("auto", "off", *names):
        raise ValueError(f"{SETTING} ({setting}) must be auto, off, {', '.join(names[:-1])} or {names[-1]}")
    if setting == "off":
        raise Missing(f"{SETTING}=off")
    for level in LEVELS[0 if setting == "auto" else names.index(setting) :]:
        if level.needs <= flags:
            return level
    raise Missing("they need an x86-64 processor with AVX2, under Linux")


def processor_flags() -> frozenset[str]:
    """What this processor can do, as Linux names it; nothing elsewhere."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return frozenset()
    try:
        rows = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((row.partition(":")[2].split() for row in rows if row.startswith("flags")), ()))


def compiled(level: Level) -> tuple[Path, str]:
    """The compiled library and its compiler, compiled now if the cache does not have it. Raises Missing."""
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise Missing(f"none of {', '.join(COMPILERS)} was found (on Debian and Ubuntu: apt install gcc)")
    flags = (*COMMON, *level.flags)
    name = f"{level.name}-{_fingerprint(flags, compiler)}.so"
    for folder in cache_folders():
        path = folder / name
        try:
            if path.exists():
                return path, compiler
            with _locked(folder):
                if not path.exists():
                    _compile(compiler, flags, path)
            return path, compiler
        except OSError:  # a folder that cannot be written: the next one
            continue
    raise Missing(f"no folder can be written: {', '.join(map(str, cache_folders()))}")


def cache_folders() -> list[Path]:
    """Where the library may be kept: the user's cache, then a temporary folder that only this user can write."""
    folders = []
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    temporary = Path(tempfile.gettempdir()) / f"mt-trainer-kernels-{os.getuid()}"
    for folder in (Path(cache_home) / "mt-trainer" / "kernels", temporary):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = folder.stat()
        except OSError:
            continue
        if about.st_uid == os.getuid() and not about.st_mode & 0o022:  # what lies there is run: nobody else's
            folders.append(folder)
    return folders


def sources() -> list[Path]:
    """The C files and their headers."""
    return sorted((*HERE.glob("*.c"), *HERE.glob("*.h")))


def load(path: Path, level: Level, compiler: str) -> Library:
    """Loads a compiled library. Raises Missing where the system refuses it."""
    try:
        loaded = ctypes.CDLL(str(path))
        functions = {name: getattr(loaded, name) for name in SIGNATURES}
    except (OSError, AttributeError) as error:
        raise Missing(f"{path} cannot be loaded: {error}") from error
    for name, function in functions.items():
        function.argtypes, function.restype = list(SIGNATURES[name]), None
    return Library(functions, level.name, compiler)


def _fingerprint(flags: Sequence[str], compiler: str) -> str:
    about = os.stat(compiler)  # changes when it is updated; asking its version would take a process
    digest = hashlib.sha256(repr((flags, os.path.realpath(compiler), about.st_size, about.st_mtime_ns)).encode())
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:24]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process compiles; the others wait, and find its library."""
    with open(folder / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile(compiler: str, flags: Sequence[str], path: Path) -> None:
    """Compiles to `path`, written whole or not at all. Raises Missing, with what the compiler says, and OSError."""
    files = [str(source) for source in sources() if source.suffix == ".c"]
    with tempfile.TemporaryDirectory(prefix="compile-", dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        message = ""
        for threads in (["-fopenmp"], []):  # some compilers come without OpenMP: then one thread
            command = [compiler, *flags, *threads, *files, "-o", str(made), "-lm"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS)
            except subprocess.TimeoutExpired:
                raise Missing(f"{compiler} took more than {COMPILE_SECONDS} s") from None
            if done.returncode == 0:
                os.replace(made, path)
                return
            message = message or " ".join(done.stderr.split())[:300]
    raise Missing(f"{compiler} cannot compile them: {message}")
