"""BLEU and alignment error against the share of heads removed, without healing, for each importance and slot.

    python scripts/pruning_curves.py CHECKPOINT OUTPUT --source valid.en --target valid.de --test test.en test.de

OUTPUT gets curves.csv and curves.svg. Importance is measured on --source and --target, scores on --test.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

from mt.checkpoint.folder import read_card
from mt.checkpoint.steps import find_step
from mt.comparison.plots import svg
from mt.evaluation.model_test import ModelTest, tested
from mt.prune import main as prune

SLOTS = {"all": "--heads", "encoder": "--encoder-heads", "decoder": "--decoder-heads", "cross": "--cross-heads"}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("checkpoint", type=Path)
    flags.add_argument("output", type=Path)
    flags.add_argument("--source", required=True)
    flags.add_argument("--target", required=True)
    flags.add_argument("--test", nargs=2, required=True, metavar="FILE")
    flags.add_argument("--gold", help="gold links of the test")
    flags.add_argument("--by", nargs="+", default=["gradient", "variance", "confidence"])
    flags.add_argument("--slots", nargs="+", default=list(SLOTS), choices=SLOTS)
    flags.add_argument("--shares", nargs="+", type=float, default=[0.1, 0.2, 0.3, 0.4, 0.5])
    args = flags.parse_args()
    language = read_card(find_step(args.checkpoint)).target_language
    test = ModelTest.of(*args.test, target_language=language, gold=args.gold)
    whole = tested(args.checkpoint, test)
    rows = [("-", "-", 0.0, whole.scores.bleu, whole.alignment_error)]
    for by in args.by:
        for slot in args.slots:
            for share in args.shares:
                with TemporaryDirectory() as folder:
                    pruned = Path(folder) / "pruned"
                    corpus = ["--source", args.source, "--target", args.target]
                    how = ["--output", str(pruned), *corpus, SLOTS[slot], str(share), "--by", by]
                    prune(["--checkpoint", str(args.checkpoint), *how])
                    found = tested(pruned, test)
                rows.append((by, slot, share, found.scores.bleu, found.alignment_error))
                print(f"{by:10} {slot:8} {share:.2f} BLEU {found.scores.bleu:.2f}", flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    with open(args.output / "curves.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("by", "slot", "share", "bleu", "aer"), *rows])
    (args.output / "curves.svg").write_bytes(_drawn(rows))


def _drawn(rows: list[tuple[str, str, float, float, float | None]]) -> bytes:
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    whole = rows[0]
    for axes, place, label in zip(panels, (3, 4), ("BLEU", "alignment error, %"), strict=True):
        scale = 100 if place == 4 else 1
        for by, slot in dict.fromkeys((row[0], row[1]) for row in rows[1:]):
            line = [whole, *(row for row in rows if row[:2] == (by, slot))]
            values = [None if row[place] is None else scale * row[place] for row in line]
            axes.plot([row[2] for row in line], values, marker="o", markersize=3, label=f"{slot}, by {by}")
        axes.set(xlabel="share of the heads removed", ylabel=label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=7)
    return svg(figure)


if __name__ == "__main__":
    main()
