"""One turn of a model in a process of its own: `python -m mt.comparison.model_turn SPECIFICATION` prints JSON.

One thread. Times are CPU seconds of this process, which other work on the machine changes little.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from mt.inference.job import Job
from mt.inference.native import NativeTranslator
from mt.inference.options import Options
from mt.inference.request import Request

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

KIB_IN_MIB = 2**20 if sys.platform == "darwin" else 1024  # macOS counts bytes
MODES = {"beam": 5, "greedy": 1}  # and the size of the beam


def main(text: str) -> dict[str, Any]:
    """The numbers of the specification: `folder`, `engine`, `precision`, `shortlist`, `lines`, `timed`
    (how many of them), `one_lines`, `tag`.

    cold_seconds      from the start of Python to the first translation
    MODE_per_second   sentences, all lines together; one_MODE_per_second: one line at a time (median)
    MODE_lines        all translations
    peak_mib          the most memory that the process held
    """
    told = json.loads(text)
    translate = _translator(told)
    translate(told["lines"][:1], MODES["beam"])
    found: dict[str, Any] = {"cold_seconds": time.process_time()}
    later: dict[str, Callable[[], list[str]]] = {}
    for mode, size in MODES.items():
        translate(told["lines"][:2], size)  # what this search needs is loaded
        timed, rest = told["lines"][: told["timed"]], told["lines"][told["timed"] :]
        seconds, lines = _timed(partial(translate, timed, size))
        found[f"{mode}_per_second"], found[f"{mode}_lines"] = len(lines) / seconds, lines
        later[mode] = partial(translate, rest, size)
    for mode, size in MODES.items():
        each = [_timed(partial(translate, [line], size))[0] for line in told["lines"][: told["one_lines"]]]
        found[f"one_{mode}_per_second"] = 1 / median(each)
    found["peak_mib"] = peak_memory_mib()
    for mode, translated in later.items():
        found[f"{mode}_lines"] += translated()
    return found


def peak_memory_mib() -> int | None:
    """The most memory that this process has held, in MiB, without torch, which native code does not need."""
    status = Path("/proc/self/status")  # Linux: getrusage there counts what the parent process held at the start
    if status.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.M)):
        return int(found[1]) // 1024
    return None if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB_IN_MIB


def _translator(told: dict[str, Any]) -> Callable[[Sequence[str], int], list[str]]:
    """(lines, size of the beam) -> translations, by the job that `translate` runs."""
    options = Options(device="cpu", precision=told["precision"], shortlist=told["shortlist"], tag=told["tag"])
    load = None
    if told["engine"]:
        # loads torch, without which native code starts much faster
        load = partial(import_module("mt.interchange.translating").load_models, engine=told["engine"])
    jobs: dict[int, Job] = {}

    def translate(lines: Sequence[str], size: int) -> list[str]:
        if size not in jobs:
            sized = Options(**{**vars(options), "beam_size": size})
            first = next(iter(jobs.values()), None)
            jobs[size] = Job([Path(told["folder"])], sized, load) if first is None else _resized(first, sized, load)
        found = jobs[size].translated([Request(line, tag=options.tag) for line in lines], 0)
        return [one.text for one in found]

    return translate


def _resized(job: Job, options: Options, load: Any) -> Job:
    """A job of another beam: by the same loaded models, or, in native code, which is loaded for a search, another."""
    if isinstance(job.load(), NativeTranslator):
        return Job(job.checkpoints, options, load)
    return job.with_options(options)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = work()
    return max(1e-9, time.process_time() - begun), result


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]).read_text("utf-8"))))
