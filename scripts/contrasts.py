"""Writes contrastive pairs of the bundled corpus: kind of error, source, right translation, wrong one, between tabs.

python scripts/contrasts.py contrasts.tsv       # 100 pairs of each kind; half a minute on a core
python -m mt.score --checkpoint checkpoints/demo --contrast --input contrasts.tsv
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mt.data.contrasts import contrasts
from mt.data.whole_folder import write_whole


def main() -> None:
    """Writes the file, whole or not at all."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("output", type=Path)
    flags.add_argument("--count", type=int, default=100, help="pairs of each kind (default: %(default)s)")
    flags.add_argument("--seed", type=int, default=1, help="another seed, other pairs (default: %(default)s)")
    args = flags.parse_args()
    write_whole(args.output, "".join("\t".join(one) + "\n" for one in contrasts(args.count, seed=args.seed)))


if __name__ == "__main__":
    main()
