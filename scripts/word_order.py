"""Does attention round a fixed diagonal hold where the order of words differs? Copying, and writing lines backwards.

A small model learns to write lines of 12 to 24 random words again, in their order or from the last to the first.
Its encoder sees 2 neighbours at most (window attention), so that words stay where they are and the order is
cross-attention's to change: dense, round the diagonal (local-m), or round a place that the query predicts (local-p;
Luong et al. 2015), both within `--reach`. Shown is the share of words (and of ends) of greedy outputs of 16 words that
are right.

    python scripts/word_order.py dense diagonal local     # a minute each on a core
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from copying import model_of, same, share_right, trained

from mt.attention import Dense, Diagonal, Local, Window

LENGTHS, TRIED = (12, 24), 16
ORDERS = {"same order": same, "backwards": partial(torch.flip, dims=(1,))}


def main() -> None:
    """Prints a line for each kind of cross-attention."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("attention", nargs="+", choices=("dense", "diagonal", "local"))
    flags.add_argument("--reach", type=float, default=2.0, help="source words (default: %(default)s)")
    flags.add_argument("--steps", type=int, default=400, help="updates (default: %(default)s)")
    flags.add_argument("--seed", type=int, default=0)
    args = flags.parse_args()
    torch.set_num_threads(1)
    factories = {
        "dense": Dense,
        "diagonal": partial(Diagonal, reach=args.reach),
        "local": partial(Local, reach=args.reach),
    }
    print("words that are right, %".ljust(24), *(order.rjust(12) for order in ORDERS))
    for name in args.attention:
        shares = []
        for order in ORDERS.values():
            torch.manual_seed(args.seed)
            model = model_of(
                LENGTHS[1] + 1, encoder_attention=partial(Window, reach=2), cross_attention=factories[name]
            )
            shares.append(100 * share_right(trained(model, args.steps, LENGTHS, order), TRIED, order))
        print(name.ljust(24), *(f"{share:12.1f}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
