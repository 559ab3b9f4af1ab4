"""Chooses where alignments are read and writes the choice into the checkpoint (alignment.json), where others read it.

Tries both signals (weights and norms), every layer, heads alone, in pairs and together, and both shifts. The measure is
the alignment error rate on --gold links; else, with --reverse, the agreement of two models, each of which gets its
choice; else links of the statistical aligner, which learns from --source and --target (give it thousands of pairs).
"""

from __future__ import annotations

import argparse
import logging
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mt.data.visible import is_visible
from mt.flags import Flags, add_checkpoint, add_corpus, add_device, add_gold, add_reverse, add_tag, add_trees
from mt.number import Number

if TYPE_CHECKING:
    from mt.alignment.choice import Choice
    from mt.inference.aligner import Aligner

log = logging.getLogger("mt.align")


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for errors of the user."""
    flags = parser().parse_args(argv)
    if flags.gold and flags.reverse:
        raise ValueError("--gold and --reverse: give one of them, not both")

    from mt.checkpoint.folder import newest_run
    from mt.evaluation.alignment_input import check_count, load_reverse, read, read_gold, read_trees

    sources, targets = read(flags.source), read(flags.target)
    check_count(flags.target, targets, sources, flags.source)
    gold = read_gold(flags.gold, sources, targets, base=flags.gold_base) if flags.gold else None
    filled = [n for n, pair in enumerate(zip(sources, targets, strict=True)) if all(map(is_visible, pair))]
    if not filled:
        raise ValueError(f"{flags.source} and {flags.target} have no pair of lines to measure on")

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
        raise ValueError(f"{flags.source} and {flags.target} have no pair of lines that is short enough to measure on")
    corpus = [(sources[n], targets[n]) for n in sorted({*filled} - {*chosen})]
    filled = chosen
    sources, targets = [sources[n] for n in filled], [targets[n] for n in filled]
    gold = None if gold is None else [gold[n] for n in filled]
    trees = None if trees is None else [trees[n] for n in filled]
    if flags.reverse:
        from mt.evaluation.alignment_reference import ranked_both

        reverse = load_reverse(flags.reverse, aligner, flags.device)
        reverse.translator.tags.check(flags.reverse_tag)
        reverse.translator.tags.check_lines(zip((n + 1 for n in filled), targets, strict=True), flags.reverse_tag)
        ranked_pairs = ranked_both(
            aligner, reverse, sources, targets, trees, tag=flags.tag, reverse_tag=flags.reverse_tag
        )
        pairs = list(islice(ranked_pairs, flags.show))
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
    """Writes the choice into the checkpoint, unless --dry-run is given."""
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
    add_corpus(parser)
    add_checkpoint(parser)
    add_gold(parser)
    add_trees(parser)
    add_tag(parser)
    add_reverse(parser, use="to agree with")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=Number(int, least=1),
        default=500,
        help="measure on so many lines, the first (default: %(default)s)",
    )
    parser.add_argument(
        "--show", metavar="N", type=Number(int, least=1), default=10, help="so many best choices (default: %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print, but do not change the checkpoint")
    add_device(parser)
    return parser
