"""One JSON file a part: what was measured, by which settings (folders aside), on which machine, with what versions."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any


class Results:
    """The file of a part, written anew after every measurement; `finished` is true in a whole one."""

    def __init__(self, path: Path, args: argparse.Namespace) -> None:
        self.path = path
        self._body = {
            "part": path.stem,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
            "machine": machine(),
            "settings": {name: value for name, value in vars(args).items() if not isinstance(value, Path)},
            "versions": {},
            "left_out": {},
            "runs": [],
            "finished": False,
        }
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, run: dict[str, Any]) -> None:
        """One measured process, and the load of the machine behind it."""
        self._body["runs"].append({**run, "load_average": round(os.getloadavg()[0], 2)})
        self._write()

    def leave_out(self, what: str, reason: str) -> None:
        """Says why something was not measured; it is said on stderr too."""
        self._body["left_out"][what] = reason
        print(f"{what} is left out: {reason}", file=sys.stderr)
        self._write()

    def set_versions(self, name: str, versions: dict[str, str]) -> None:
        self._body["versions"][name] = versions

    def note(self, name: str, value: Any) -> None:
        """Something that holds for the whole part."""
        self._body[name] = value

    def finish(self) -> None:
        self._body["finished"] = True
        self._write()

    def _write(self) -> None:
        self.path.write_text(json.dumps(self._body, indent=1, ensure_ascii=False) + "\n", "utf-8")


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
