"""Which attention learns from pairs of 8,192 pieces in how much memory? Whole trainings, one after another.

Two updates of `python -m mt.train experiment=long` (small, 3+3 layers) with one kind of attention in every slot, on
pairs of random words as long as its bounds let them be. Where an address space of `--gib` is not enough, what training
said is shown in place of the peak.

    python scripts/long_memory.py FOLDER dense chunked linear              # minutes each on a core
    python scripts/long_memory.py FOLDER dense chunked linear --gib 8
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

SLOTS = ("encoder.self_attention", "decoder.self_attention", "decoder.cross_attention")
SOURCE, TARGET = "abcdefghijklm", "nopqrstuvwxyz"  # words of two pieces each, a blank and a letter
SETTINGS = [
    "experiment=long",
    "data=text",
    "data.source_language=en",
    "data.target_language=de",
    "data/cleaning=off",
    "tokenizer.vocab_size=31",
    "tokenizer.byte_fallback=false",
    "trainer.max_steps=2",
    "trainer.validate_every=2",
    "trainer.device=cpu",
    "trainer.precision=float32",
    "+validation.search.max_length=5",
    "+search.max_length=5",
    "fresh=true",
]


def main() -> None:
    """Prints a line for each kind of attention."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("folder", type=Path, help="for the corpus and the runs")
    flags.add_argument("attention", nargs="+", help="names of configs/attention that go in every slot")
    flags.add_argument("--pieces", type=int, default=8192, help="of each side (default: %(default)s)")
    flags.add_argument("--gib", type=float, help="address space that a training may take")
    args = flags.parse_args()
    write_corpus(args.folder, args.pieces)
    print("attention".ljust(12), "seconds".rjust(8), "peak, MiB".rjust(10))
    for attention in args.attention:
        print(attention.ljust(12), *train(args.folder, attention, args.gib), flush=True)


def write_corpus(folder: Path, pieces: int) -> None:
    """Two long pairs to learn from; short ones to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lengths in (("train", (pieces // 2, pieces // 2)), ("valid", (8, 8)), ("test", (8, 8))):
        for language, words in (("en", SOURCE), ("de", TARGET)):
            lines = [" ".join(random.Random(k).choices(words, k=length)) for k, length in enumerate(lengths)]
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def train(folder: Path, attention: str, gib: float | None) -> tuple[str, str]:
    """Seconds and peak memory of a training, the corpus's preparation with it; or a dash and why it ended."""
    command = [sys.executable, "-m", "mt.train", *SETTINGS, *(f"attention@model.{slot}={attention}" for slot in SLOTS)]
    command += [f"data.folder={folder}", f"data.prepared={folder}/prepared", f"folder={folder}/{attention}"]

    def limited() -> None:
        if gib:
            resource.setrlimit(resource.RLIMIT_AS, (int(gib * 2**30), int(gib * 2**30)))

    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=limited)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        return "-".rjust(8), said.strip().splitlines()[-1]
    return f"{time.perf_counter() - start:8.0f}", f"{used.ru_maxrss / 1024:10,.0f}"


if __name__ == "__main__":
    main()
