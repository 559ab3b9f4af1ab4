"""What the native kernels gain: python scripts/bench/kernels.py --corpora FOLDER [--before CHECKOUT] [--document FILE]

Whole updates (about 4,096 target tokens, Multi30k) and single operations, with the kernels and without
(MT_KERNELS=off), in turns; with --before also those of another checkout of this project. Times are CPU seconds of the
process, which other processes disturb less; a ratio is the median of those of the rounds. With --curves also the losses
of three seeds of `small` in bfloat16, on batches of a quarter of the size, with the kernels and without. The tables are
printed, and written between `<!-- kernels:start -->` and `<!-- kernels:end -->` of the document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import torch
from corpus import data_overrides
from setting import BATCH_TOKENS, DEFAULT_WORK, DROPOUT, HERE, LABEL_SMOOTHING, PROJECT, Work, place
from torch import nn

from mt.device import processor
from mt.kernels.attention import attend, torch_attend
from mt.kernels.compiling import SETTING
from mt.kernels.cross_entropy import cross_entropy_, cross_entropy_of_two_, torch_cross_entropy_
from mt.kernels.cross_entropy import torch_cross_entropy_of_two_ as torch_of_two_
from mt.kernels.dropout import add_dropped, byte_mask
from mt.kernels.gate import gated, torch_gated
from mt.kernels.library import description, library
from mt.kernels.linear import linear, torch_linear
from mt.kernels.norm import norm, torch_norm
from mt.kernels.rotation import rotated, torch_rotated

START, END = "<!-- kernels:start -->", "<!-- kernels:end -->"
CASES = ("small:bfloat16", "small:float32", "base:bfloat16")
SEEDS, LAST = (1, 2, 3), 20  # of --curves: the loss is the mean of the last updates
SENTENCES, LENGTH, DIM, HEADS, WIDTH, VOCABULARY = 230, 17, 256, 4, 1024, 8000  # of a batch of `small`
REPEATS = 5


def update_speed(checkout: Path, kernels: str, case: str, threads: int, updates: int, more: list[str]) -> dict:
    """Of one process that trains a `model:precision` from nothing; `more` settings come last."""
    model, _, precision = case.partition(":")
    settings = [f"model={model}", f"model.layer.dropout={DROPOUT}", f"batches.max_tokens={2 * BATCH_TOKENS}"]
    settings += [f"objective.smoothing={LABEL_SMOOTHING}", f"trainer.precision={precision}"]
    environment = {**os.environ, "PYTHONPATH": str(checkout), SETTING: kernels, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, HERE / "update_speed.py", str(updates), *settings, *more]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def operations(dtype: torch.dtype) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """(the operation, its torch line) by name, each forward and backward."""
    x, y = (torch.randn(SENTENCES, LENGTH, DIM, requires_grad=True) for _ in range(2))
    rounded = torch.randn(SENTENCES, LENGTH, DIM, dtype=dtype, requires_grad=True)
    q, k, v = (
        torch.randn(SENTENCES, LENGTH, HEADS, DIM // HEADS, dtype=dtype).transpose(1, 2).requires_grad_() for _ in "qkv"
    )
    halves = torch.randn(SENTENCES, LENGTH, 2 * WIDTH, dtype=dtype, requires_grad=True)
    heads = torch.randn(SENTENCES, LENGTH, 3 * HEADS, DIM // HEADS, dtype=dtype).transpose(1, 2).requires_grad_()
    angles = torch.rand(LENGTH, DIM // HEADS // 2)
    mask = torch.arange(LENGTH) < torch.randint(LENGTH // 2, LENGTH + 1, (SENTENCES, 1, 1, 1))
    logits, others = torch.randn(2, 512, VOCABULARY).to(dtype)
    targets = torch.randint(0, VOCABULARY, (512,))
    layer, weight, bias = nn.Linear(DIM, WIDTH), torch.ones(DIM, requires_grad=True), torch.zeros(DIM)

    def both(forward: Callable[[], torch.Tensor]) -> Callable[[], object]:
        def run() -> None:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                out = forward()
            out.backward(torch.ones_like(out))

        return run

    def loss(function: Callable) -> Callable[[], object]:
        return lambda: function(logits.clone(), targets, LABEL_SMOOTHING, has_gradient=True)

    def loss_of_two(function: Callable) -> Callable[[], object]:
        settings = (targets, LABEL_SMOOTHING, 1.5)
        return lambda: function(logits.clone(), others.clone(), *settings, has_gradient=True)

    def masked_sum() -> torch.Tensor:
        return x + rounded * byte_mask(rounded.shape, DROPOUT, dtype)

    scale = (DIM // HEADS) ** -0.5
    norms = {
        "layer norm, and rounding for a product": (
            both(partial(norm, y, weight, bias, epsilon=1e-5, rounds=True)),
            both(lambda: torch_norm(y, weight, bias, epsilon=1e-5).to(dtype)),
        ),
    }
    return {
        **(norms if dtype == torch.bfloat16 else {}),  # in float32 there is no kernel
        f"loss of 512 tokens over {VOCABULARY:,} pieces": (loss(cross_entropy_), loss(torch_cross_entropy_)),
        "the same of two passes that are to agree": (loss_of_two(cross_entropy_of_two_), loss_of_two(torch_of_two_)),
        f"{DIM} to {WIDTH} outputs, bias, relu": (
            both(partial(linear, x, [layer], relu=True)),
            both(partial(torch_linear, x, [layer], relu=True)),
        ),
        "residual sum with dropout": (both(partial(add_dropped, x, rounded, DROPOUT)), both(masked_sum)),
        f"attention, {LENGTH} queries and keys": (
            both(partial(attend, q, k, v, mask, scale)),
            both(partial(torch_attend, q, k, v, mask, scale)),
        ),
        f"SwiGLU, {WIDTH} wide": (both(partial(gated, halves)), both(partial(torch_gated, halves))),
        f"rotary positions, {HEADS} heads of queries and keys": (
            both(partial(rotated, heads, angles, 2 * HEADS)),
            both(partial(torch_rotated, heads, angles, 2 * HEADS)),
        ),
    }


def ratio_of(ours: Callable[[], object], plain: Callable[[], object]) -> float:
    """How many times as fast ours is: the median of alternating runs."""

    def seconds(run: Callable[[], object]) -> float:
        start = time.process_time()
        for _ in range(3):
            run()
        return time.process_time() - start

    seconds(ours), seconds(plain)
    return statistics.median(seconds(plain) / seconds(ours) for _ in range(REPEATS))


def operation_rows() -> list[list[str]]:
    """Ratio of each operation in both types."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    columns = [operations(dtype) for dtype in (torch.float32, torch.bfloat16)]
    return [
        [name, *(f"{ratio_of(*column[name]):.2f}" if name in column else "" for column in columns)]
        for name in columns[-1]
    ]


def update_rows(args: argparse.Namespace) -> list[list[str]]:
    """Speeds and ratios of whole updates."""
    variants = {"with kernels": (PROJECT, "auto"), "without": (PROJECT, "off")}
    if args.before:
        variants["before"] = (args.before, "auto")
    data = data_overrides(args.corpora, Work(args.work))
    rows = []
    for case in args.cases:
        for threads in args.threads:
            rounds = [
                {name: update_speed(*where, case, threads, args.updates, data) for name, where in variants.items()}
                for _ in range(args.rounds)
            ]
            rows.append(update_row(case, threads, list(variants), rounds))
            print(rows[-1], file=sys.stderr)
    return rows


def update_row(case: str, threads: int, names: list[str], rounds: list[dict[str, dict]]) -> list[str]:
    """One line of the table: speeds, and how many times as fast the first variant is as the last."""
    key = "tokens_per_cpu_second"
    medians = [f"{statistics.median(one[name][key] for one in rounds):,.0f}" for name in names]
    ratio = statistics.median(one[names[0]][key] / one[names[-1]][key] for one in rounds)
    peaks = [min(one[name]["peak_mib"] for one in rounds) for name in (names[0], names[-1])]
    model, _, precision = case.partition(":")
    memory = f"{peaks[0]:,.0f} ({peaks[0] / peaks[1]:.2f})"
    return [model, precision, str(threads), *medians, f"{ratio:.2f}", memory]


def curve_rows(args: argparse.Namespace) -> list[list[str]]:
    """For each seed, the loss at the end of the updates, with the kernels and without."""
    more = [*data_overrides(args.corpora, Work(args.work)), f"batches.max_tokens={BATCH_TOKENS // 2}"]
    rows = []
    for seed in SEEDS:
        curves = [
            update_speed(PROJECT, kernels, CASES[0], 1, args.curves, [*more, f"trainer.seed={seed}"])["losses"]
            for kernels in ("auto", "off")
        ]
        apart = max(abs(ours - torchs) for ours, torchs in zip(*curves, strict=True))
        rows.append([str(seed), *(f"{statistics.mean(one[-LAST:]):.3f}" for one in curves), f"{apart:.3f}"])
        print(rows[-1], file=sys.stderr)
    return rows


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where the prepared corpus is kept")
    flags.add_argument("--before", type=place, help="another checkout, whose updates are measured too")
    flags.add_argument("--document", type=place, help="a file to write the tables into")
    flags.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default: 1 2)")
    flags.add_argument("--cases", nargs="+", default=CASES, help=f"models and precisions (default: {' '.join(CASES)})")
    flags.add_argument("--curves", type=int, default=0, help="updates of the loss curves (default: none)")
    flags.add_argument("--rounds", type=int, default=3, help="turns of each (default: 3)")
    flags.add_argument("--updates", type=int, default=10, help="measured in each turn (default: 10)")
    args = flags.parse_args()
    if library() is None:
        raise SystemExit(f"nothing to measure: {description()}")

    rows = operation_rows()
    print(table(["operation", "float32", "bfloat16"], rows), file=sys.stderr)
    last = "before" if args.before else "without"
    middle = ["without", "before"] if args.before else ["without"]
    head = ["model", "precision", "threads", "with kernels", *middle, f"with kernels / {last}", f"peak MiB (of {last})"]
    parts = [
        f"Measured on {processor()} ({description()}), {date.today()}; torch {torch.__version__}.",
        "Target tokens a CPU second of whole updates:",
        table(head, update_rows(args)),
        "How many times as fast an operation is as its torch line, forward and backward, one thread:",
        table(["operation", "float32", "bfloat16"], rows),
    ]
    if args.curves:
        head = ["seed", "with kernels", "without", "largest distance of an update"]
        parts += [
            f"Nats a token of `small` in bfloat16, the mean of updates {args.curves - LAST + 1} to {args.curves}, on"
            f" batches of {BATCH_TOKENS // 4:,} target tokens:",
            table(head, curve_rows(args)),
        ]
    text = "\n\n".join(parts)
    print(text)
    if args.document:
        before, _, rest = args.document.read_text("utf-8").partition(START)
        after = rest.partition(END)[2]
        if not after:
            raise SystemExit(f"{args.document} must have a line {START}, and {END} behind it")
        args.document.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
