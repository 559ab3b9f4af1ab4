"""Proves that commands that were killed leave what loads, and end where an undisturbed one ends when started again.

Each command runs once undisturbed. Then it is killed with SIGKILL, again and again, and started again by the same line:
every second kill waits until something is being written, the others come at random moments. After each kill the
checkpoint that it works on must load with a true manifest; at the end the results must be those of the undisturbed one,
with nothing half written beside them.

    python scripts/kill_proof.py --kills 10
    python scripts/kill_proof.py --kills 3 --commands prepare shortlist
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import verify
from mt.checkpoint.steps import find_step
from mt.data.bundled.source import Bundled

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    "data.train.size=1000",
    "data.valid.size=40",
    "data.tests.test.size=20",
    "~data.tests.test_compositional",
    "tokenizer.vocab_size=400",
    "model=tiny",
    "model.layer.dim=32",
    "model.layer.feed_forward_dim=32",
    "batches.max_tokens=1024",
    "trainer.max_steps=8",
    "trainer.validate_every=4",
    "trainer.device=cpu",
    "validation.sample_lines=0",
    "+validation.search.max_length=8",
    "search.max_length=8",
]
VARIANTS = yaml.safe_load((ROOT / "configs" / "compare_attention.yaml").read_text("utf-8"))["variants"]
ENDINGS = (".unfinished", ".replaced", ".made_by")


@dataclass(frozen=True)
class Command:
    """A command line, run in a folder of its own that holds `checkpoint`, and what of it is compared."""

    arguments: list[str]
    results: Callable[[Path], dict[str, Any]]


def main() -> int:
    """Exit code 0 when every comparison holds, 1 with the first difference otherwise."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--kills", type=int, default=10, help="of each command (default: 10)")
    flags.add_argument("--work", type=Path, default=ROOT / "checkpoints" / "kill_proof", help="folder to work in")
    flags.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    flags.add_argument("--commands", nargs="+", choices=[*COMMANDS], default=[*COMMANDS], metavar="NAME")
    args = flags.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True)
    work, moments = args.work.resolve(), random.Random(args.seed)

    write_corpus(work / "start")
    made = start(["mt.train", *TINY, "folder=checkpoint", "data.prepared=data"], work / "start")
    if made.wait() != 0:
        print((work / "start.log").read_text(), file=sys.stderr)
        return 1
    shutil.rmtree(work / "start" / "data")
    for name in args.commands:
        problem = prove(name, COMMANDS[name], work, args.kills, moments)
        print(f"{name}: {problem or 'results are those of the undisturbed one'}", flush=True)
        if problem:
            return 1
    return 0


def prove(name: str, command: Command, work: Path, kills: int, moments: random.Random) -> str | None:
    """What went wrong; None when nothing did."""
    undisturbed = work / f"{name} undisturbed"
    shutil.copytree(work / "start", undisturbed, symlinks=True)
    start_time = time.monotonic()
    if start(command.arguments, undisturbed).wait() != 0:
        return f"failed undisturbed: {last_line(undisturbed)}"
    seconds, wanted = time.monotonic() - start_time, command.results(undisturbed)
    print(f"{name}: undisturbed, {seconds:.1f} s", flush=True)
    done, starts = 0, 0
    while done < kills:  # one that was killed may end before it is killed often enough: then another begins
        folder = work / f"{name} killed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work / "start", folder, symlinks=True)
        in_a_row, code = 0, None
        while code is None:
            process, starts = start(command.arguments, folder), starts + 1
            if done == kills or in_a_row == 3:
                code = process.wait()
                continue
            if done % 2:
                code = until_it_writes(process, folder, moments.uniform(0.0, 0.02))
            else:
                code = until(process, moments.uniform(0.0, seconds))
            if code is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                done, in_a_row = done + 1, in_a_row + 1
                left = sorted(path.name for path in folder.rglob("*") if path.name.endswith(ENDINGS))
                print(f"{name}: kill {done}, half written: {', '.join(left) or 'nothing'}", flush=True)
                if problem := unsound(folder):
                    return f"after kill {done}: {problem}"
        if code != 0:
            return f"failed with {code} after kill {done}: {last_line(folder)}"
        if problem := difference(wanted, command.results(folder)) or unsound(folder) or rubbish(folder):
            return f"after kill {done}: {problem}"
        print(f"{name}: {done} kills, {starts} starts", flush=True)
    return None


def unsound(folder: Path) -> str | None:
    """What is wrong with the checkpoint, or with an output that has its last name."""
    try:
        for checkpoint in (folder / "checkpoint", folder / "head"):
            if checkpoint == folder / "checkpoint" or (checkpoint.is_dir() and any(checkpoint.iterdir())):
                verify(find_step(checkpoint))
                load_checkpoint(checkpoint)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def rubbish(folder: Path) -> str | None:
    """What is left half written, once all is done."""
    left = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.endswith(ENDINGS)]
    return f"left half written: {', '.join(sorted(left))}" if left else None


def difference(wanted: dict[str, Any], found: dict[str, Any]) -> str | None:
    """The first result that differs; None when all are the same."""
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            return f"{name} differs: {str(wanted.get(name))[:200]} and {str(found.get(name))[:200]}"
    return None


def digests(folder: Path) -> dict[str, Any]:
    """The digest of every file below a folder, locks aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".lock"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}


def measured(folder: Path) -> dict[str, Any]:
    """What a comparison found that does not depend on the clock."""
    body = json.loads((folder / "comparison" / "results.json").read_text("utf-8"))
    of_runs = {
        name: {test: scores["bleu"] for test, scores in run.get("tests", {}).items()} or run
        for name, run in body["runs"].items()
    }
    reports = {name: (folder / "comparison" / name).is_file() for name in ("report.md", "report.html", "report.csv")}
    return {**of_runs, **reports, "costs": sorted(body["costs"]), "speeds": sorted(body["speeds"])}


def until(process: subprocess.Popen, seconds: float) -> int | None:
    """Waits so long; the exit code if the process ended before."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def until_it_writes(process: subprocess.Popen, folder: Path, seconds: float) -> int | None:
    """Waits until something new is being written, and so long after; the exit code if the process ended before."""
    before = set(folder.rglob("*.unfinished"))
    while not set(folder.rglob("*.unfinished")) - before:
        if process.poll() is not None:
            return process.returncode
        time.sleep(0.0005)
    return until(process, seconds)


def start(arguments: list[str], folder: Path) -> subprocess.Popen:
    """The command in its folder, its output in a log beside it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(f"{folder}.log", "ab") as log:
        return subprocess.Popen([sys.executable, "-m", *arguments], stdout=log, stderr=log, env=environment, cwd=folder)


def last_line(folder: Path) -> str:
    lines = Path(f"{folder}.log").read_text("utf-8").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def write_corpus(folder: Path) -> None:
    """corpus.en and corpus.de."""
    folder.mkdir()
    pairs = list(Bundled(split="train", size=600, seed=3))
    for name, lines in (("en", [pair.source for pair in pairs]), ("de", [pair.target for pair in pairs])):
        (folder / f"corpus.{name}").write_text("".join(f"{line}\n" for line in lines), "utf-8")


TEXTS = ["--source", "corpus.en", "--target", "corpus.de"]
COMMANDS = {
    "prepare": Command(
        ["mt.prepare", "data.train.size=2000", "data.valid.size=50", "tokenizer.vocab_size=500", "data.prepared=data"],
        lambda folder: digests(folder / "data"),
    ),
    "shortlist": Command(
        ["mt.shortlist", "--checkpoint", "checkpoint", *TEXTS], lambda folder: digests(find_step(folder / "checkpoint"))
    ),
    "corpus": Command(["mt.align", "corpus", *TEXTS, "--output", "links"], lambda folder: digests(folder)),
    "choose": Command(
        ["mt.align", "choose", "--checkpoint", "checkpoint", *TEXTS, "--limit", "20"],
        lambda folder: digests(find_step(folder / "checkpoint")),
    ),
    "head": Command(
        ["mt.align", "head", "--checkpoint", "checkpoint", *TEXTS, "--output", "head", "--steps", "5"],
        lambda folder: digests(folder / "head"),
    ),
    "compare": Command(
        [
            *("mt.compare_attention", "folder=comparison", "speeds.rounds=1", "speeds.updates=1", "speeds.lines=5"),
            *("costs.lengths=[8]", "costs.repeats=1", "costs.num_heads=2", "costs.head_size=4", "costs.device=cpu"),
            *("tasks=[bundled]", f"tasks.bundled.overrides={json.dumps([*TINY, 'data.prepared=data'])}"),
            *(f"~variants.{name}" for name in VARIANTS if name not in ("dense", "local")),
        ],
        measured,
    ),
}


if __name__ == "__main__":
    sys.exit(main())
