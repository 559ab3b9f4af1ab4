"""Chooses where alignments are read, and writes it into the checkpoint (alignment.json), from where it is always taken.

Tries the weights and what they bring in (norms), every layer, heads alone, in pairs and together, both shifts. Measured
by alignment error rate on --gold links; else, with --reverse, by the agreement of two models, of which each gets its
choice; else by links of the statistical aligner, which learns from --source and --target (give it thousands of pairs).
"""

from __future__ import annotations

import argparse
import logging
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mt.command_line import Flags, add_tag
from mt.data.visible import is_visible
from mt.number import Number

if TYPE_CHECKING:
    from mt.alignment.choice import Choice
    from mt.inference.aligner import Aligner

log = logging.getLogger("mt.align")


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for what a user can mend."""
    flags = parser().parse_args(argv)
    for name in ("limit", "show"):
        if getattr(flags, name) < 1:
            raise ValueError(f"--{name} ({getattr(flags, name)}) must be at least 1")
    if flags.gold and flags.reverse:
        raise ValueError("--gold and --reverse: give one of them, not both")

    from mt.checkpoint.folder import newest_run
    from mt.evaluation.alignment_input import check_count, load_reverse, read, read_gold, read_trees

    sources, targets = read(flags.source), read(flags.target)
    check_count(flags.target, targets, sources, flags.source)
    gold = read_gold(flags.gold, sources, targets, base=flags.gold_base) if flags.gold else None
    filled = [n for n, pair in enumerate(zip(sources, targets, strict=True)) if all(map(is_visible, pair))]
    if not filled:
        raise ValueError(f"{flags.source} and {flags.target} have no pair of lines to choose by")

    from mt.inference.aligner import Aligner

    checkpoint = flags.checkpoint or newest_run()
    aligner = Aligner.load(checkpoint, device=flags.device)
    aligner.translator.tags.check(flags.tag)
    aligner.translator.tags.check_lines(((n + 1, sources[n]) for n in filled), flags.tag)
    trees = None
    if flags.trees:
        trees = read_trees(flags.trees, sources, flags.source, translator=aligner.translator, checkpoint=checkpoint)
    chosen: list[int] = []
    for n in filled:
        if len(chosen) == flags.limit:
            break
        if why := aligner.misfit(sources[n], targets[n], tag=flags.tag):
            log.warning("line %d: %s", n + 1, why.removesuffix(" (--max-pieces)"))
        else:
            chosen.append(n)
    if not chosen:
        raise ValueError(f"{flags.source} and {flags.target} have no pair of lines that is short enough to choose by")
    corpus = [(sources[n], targets[n]) for n in sorted({*filled} - {*chosen})]
    filled = chosen
    sources, targets = [sources[n] for n in filled], [targets[n] for n in filled]
    gold, trees = (of if of is None else [of[n] for n in filled] for of in (gold, trees))
    if flags.reverse:
        from mt.evaluation.alignment_reference import ranked_both

        reverse = load_reverse(flags.reverse, aligner, flags.device)
        reverse.translator.tags.check(flags.reverse_tag)
        reverse.translator.tags.check_lines(zip((n + 1 for n in filled), targets, strict=True), flags.reverse_tag)
        tags = {"tag": flags.tag, "reverse_tag": flags.reverse_tag}
        pairs = list(islice(ranked_both(aligner, reverse, sources, targets, trees, **tags), flags.show))
        for first, second in pairs:
            print(f"{100 * (first.error_rate or 0):6.2f} % unlike  {first.describe()}  |  {second.describe()}")
        for each, choice in zip((aligner, reverse), pairs[0], strict=True):
            keep(each, choice, flags)
        return 0

    from mt.evaluation.alignment_reference import Reference, ranked

    choices = ranked(aligner, Reference.of(sources, targets, gold, corpus=corpus, trees=trees), tag=flags.tag)
    for choice in choices[: flags.show]:
        print(f"{100 * (choice.error_rate or 0):6.2f} % error  {choice.describe()}")
    keep(aligner, choices[0], flags)
    return 0


def keep(aligner: Aligner, choice: Choice, flags: argparse.Namespace) -> None:
    """Writes the choice into the checkpoint, unless only a look was asked for."""
    from mt.alignment.choice import FILE_NAME
    from mt.checkpoint.manifest import add_file

    if flags.dry_run:
        return
    assert aligner.folder is not None
    add_file(aligner.folder, FILE_NAME, choice.to_json())
    log.info("%s: %s, measured on %s", Path(aligner.folder) / FILE_NAME, choice.describe(), choice.measured_on)


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog="align choose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", metavar="FILE", required=True, help="sentences, a line each (plain or .gz)")
    parser.add_argument("--target", metavar="FILE", required=True, help="their translations")
    parser.add_argument("--checkpoint", metavar="FOLDER", help="a run or a step (default: the newest finished run)")
    parser.add_argument("--gold", metavar="FILE", help="links that people drew: Pharaoh, NAACL, or a Blinker folder")
    parser.add_argument(
        "--gold-base", type=Number(int), choices=(0, 1), default=0, help="of Pharaoh positions (default: 0)"
    )
    parser.add_argument(
        "--trees",
        metavar="FILE",
        help="their trees, for a model with structured attention: see translate --help",
    )
    add_tag(parser)
    parser.add_argument("--reverse", metavar="FOLDER", help="a checkpoint of the other direction, to agree with")
    add_tag(parser, "--reverse-tag", "each target line, which --reverse reads")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=Number(int, least=1),
        default=500,
        help="lines to choose by: the first (default: %(default)s)",
    )
    parser.add_argument(
        "--show", metavar="N", type=Number(int, least=1), default=10, help="of the best choices (default: %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show, but leave the checkpoint as it is")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.refuse_idle("--gold-base", "without --gold", lambda flags: not flags.gold)
    parser.refuse_idle("--reverse-tag", "without --reverse", lambda flags: not flags.reverse)
    return parser
