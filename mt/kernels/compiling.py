"""The C files of this folder as one library, compiled once for this processor and kept in a cache. Never imports torch.

The system's compiler (cc, gcc or clang) is found at run time. Without one, on other processors than x86-64 with AVX2,
or with MT_KERNELS=off, there is none. MT_KERNELS=avx2, avx512, avx512_bf16 or amx limits the instruction set.
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
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


_BASIC = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_BASIC, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512")
_BF16 = (*_AVX512, "-mavx512bf16", "-mavx512vnni")
_NEEDS_BF16 = frozenset("avx2 fma avx512f avx512bw avx512vl avx512dq avx512_bf16 avx512_vnni".split())
AMX, AVX512_BF16, AVX2 = "amx", "avx512_bf16", "avx2"
WITH_BFLOAT16 = (AMX, AVX512_BF16)  # they multiply it
LEVELS = (  # best first
    Level(AMX, _NEEDS_BF16 | {"amx_tile", "amx_bf16"}, (*_BF16, "-mamx-tile", "-mamx-bf16")),
    Level(AVX512_BF16, _NEEDS_BF16, _BF16),
    Level("avx512", frozenset("avx2 fma avx512f avx512bw avx512vl avx512dq".split()), _AVX512),
    Level(AVX2, frozenset("avx2 fma f16c".split()), _BASIC),
)  # fmt: skip


class Missing(Exception):
    """There is no library, and this is why."""


@dataclass(frozen=True)
class Code:
    """The loaded library, its instruction set, and the compiler that made it."""

    loaded: ctypes.CDLL
    level: str
    compiler: str


@cache
def code_or_reason() -> Code | str:
    """The library for this machine, or why there is none. Raises ValueError for a wrong MT_KERNELS."""
    setting, flags = os.environ.get(SETTING, "auto"), processor_flags()
    try:
        level = choose_level(setting, flags)
        if level.name == AMX:  # an older compiler does not know it, an older system does not allow it
            try:
                return code_of(level)
            except Missing:
                level = choose_level("auto", flags - {"amx_tile"})
        return code_of(level)
    except Missing as reason:
        return str(reason)


def code_of(level: Level) -> Code:
    """The library for this instruction set. Raises Missing."""
    path, compiler = compiled(level)
    loaded = load(path)
    if level.name == AMX and not loaded.may_use_tiles():
        raise Missing("the system does not let this process use AMX")
    return Code(loaded, level.name, compiler)


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


def multiplies_bfloat16_faster(instructions: Container[str]) -> bool:
    """Whether this processor multiplies bfloat16 faster than float32, by its instructions, as Linux names them.

    Not by a measurement, which would choose otherwise at another start. AVX-512's product of bfloat16 pairs runs on one
    of the two ports that multiply float32 in Intel's processors: without AMX, 92 GFLOP/s a core against 161
    (docs/benchmarks.md).
    """
    return "amx_bf16" in instructions or ("avx512_bf16" in instructions and not is_by_intel())


@cache
def is_by_intel() -> bool:
    """Whether this processor is one of Intel's."""
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:  # not Linux
        return "Intel" in platform.processor()


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


def load(path: Path) -> ctypes.CDLL:
    """Loads a compiled library. Raises Missing where the system refuses it."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Missing(f"{path} cannot be loaded: {error}") from error


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
