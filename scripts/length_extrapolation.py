"""Do positions hold beyond the lengths of the training? Copying, trained on short lines, tried on longer ones.

A small model learns to copy lines of 2 to 12 random words of a vocabulary of 60, in which words come again, so that it
must know where it is. Then it copies lines of up to three times the longest, greedily; shown is the share of words (and
of ends) that stand where they should. Randomized positions are drawn from the first 36.

    python scripts/length_extrapolation.py sinusoidal rotary randomized     # half a minute each on a core
"""

from __future__ import annotations

import argparse

import torch
from copying import model_of, share_right, trained

from mt.model.layer import POSITIONS

LONGEST = 12
LENGTHS = (6, 12, 15, 18, 24, 36)


def main() -> None:
    """Prints a line for each kind of positions."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("positions", nargs="+", choices=POSITIONS)
    flags.add_argument("--steps", type=int, default=500, help="updates (default: %(default)s)")
    flags.add_argument("--seed", type=int, default=0)
    args = flags.parse_args()
    torch.set_num_threads(1)
    print("words where they should be, %, by length".ljust(44), *(f"{length:5}" for length in LENGTHS))
    for positions in args.positions:
        torch.manual_seed(args.seed)
        model = trained(model_of(3 * LONGEST, positions=positions), args.steps, (2, LONGEST))
        shares = (100 * share_right(model, length) for length in LENGTHS)
        print(positions.ljust(44), *(f"{share:5.1f}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
