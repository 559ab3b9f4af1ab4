"""One JSON file a part: what was measured, by which settings (folders aside), on which machine, with what versions.

It is written anew, whole, behind every measurement. A part that was stopped goes on from it, if all that the numbers
depend on is still the same; `finished` says whether it came to its end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from processes import Failure
from setting import PROJECT

MEASURED_CODE = ("mt/**/*.py", "configs/**/*.yaml", "scripts/bench/**/*.py")


class Results:
    """The file of a part. `left_out` says of what is not measured why."""

    def __init__(
        self,
        path: Path,
        args: argparse.Namespace,
        *,
        versions: Mapping[str, dict[str, str]] | None = None,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        same = {
            "part": path.stem,
            "settings": {name: value for name, value in vars(args).items() if not isinstance(value, Path)},
            "machine": machine(),
            "code": code(),
            "versions": dict(versions or {}),
        }
        self._body = json.loads(json.dumps({**same, "started": now(), "runs": [], "finished": False}))  # no tuples
        before = json.loads(path.read_text("utf-8")) if path.exists() else {"finished": True}
        if not before["finished"]:
            if all(before.get(name) == self._body[name] for name in same):
                self._body = before
                print(f"{path}: goes on behind its {len(before['runs'])} runs", file=sys.stderr)
            else:
                print(f"{path}: begins anew, for the code, the settings or the versions changed", file=sys.stderr)
        self._body["left_out"] = {}
        for what, why in (left_out or {}).items():
            self.leave_out(what, why)
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def is_new(self) -> bool:
        return not self._body["runs"]

    def measure(self, run: Callable[[], dict], *, number: int, **what: Any) -> None:
        """Adds what `run` gives for `what` in round `number`, unless it is there. What fails is not tried again."""
        row = {**what, "round": number}
        name = " ".join(map(str, what.values()))
        is_done = any(all(each.get(key) == value for key, value in row.items()) for each in self._body["runs"])
        if is_done or name in self._body["left_out"]:
            return
        try:
            found = run()
        except Failure as failure:
            self.leave_out(name, str(failure))
            self._write()
            return
        self._body["runs"].append({**row, **found, "load_average": round(os.getloadavg()[0], 2)})
        self._write()
        said = ", ".join(f"{key} {value:,.5g}" for key, value in numbers(found))
        print(f"round {number}: {name}: {said}", file=sys.stderr)

    def leave_out(self, what: str, reason: str) -> None:
        """Says why something is not measured; it is said on stderr too."""
        self._body["left_out"][what] = reason
        print(f"{what} is left out: {reason}", file=sys.stderr)

    def note(self, name: str, value: Any) -> None:
        """Something that holds for the whole part."""
        self._body[name] = value

    def finish(self) -> None:
        self._body["finished"] = True
        self._write()

    def _write(self) -> None:
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        unfinished.write_text(json.dumps(self._body, indent=1, ensure_ascii=False) + "\n", "utf-8")
        unfinished.replace(self.path)


def numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers in it and in what is in it, with their keys, dots between."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", number) for inner, number in numbers(value))
        elif isinstance(value, (int, float)):
            yield key, value


def now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def code() -> str:
    """A hash of what is measured and of what measures it."""
    found = hashlib.sha256()
    for pattern in MEASURED_CODE:
        for path in sorted(PROJECT.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def machine() -> dict[str, Any]:
    """What the numbers depend on: processor, cores, memory, Python."""
    found: dict[str, Any] = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    try:
        rows = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        found["processor"] = next(row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
        flags = next(row for row in rows if row.startswith("flags")).split()
        found["instructions"] = [
            flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags
        ]
        memory = Path("/proc/meminfo").read_text("utf-8").split()
        found["memory_gib"] = round(int(memory[memory.index("MemTotal:") + 1]) / 2**20, 1)
    except (OSError, StopIteration, ValueError):  # not Linux
        pass
    found["python"] = platform.python_version()
    found["threads"] = os.environ.get("OMP_NUM_THREADS", "as many as cores")
    return found
