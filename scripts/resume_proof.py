"""Proves that a killed run ends where an undisturbed one ends, to the last bit.

Trains once undisturbed, then the same settings again in another folder, killed with SIGKILL and started again by the
same command, and compares weights, optimizer state and metrics. The first kill and every third after it wait until a
checkpoint is being written; the others come at random moments, of which about half fall into validations. Dropout, EMA,
accumulation, subword sampling, early stopping and a mixture of two sources that changes on the way are on.

    .venv/bin/python scripts/resume_proof.py --kills 20
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = [
    "experiment=demo",
    "~data.train",
    "+data.train={_target_:mt.data.sources.Sources,plain:{_target_:mt.data.bundled.source.Bundled,split:train,size:3000,"
    "seed:1},tagged:{_target_:mt.data.sources.Source,tag:'<two>',corpus:{_target_:mt.data.bundled.source.Bundled,"
    "split:train,size:1500,seed:2}}}",
    "data.valid.size=100",
    "data.tests.test.size=20",
    "~data.tests.test_compositional",
    "batches.mixture.temperature=2",
    "batches.mixture.schedule={20:{tagged:0.2}}",
    "model.layer.dropout=0.1",
    "model.layer.attention_dropout=0.1",
    "model.layer.dim=64",
    "model.layer.feed_forward_dim=64",
    "batches.max_tokens=2048",
    "batches.sampling.source=0.1",
    "batches.sampling.target=0.1",
    "trainer.accumulate=2",
    "trainer.max_steps=120",
    "trainer.validate_every=8",
    "trainer.log_every=4",
    "trainer.patience=10",
    "trainer.ema_decay=0.95",
    "trainer.device=cpu",
    "validation.sample_lines=0",
    "+validation.search.max_length=8",
]
OF_TIME = ("seconds", "target_tokens_per_second")


def main() -> int:
    """Exit code 0 when every comparison holds, 1 with the first difference otherwise."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--kills", type=int, default=20, help="how often the second run is killed (default: 20)")
    flags.add_argument("--work", type=Path, default=ROOT / "checkpoints" / "resume_proof", help="folder to work in")
    flags.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    flags.add_argument("overrides", nargs="*", help="further settings of mt.train")
    args = flags.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True)

    start_time = time.monotonic()
    process = start(args.work, "undisturbed", args.overrides)
    if process.wait() != 0:
        print((args.work / "undisturbed.log").read_text(), file=sys.stderr)
        return 1
    seconds = time.monotonic() - start_time
    print(f"undisturbed: {seconds:.0f} s", flush=True)

    moments, kills, starts = random.Random(args.seed), 0, 0
    while kills < args.kills:  # a killed run may end before it was killed often enough: then another one begins
        shutil.rmtree(args.work / "killed", ignore_errors=True)
        code = None
        while code is None:
            process, starts = start(args.work, "killed", args.overrides), starts + 1
            if kills == args.kills:
                code = process.wait()
            elif kills % 3 == 0:
                code = until_it_writes(process, args.work / "killed", moments.uniform(0.0, 0.05))
            else:
                code = until(process, moments.uniform(min(2.0, seconds / 4), max(min(4.0, 0.8 * seconds), seconds / 3)))
            if code is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                print(f"kill {kills}, {found(args.work / 'killed')}", flush=True)
        if code != 0:
            print((args.work / "killed.log").read_text(), file=sys.stderr)
            return 1
        problem = difference(args.work / "undisturbed", args.work / "killed")
        print(f"{kills} kills, {starts} starts: {problem or 'weights, optimizer state and metrics are identical'}")
        if problem:
            return 1
    return 0


def until(process: subprocess.Popen, seconds: float) -> int | None:
    """Waits so long; the exit code if the process ended before."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def until_it_writes(process: subprocess.Popen, run: Path, seconds: float) -> int | None:
    """Waits until a step folder is being written, and so long after; the exit code if the process ended before."""
    while not any(run.glob(".step_*")):
        if process.poll() is not None:
            return process.returncode
        time.sleep(0.0005)
    return until(process, seconds)


def found(run: Path) -> str:
    """What a kill left."""
    last, torn = run / "last", [path.name for path in run.glob(".step_*")]
    name = last.resolve().name if last.exists() else "none"
    return f"last checkpoint: {name}" + (f", half written: {', '.join(torn)}" if torn else "")


def start(work: Path, name: str, overrides: list[str]) -> subprocess.Popen:
    """The training command, its output in a log beside its folder."""
    command = [sys.executable, "-m", "mt.train", *SETTINGS, f"data.prepared={work}/data", f"folder={work}/{name}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (work / f"{name}.log").open("ab") as log:
        return subprocess.Popen([*command, *overrides], stdout=log, stderr=log, env=environment, cwd=work)


def difference(left: Path, right: Path) -> str | None:
    """The first difference between two finished runs; None when there is none."""
    for link in ("last", "best"):
        if (left / link).resolve().name != (right / link).resolve().name:
            return f"{link} is {(left / link).resolve().name} and {(right / link).resolve().name}"
        for name in ("model.safetensors", "training.safetensors"):
            hashes = [hashlib.sha256((run / link / name).read_bytes()).hexdigest() for run in (left, right)]
            if hashes[0] != hashes[1]:
                return f"{link}/{name} differs: {hashes[0][:12]} and {hashes[1][:12]}"
    lines = [[untimed(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (left, right)]
    for number, (one, other) in enumerate(zip(*lines, strict=False), start=1):
        if one != other:
            return f"metrics.jsonl line {number} differs: {one} and {other}"
    return None if len(lines[0]) == len(lines[1]) else f"metrics.jsonl has {len(lines[0])} and {len(lines[1])} lines"


def untimed(line: str) -> dict:
    """A line of metrics without what depends on the clock."""
    return {key: value for key, value in json.loads(line).items() if key not in OF_TIME}


if __name__ == "__main__":
    sys.exit(main())
