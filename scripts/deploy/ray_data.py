"""Translates a file of lines with Ray Data: an actor a core, on this machine or on a Ray cluster.

    python scripts/deploy/ray_data.py --checkpoint checkpoints/demo --input lines.txt --output translated.txt --actors 2

`python -m mt.translate` does the same on one machine, and with torchrun or SLURM on several, with less around it; Ray
Data is for data sets that are in its formats already, such as folders of Parquet files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ray

from mt.serving.bulk import TranslateBatch


def main() -> None:
    """Reads, translates, writes: a line out for each line in."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", type=Path, required=True)
    flags.add_argument("--input", type=Path, required=True)
    flags.add_argument("--output", type=Path, required=True)
    flags.add_argument("--actors", type=int, default=1)
    flags.add_argument("--batch-size", type=int, default=256, help="lines (default: %(default)s)")
    args = flags.parse_args()
    lines = args.input.read_text("utf-8").removesuffix("\n").split("\n")
    rows = ray.data.from_items([{"number": number, "text": line} for number, line in enumerate(lines)])
    translated = rows.map_batches(
        TranslateBatch,
        fn_constructor_args=[str(args.checkpoint.resolve())],
        fn_constructor_kwargs={"device": "cpu"},
        batch_size=args.batch_size,
        num_cpus=1,
        concurrency=args.actors,
    )
    found = sorted(translated.take_all(), key=lambda row: row["number"])
    args.output.write_text("".join(f"{row['translation']}\n" for row in found), "utf-8")


if __name__ == "__main__":
    main()
