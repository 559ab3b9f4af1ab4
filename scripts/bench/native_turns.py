"""Translators of native code in turns, by the time of the processor, as a table of ratios.

python scripts/bench/native_turns.py FOLDER[@shortlist] FOLDER[@shortlist] … --lines FILE [--tokens 12]
python scripts/bench/native_turns.py --random 256 1024 3 8000

The first is what the others are compared with. Sentences a second of checkpoints that translate differently say little:
the ratio is that of target tokens a second, and `--tokens` gives every sentence the same number. `--random`: a model of
this width, feed-forward width, layers and pieces with random weights, and a list of about 730 of 8,000 pieces a
sentence, against itself without one, 16 tokens a sentence.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from mt.device import processor
from mt.inference.native import NativeTranslator
from mt.inference.options import Options
from mt.kernels.decoding import Choices, DenseModel, Plan
from mt.kernels.dense_sizes import DenseSizes, alike

PRECISIONS, MODES = ("float32", "int8", "bfloat16"), {"greedy": 1, "beam 5": 5}
ONE_AT_A_TIME = 60  # sentences
RANDOM_LENGTH, COMMON, OF_A_PIECE = 16, 204, 75
Search = Callable[[Sequence], int]  # what it is given -> target tokens


def in_turns(engines: Sequence[Search], groups: Sequence[Sequence], rounds: int) -> list[list[float]]:
    """Target tokens a CPU second of each engine, in each round."""
    for engine in engines:
        engine(groups[0][:20])
    speeds: list[list[float]] = [[] for _ in engines]
    for _ in range(rounds):
        for engine, of_engine in zip(engines, speeds, strict=True):
            start = time.process_time()
            tokens = sum(engine(group) for group in groups)
            of_engine.append(tokens / (time.process_time() - start))
    return speeds


def row(name: str, engines: Sequence[Search], given: Sequence, rounds: int) -> None:
    """Prints a row: all sentences together, then one at a time."""
    cells = []
    for groups in ([given], [[one] for one in given[:ONE_AT_A_TIME]]):
        first, *others = in_turns(engines, groups, rounds)
        cells.append(f"{median(first):,.0f}")
        cells += [f"{median(b / a for a, b in zip(first, one, strict=True)):.2f}" for one in others]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def of_checkpoint(name: str, options: Options) -> Search:
    """Translates lines with a checkpoint."""
    folder, _, listed = name.partition("@")
    chosen = Options(**{**vars(options), "shortlist": listed == "shortlist"})
    translator = NativeTranslator.load([Path(folder)], chosen)
    if translator is None:
        sys.exit(f"{name} cannot be translated in native code here, in {options.precision}")
    return lambda lines: sum(
        len(part.ids) + 1 for one in translator.translate(lines) for part in one.candidates[0].parts
    )


def random_engines(
    dim: int, feed_forward_dim: int, num_layers: int, vocabulary: int
) -> tuple[Callable[[str, int], list[Search]], list[list[int]]]:
    """(precision, beam) -> a search without and one with a list; and sources. Frequent pieces stand on many lists."""
    heads = max(4, dim // 64)
    same = {"num_heads": heads, "num_kv_heads": heads, "feed_forward_dim": feed_forward_dim}
    sizes = DenseSizes(
        **{"dim": dim, "head_size": dim // heads, "max_positions": 1024},
        **{"activation": "relu", "norm": "layer", "norm_position": "pre", "positions": "sinusoidal"},
        **{"source_size": vocabulary, "target_size": vocabulary},
        encoder=alike(num_layers, attentions=1, **same),
        decoder=alike(num_layers, attentions=2, **same),
    )
    random, pieces = np.random.default_rng(1), np.arange(4, vocabulary)
    shapes = sizes.weights()
    weights = {name: (random.standard_normal(of) * of[-1] ** -0.5).astype(np.float32) for name, of in shapes.items()}
    share = (1 / np.arange(1, len(pieces) + 1)) / (1 / np.arange(1, len(pieces) + 1)).sum()
    lists = [
        np.unique([*random.choice(pieces, 2 * OF_A_PIECE // 3, p=share), *random.choice(pieces, OF_A_PIECE // 3)])
        for _ in range(vocabulary)
    ]
    starts = np.concatenate([[0], np.cumsum(list(map(len, lists)))])
    choices = Choices(starts, np.concatenate(lists), np.arange(COMMON))
    sources = [[*random.choice(pieces, length, p=share).tolist(), 3] for length in random.integers(6, 24, 200)]

    def engines(precision: str, size: int) -> list[Search]:
        fixed = {"n_best": 1, "length_penalty": 0.0, "min_length": RANDOM_LENGTH, "max_length": None}
        plan = Plan(size=size, bos=2, eos=3, banned=(0, 1, 2), **fixed)

        def search(model: DenseModel, some: Sequence[list[int]]) -> int:
            limits = [RANDOM_LENGTH] * len(some)
            return sum(len(found[0].totals) for found in model.search(some, limits, plan, most_pieces=10_240 // size))

        models = [DenseModel(sizes, weights, precision, of) for of in (None, choices)]
        return [lambda some, model=model: search(model, some) for model in models]

    return engines, sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*")
    parser.add_argument("--lines", type=Path)
    parser.add_argument("--tokens", type=int, help="of every translation, EOS included")
    parser.add_argument("--random", nargs=4, type=int, metavar=("DIM", "FEED_FORWARD", "LAYERS", "PIECES"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    names = ["random", "random@shortlist"] if args.random else args.checkpoints
    if len(names) < 2 or not (args.random or args.lines):
        parser.error("needs two checkpoints or more with --lines, or --random")
    ratios = " | ".join(f"{name} / {names[0]}" for name in names[1:])
    print(f"On {processor()}, one thread, median of {args.rounds} turns.\n")
    print(f"| precision, search | {names[0]}, tokens/s | {ratios} | one at a time, tokens/s | {ratios} |")
    print("| --- " * (3 + 2 * (len(names) - 1)) + "|")
    made, given = random_engines(*args.random) if args.random else (None, args.lines.read_text("utf-8").splitlines())
    for precision in PRECISIONS:
        for mode, size in MODES.items():
            if made:
                engines = made(precision, size)
            else:
                length = None if args.tokens is None else args.tokens - 1
                options = Options(
                    device="cpu", precision=precision, beam_size=size, min_length=length, max_length=length
                )
                engines = [of_checkpoint(name, options) for name in names]
            row(f"{precision}, {mode}", engines, given, args.rounds)


if __name__ == "__main__":
    main()
