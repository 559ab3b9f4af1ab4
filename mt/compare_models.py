"""What each of several models costs and gives: a map of size, speed, memory, BLEU and alignment error.

Models are checkpoints; FOLDER@int8, FOLDER@bfloat16 and FOLDER@int8+shortlist say how one translates, and
FOLDER@ctranslate2 is an export. Each has a turn in every round, in a process of its own with one thread; times are CPU
seconds, so that other work on the machine changes them little. The first model is what the others are compared with.
--output gets models.md, models.csv and models.html, where the front is drawn: what no other point beats.

    python -m mt.compare_models checkpoints/a checkpoints/b@int8 --source test.en --target test.de --output outputs/map
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NoReturn

from mt.command_line import run
from mt.flags import Flags, add_corpus, add_gold, add_tag
from mt.number import Number

log = logging.getLogger("mt.compare_models")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(prog="compare_models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("models", nargs="+", metavar="MODEL", help="a checkpoint, FOLDER@int8, FOLDER@ctranslate2 …")
    add_corpus(flags)
    add_gold(flags, prints=" (default: those of the statistical aligner)")
    add_tag(flags)
    flags.add_argument("--output", metavar="FOLDER", type=Path, required=True, help="where the report goes")
    count = Number(int, least=1)
    flags.add_argument("--rounds", metavar="N", type=count, default=3, help="turns of each (default: %(default)s)")
    flags.add_argument("--lines", metavar="N", type=count, default=200, help="that are timed (default: %(default)s)")
    flags.add_argument("--one-lines", metavar="N", type=count, default=30, help="one at a time (default: %(default)s)")
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    args = parser().parse_args(argv)
    from mt.checkpoint.folder import read_card
    from mt.comparison.model_report import as_csv, markdown, page
    from mt.comparison.models import Entry, measure
    from mt.data.whole_folder import write_whole
    from mt.device import processor
    from mt.evaluation.model_test import ModelTest

    entries = [Entry.of(text) for text in args.models]
    if len({entry.name for entry in entries}) < len(entries):
        raise ValueError("a model is given twice")
    if entries[0].engine:
        raise ValueError(f"the first model ({entries[0].name}) must be a checkpoint, with which exports are compared")
    how = {"gold": args.gold, "gold_base": args.gold_base, "tag": args.tag}
    language = read_card(entries[0].folder).target_language
    test = ModelTest.of(args.source, args.target, target_language=language, **how)
    args.output.mkdir(parents=True, exist_ok=True)
    found = measure(entries, test, rounds=args.rounds, lines=args.lines, one_lines=args.one_lines)
    timed, alone = (min(most, len(test.sources)) for most in (args.lines, args.one_lines))
    about = (
        f"{len(test.sources)} lines of {Path(args.source).name}; speeds on the first {timed}, one at a time on"
        f" {alone}; medians of {args.rounds} turns, CPU seconds of one thread, {processor()}. p: paired"
        f" bootstrap against {entries[0].name}. AER on {test.links.measured_on}, read where it is least."
    )
    report = markdown(found, about)
    write_whole(args.output / "models.md", report)
    write_whole(args.output / "models.csv", as_csv(found))
    write_whole(args.output / "models.html", page(found, about))
    print(report)
    log.info("%s: models.md, models.csv, models.html", args.output)
    return 0


def cli() -> NoReturn:
    """The console script."""
    run(main)


if __name__ == "__main__":
    cli()
