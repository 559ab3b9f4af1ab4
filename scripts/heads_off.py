"""What a head that is switched off saves: a step of cross-attention with dynamic heads against dense attention.

One layer of 8 heads of 64, hypotheses of a beam as queries, each sentence's router told to leave out as many heads as
shown. Both kinds in turn, float32; printed are the medians of dense attention and shares of them.

    python scripts/heads_off.py     # half a minute on a core
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from mt.attention import Dense, DynamicHeads
from mt.attention.contract import read_side_by_side

HEADS, HEAD_SIZE, BEAM = 8, 64, 5
SENTENCES = {32: 16, 128: 16, 512: 16, 2048: 4, 8192: 1}  # source positions: sentences at once
OFF = (0, 2, 4, 6)


def main() -> None:
    """Prints a line for each length of the source."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=50, help="of which the median is taken (default: %(default)s)")
    args = flags.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("source positions".ljust(18), "dense, us".rjust(10), *(f"{off} of {HEADS} off".rjust(12) for off in OFF))
    for length, sentences in SENTENCES.items():
        q_RHTK = torch.randn(sentences * BEAM, HEADS, 1, HEAD_SIZE)
        k_NHSK, v_NHSK = torch.randn(2, sentences, HEADS, length, HEAD_SIZE)
        with torch.no_grad():
            steps = [reading(Dense(HEADS, HEAD_SIZE), q_RHTK, k_NHSK, v_NHSK)]
            steps += [reading(without(off), q_RHTK, k_NHSK, v_NHSK) for off in OFF]
            seconds: list[list[float]] = [[] for _ in steps]
            for _ in range(args.rounds):
                for step, taken in zip(steps, seconds, strict=True):
                    start = time.perf_counter()
                    step()
                    taken.append(time.perf_counter() - start)
        dense, *shares = map(statistics.median, seconds)
        print(f"{length:<18} {dense * 1e6:10.0f}", *(f"{share / dense:12.2f}" for share in shares))


def reading(mixer: Dense | DynamicHeads, q_RHTK: Tensor, k_NHSK: Tensor, v_NHSK: Tensor) -> Callable[[], Tensor]:
    """One more step of decoding: the summary is made before."""
    summary = mixer.summarize(k_NHSK, v_NHSK, None)
    return lambda: read_side_by_side(mixer, q_RHTK, summary)


def without(num_off: int) -> DynamicHeads:
    """Dynamic heads whose router leaves out the first so many, whatever the sentence."""
    mixer = DynamicHeads(HEADS, HEAD_SIZE)
    mixer.router.weight_HK.zero_()
    mixer.router.bias_H[:num_off] = -1.0
    return mixer


if __name__ == "__main__":
    main()
