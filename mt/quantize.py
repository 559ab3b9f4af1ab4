"""Writes a checkpoint with rounded weights: int8, a quarter of the size, or bfloat16, half of it. The one given stays.

int8 rounds each row of every matrix, embeddings included, to 255 steps. `--precision int8` of translate and others
multiplies these integers as they are; other precisions multiply the rounded values. With --source and --target, BLEU
and the alignment error of both checkpoints are printed. Where a model loses by it, train it on with rounded weights:

    python -m mt.quantize --checkpoint checkpoints/a --output checkpoints/a-int8 --source test.en --target test.de
    python -m mt.train start_from=checkpoints/a-int8 objective=rounded name=a-rounded data=text …
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mt.command_line import run
from mt.flags import Flags, add_checkpoint, add_gold, add_tag

if TYPE_CHECKING:
    from mt.evaluation.model_test import ModelTest

log = logging.getLogger("mt.quantize")

PRECISIONS = ("int8", "bfloat16")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(prog="quantize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkpoint(flags)
    flags.add_argument("--output", metavar="FOLDER", type=Path, required=True, help="where the rounded checkpoint goes")
    flags.add_argument("--to", choices=PRECISIONS, default="int8", help="of the matrices (default: %(default)s)")
    flags.add_argument("--source", metavar="FILE", help="sentences to compare both checkpoints on")
    flags.add_argument("--target", metavar="FILE", help="their translations")
    add_gold(flags, prints=" (default: those of the statistical aligner)")
    add_tag(flags)
    for flag in ("--target", "--gold", "--tag"):
        flags.refuse_idle(flag, "without --source", lambda given: not given.source)
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    args = parser().parse_args(argv)
    if args.source and not args.target:
        raise ValueError("--source needs --target, its translations")
    from mt.checkpoint.changed import check_new, has_bfloat16, new_folder, write_changed
    from mt.checkpoint.folder import load_checkpoint
    from mt.checkpoint.steps import WEIGHTS, find_step, newest_run
    from mt.compression.quantization import INT8, int8_weights, is_storage
    from mt.evaluation.model_test import ModelTest

    check_new(args.output)
    folder = find_step(Path(args.checkpoint) if args.checkpoint else newest_run())
    loaded = load_checkpoint(folder)
    if any(map(is_storage, loaded.card.changes)):
        raise ValueError(f"--checkpoint ({folder}) has rounded weights already: take the one that it was made of")
    if has_bfloat16(folder):
        if args.to == "bfloat16":
            raise ValueError(f"--checkpoint ({folder}) has bfloat16 weights already")
        log.warning("%s has bfloat16 weights, which are rounded once more: float32 weights lose less", folder)
    test = None
    if args.source:
        language = loaded.card.target_language
        how = {"gold": args.gold, "gold_base": args.gold_base, "tag": args.tag}
        test = ModelTest.of(args.source, args.target, target_language=language, **how)
    with new_folder(args.output):
        changes = []
        if args.to == "int8":
            int8_weights(loaded.model)  # type: ignore[arg-type]  # a checkpoint holds a Seq2Seq
            changes.append({"_target_": INT8})
        write_changed(args.output, loaded, changes, in_bfloat16=args.to == "bfloat16")
    before, after = ((one / WEIGHTS).stat().st_size for one in (folder, args.output))
    print(f"{before:,} -> {after:,} bytes of weights ({after / before:.1%})")
    if test is not None:
        _compare(folder, args.output, args.to, test)
    return 0


def _compare(folder: Path, output: Path, precision: str, test: ModelTest) -> None:
    from mt.evaluation.model_test import tested

    rows = [("before", folder, "float32"), ("after", output, "float32"), ("after", output, precision)]
    print(f"{'':7} {'products':9} {'BLEU':>6} {'chrF2':>6} {'AER %':>6} same lines")
    first = None
    for name, checkpoint, products in rows:
        found = tested(checkpoint, test, precision=products)
        first = first or found
        error = "-" if found.alignment_error is None else f"{100 * found.alignment_error:.2f}"
        same = sum(one == other for one, other in zip(first.lines, found.lines, strict=True))
        numbers = f"{found.scores.bleu:6.2f} {found.scores.chrf:6.2f} {error:>6}"
        print(f"{name:7} {products:9} {numbers} {same} of {len(found.lines)}", flush=True)
    print(f"BLEU {first.scores.signatures['bleu'] if first else ''}; AER on {test.links.measured_on}")


def cli() -> NoReturn:
    """The console script."""
    run(main)


if __name__ == "__main__":
    cli()
