"""Training speed beside busy processes, by how OpenMP threads wait for one another: one table, all in turns.

python scripts/bench/waiting.py FOLDER [--busy 0 1 2] [--rounds 3] [--updates 40] [settings of mt.train …]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mt.cores import CHOSEN_BY_USER, available_cores

WAYS = {
    "OpenMP's own (spinning)": {"GOMP_SPINCOUNT": "30000000000"},  # what libgomp takes where nothing is set
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "ours": {},
}
FIRST_UPDATES = 10  # not counted: torch compiles its products, memory is taken


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes, each of which keeps a core busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def tokens_per_second(folder: Path, way: dict[str, str], updates: int, settings: list[str]) -> float:
    """Target tokens a second of a training, from its metrics; its first updates are not counted."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    plain = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_USER}
    command = [sys.executable, "-m", "mt.train", f"folder={run}", f"data.prepared={folder / 'data'}"]
    command += ["trainer.max_steps=1000000", f"trainer.log_every={FIRST_UPDATES}", *settings]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=plain | way, stdout=log, stderr=log)
        try:
            while True:
                lines = (run / "metrics.jsonl").read_text().splitlines() if (run / "metrics.jsonl").exists() else []
                records = [json.loads(line) for line in lines if line.endswith("}")]
                if records and records[-1]["step"] >= FIRST_UPDATES + updates:
                    break
                if process.poll() is not None:
                    raise SystemExit(f"the training ended: see {log.name}")
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    # each record holds the speed since the start
    at = {record["step"]: (record["seconds"], record["target_tokens_per_second"]) for record in records}
    (before, speed_before), (after, speed_after) = at[FIRST_UPDATES], at[FIRST_UPDATES + updates]
    return (speed_after * after - speed_before * before) / (after - before)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("folder", type=Path, help="for the prepared corpus and the runs")
    flags.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="busy processes beside the training")
    flags.add_argument("--rounds", type=int, default=3, help="of all ways, in turns")
    flags.add_argument("--updates", type=int, default=40, help=f"counted, a multiple of {FIRST_UPDATES}")
    args, settings = flags.parse_known_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    settings = settings or ["data=bundled", "model=small", "trainer.seed=1"]
    print(f"{available_cores()} cores, load {os.getloadavg()[0]:.1f}, {' '.join(settings)}")
    print(f"{'target tokens a second (median)':32}" + "".join(f"{f'beside {count}':>12}" for count in args.busy))
    speeds: dict[tuple[str, int], list[float]] = {}
    for count in args.busy:
        for _ in range(args.rounds):
            for name, way in WAYS.items():
                with busy_processes(count):
                    found = tokens_per_second(args.folder, way, args.updates, settings)
                speeds.setdefault((name, count), []).append(found)
    for name in WAYS:
        row = (statistics.median(speeds[name, count]) for count in args.busy)
        print(f"{name:32}" + "".join(f"{speed:12,.0f}" for speed in row))


if __name__ == "__main__":
    main()
