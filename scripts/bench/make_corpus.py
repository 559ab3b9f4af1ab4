"""Writes a large parallel corpus in seconds, to measure preparation with: python scripts/bench/make_corpus.py --help

The sentences are made of phrases of the bundled corpus: nothing to learn from, but real words in sentences of real
length. A known share of the pairs are copies of earlier ones. The same flags give the same files.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from mt.data.bundled.source import Bundled

PHRASES = 20_000  # of the bundled corpus, of which two or three make a sentence
REMEMBERED = 100_000  # pairs that a copy is drawn from
CHUNK = 10_000


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("folder", type=Path, help="where train.en and train.de go")
    flags.add_argument("--pairs", type=int, default=1_000_000, help="pairs in all (default: 1000000)")
    flags.add_argument("--copies", type=float, default=0.05, help="share that repeats an earlier pair (default: 0.05)")
    flags.add_argument("--files", type=int, default=1, help="more than one: train.0.en, train.1.en … (default: 1)")
    flags.add_argument("--held-out", type=int, default=500, help="lines of valid and of test (default: 500)")
    flags.add_argument("--seed", type=int, default=1, help="another seed, other sentences (default: 1)")
    args = flags.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    for split in ("valid", "test"):
        pairs = list(Bundled(split, args.held_out))
        write(args.folder / split, [pair.source for pair in pairs], [pair.target for pair in pairs], "w")
    maker = Maker(args.seed, args.copies)
    for file in range(args.files):
        stem = args.folder / (f"train.{file}" if args.files > 1 else "train")
        wanted = args.pairs * (file + 1) // args.files - args.pairs * file // args.files
        mode = "w"
        while wanted > 0:
            sources, targets = maker.pairs(min(CHUNK, wanted))
            write(stem, sources, targets, mode)
            wanted, mode = wanted - len(sources), "a"
    seconds = time.perf_counter() - start
    print(f"{args.pairs} pairs, {maker.num_copies} of them copies, in {seconds:.1f} s", file=sys.stderr)


class Maker:
    """Pairs without end."""

    def __init__(self, seed: int, copies: float) -> None:
        self.random = random.Random(seed)
        self.copies = copies
        self.phrases = [(pair.source[:-1], pair.target[:-1]) for pair in Bundled("train", PHRASES)]
        self.recent: list[tuple[str, str]] = []
        self.number = self.num_copies = 0

    def pairs(self, count: int) -> tuple[list[str], list[str]]:
        """The next pairs, in columns. Every new one has a number, so that no two are alike."""
        made = []
        draw, below = self.random.random, self.random.randrange
        for _ in range(count):
            if self.recent and draw() < self.copies:
                made.append(self.recent[below(len(self.recent))])
                self.num_copies += 1
                continue
            chosen = [self.phrases[int(draw() * PHRASES)] for _ in range(2)]
            self.number += 1
            made.append(
                tuple(f"{first}, {self.number}: {second}." for first, second in zip(*chosen, strict=True))  # both sides
            )
        self.recent = (self.recent + made)[-REMEMBERED:]
        return [source for source, _ in made], [target for _, target in made]


def write(stem: Path, sources: list[str], targets: list[str], mode: str) -> None:
    """Lines to the two files of a stem."""
    for language, lines in (("en", sources), ("de", targets)):
        with open(f"{stem}.{language}", mode, encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
