"""How fast each tool trains: python scripts/bench/training.py --corpora FOLDER --work FOLDER --output FOLDER

Every run is a process of its own that trains from nothing and is stopped; the tools take turns. Its speed is that
between two updates, the first one after the warm-up and the last one: real target tokens (pieces and one end of
sentence a sentence, no padding) by the seconds between them, of the clock and of the processor. With one thread
(OMP_NUM_THREADS=1) the processor's are those that other work on the machine changes least. Ours is the command
`python -m mt.train`, read from its metrics.jsonl; the peers count in peers/meter.py. Beside them stands how fast this
machine multiplies matrices, which bounds everybody.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import environments
from corpus import counts, data_overrides, write_corpus
from processes import Failure, begin, empty, watched
from results import Results
from setting import (
    BATCH_TOKENS,
    DEFAULT_WORK,
    DROPOUT,
    HERE,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    MODELS,
    PRECISIONS,
    PROJECT,
    WARMUP_STEPS,
    Work,
    place,
    training_specification,
)

EVER = 10**7  # updates
SPEED = "target_tokens_per_second"
START_LIMIT = 180  # seconds until the first update


@dataclass(frozen=True)
class Tool:
    """`batch_tokens`: the number that, in this tool's way of counting, gives the others' real tokens an update."""

    name: str
    environment: str
    script: str = ""
    batch_tokens: int = BATCH_TOKENS
    precisions: tuple[str, ...] = PRECISIONS
    why_not: str = ""


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("mt", "mt", batch_tokens=2 * BATCH_TOKENS),  # of both sides
        Tool(
            "joeynmt",
            "joeynmt",
            "train_joeynmt.py",
            batch_tokens=9500,  # sentences of all lengths share a batch: more than half of it is padding
            precisions=("float32",),
            why_not="JoeyNMT has no bfloat16, and its float16 is turned off on a CPU",
        ),
        Tool("eole", "eole", "train_eole.py", batch_tokens=4600),
        Tool("transformers", "transformers", "train_transformers.py", batch_tokens=4200),
    )
}


@dataclass(frozen=True)
class Window:
    """What is measured: `seconds` of updates behind the warm-up, which is over when both its bounds are.

    `clock` counts them: "seconds" of the clock, or "cpu_seconds" of the processor.
    """

    seconds: float
    warmup_updates: int
    warmup_seconds: float
    clock: str = "seconds"

    def measured(self, rows: list[dict]) -> dict | None:
        """The speed, once there are enough updates."""
        first = next(
            (
                number
                for number, row in enumerate(rows)
                if number + 1 >= self.warmup_updates and row[self.clock] - rows[0][self.clock] >= self.warmup_seconds
            ),
            None,
        )
        if first is None or rows[-1][self.clock] - rows[first][self.clock] < self.seconds:
            return None
        start, end, updates = rows[first], rows[-1], len(rows) - 1 - first
        seconds, cpu_seconds, tokens = (end[name] - start[name] for name in ("seconds", "cpu_seconds", "target_tokens"))
        result = {
            "target_tokens_per_second": tokens / seconds,
            "target_tokens_per_cpu_second": tokens / cpu_seconds,
            "measured_seconds": seconds,
            "updates": updates,
            "target_tokens_per_update": tokens / updates,
        }
        if "sentences" in end:
            result["target_tokens_per_sentence"] = tokens / (end["sentences"] - start["sentences"])
        return result


def run(
    tool: Tool,
    model_name: str,
    precision: str,
    window: Window,
    corpora: Path,
    work: Work,
    environment: Mapping[str, str],
) -> dict:
    """One measured process. Raises Failure."""
    if tool.environment == "mt":
        data = data_overrides(corpora, work)
        return measure_ours(model_name, precision, tool.batch_tokens, data, window, work, environment=environment)
    empty(work.scratch)
    specification = training_specification(
        work, MODELS[model_name], batch_tokens=tool.batch_tokens, precision=precision, scratch=work.scratch
    )
    file = work.scratch / "specification.json"
    file.write_text(json.dumps(specification, indent=1), "utf-8")
    command = [environments.python(tool.environment, work), HERE / "peers" / tool.script, file]
    return _measure(command, work.scratch / "updates.jsonl", _rows, window, work, environment)


def measure_ours(
    model_name: str,
    precision: str,
    max_tokens: int,
    overrides: Sequence[str],
    window: Window,
    work: Work,
    *,
    environment: Mapping[str, str] | None = None,
    processes: int = 1,
) -> dict:
    """The speed of `mt.train` without validation and without an end; several `processes` by torchrun. Raises Failure.

    An update of the larger model is two batches of half the size, which takes less memory for the same tokens.
    """
    empty(work.scratch)
    parts = 2 if model_name == "base" else 1
    by = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [
        *(sys.executable, *by, "-m", "mt.train", f"folder={work.scratch / 'run'}", f"model={model_name}"),
        *(f"model.layer.dropout={DROPOUT}", f"batches.max_tokens={max_tokens // parts}"),
        *(f"objective.smoothing={LABEL_SMOOTHING}", f"schedule.peak={LEARNING_RATE}"),
        *(f"schedule.warmup_steps={WARMUP_STEPS}", f"trainer.precision={precision}", f"trainer.max_steps={EVER}"),
        *(f"trainer.validate_every={EVER}", "trainer.log_every=1", f"trainer.accumulate={parts}", *overrides),
    ]
    environment = {"PYTHONPATH": str(PROJECT), **(environment or {})}
    return _measure(command, work.scratch / "run" / "metrics.jsonl", our_updates, window, work, environment)


def _measure(
    command: Sequence,
    updates: Path,
    read: Callable[[Path], list[dict]],
    window: Window,
    work: Work,
    environment: Mapping[str, str],
) -> dict:
    start = time.monotonic()
    with watched(command, log=work.scratch / "log.txt", environment=environment) as running:
        rows: list[dict] = []
        while (result := window.measured(rows)) is None:
            time.sleep(0.1)
            running.check()
            so_far = running.cpu_seconds()  # of updates that were not there when last looked at
            rows += [{**row, "cpu_seconds": so_far} for row in read(updates)[len(rows) :]]
            if not rows and time.monotonic() - start > START_LIMIT:
                raise Failure(f"no update in {START_LIMIT} s")
        return {**result, "peak_mib": running.peak_mib, "process_seconds": time.monotonic() - start}


def our_updates(metrics: Path) -> list[dict]:
    """Of every update, from metrics.jsonl: its speed is that since the start of the run."""
    return [
        {"seconds": row["seconds"], "target_tokens": row["target_tokens_per_second"] * row["seconds"]}
        for row in _rows(metrics)
        if "target_tokens_per_second" in row
    ]


def _rows(path: Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(row) for row in path.read_text("utf-8").splitlines(keepends=True) if row.endswith("\n")]


def products() -> dict[str, float]:
    """Floating-point operations a second of products with the shapes of `small`, by precision; the best of 30."""
    import torch

    found = {}
    for precision in PRECISIONS:
        left, right = (torch.randn(size, dtype=getattr(torch, precision)) for size in ((4096, 256), (256, 1024)))
        seconds = []
        for _ in range(30):
            start = time.perf_counter()
            left @ right
            seconds.append(time.perf_counter() - start)
        found[precision] = 2 * 4096 * 256 * 1024 / min(seconds)
    return found


def clock_of_threads() -> str:
    """With one thread, seconds of the processor, which other work changes least."""
    return "cpu_seconds" if os.environ.get("OMP_NUM_THREADS") == "1" else "seconds"


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS), help="in their order (default: all)")
    flags.add_argument("--model", choices=MODELS, default="small")
    flags.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    flags.add_argument("--allocators", nargs="+", choices=("system", "tcmalloc"), default=("system", "tcmalloc"))
    flags.add_argument("--rounds", type=int, default=2, help="turns that every tool has (default: 2)")
    flags.add_argument("--seconds", type=float, default=12, help="measured in each run (default: 12)")
    flags.add_argument("--warmup-updates", type=int, default=3, help="not measured, in each run (default: 3)")
    flags.add_argument("--warmup-seconds", type=float, default=4, help="at least, in each run (default: 4)")
    args = flags.parse_args()

    work, window = Work(args.work), Window(args.seconds, args.warmup_updates, args.warmup_seconds, clock_of_threads())
    begin(work)
    write_corpus(args.corpora, work)
    versions, left_out = environments.ready([TOOLS[name].environment for name in args.tools], work)
    preloads: dict[str, Path | None] = {name: None for name in args.allocators}
    if "tcmalloc" in preloads:
        preloads["tcmalloc"] = environments.tcmalloc(work)
        if preloads["tcmalloc"] is None:
            del preloads["tcmalloc"]
            left_out["tcmalloc"] = "its library is not there: install libtcmalloc-minimal4"
    variants = []
    for precision in args.precisions:
        for tool in (TOOLS[name] for name in args.tools if TOOLS[name].environment in versions):
            if precision in tool.precisions:
                variants += [(tool, precision, allocator) for allocator in preloads]
            else:
                left_out[f"{tool.name} {precision}"] = tool.why_not

    name = "training" if args.model == "small" else f"training-{args.model}"
    results = Results(args.output / f"{name}.json", args, versions=versions, left_out=left_out)
    results.note("products", products())
    print(f"an epoch: {counts(work)}", file=sys.stderr)
    for number in range(1, args.rounds + 1):
        for tool, precision, allocator in variants:
            environment = {"LD_PRELOAD": str(preloads[allocator])} if preloads[allocator] else {}
            results.measure(
                partial(run, tool, args.model, precision, window, args.corpora, work, environment),
                number=number,
                **{"tool": tool.name, "model": args.model, "precision": precision, "allocator": allocator},
            )
    results.finish()


if __name__ == "__main__":
    main()
