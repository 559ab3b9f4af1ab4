"""Aligns the words of a parallel corpus without a model: learns from the pairs themselves, and writes their links.

IBM Model 1 and an HMM, both directions trained to agree. Words are separated by blanks (U+0020). Each output line has
the links of one pair, "0-0 1-2": source-target, from 0. Pairs with a blank side or a side over 200 words have none.
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import nullcontext
from pathlib import Path

from mt.data.visible import is_visible
from mt.data.whole_folder import whole_file
from mt.flags import SYMMETRIZATIONS, Flags, add_corpus, add_gold, add_symmetrize
from mt.number import Number

log = logging.getLogger("mt.align")

SOFT_PRODUCT = SYMMETRIZATIONS[-1]


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    check(flags)

    from mt.alignment.error_rate import ErrorRate
    from mt.alignment.links import to_pharaoh
    from mt.alignment.statistical_aligner import THRESHOLD, StatisticalAligner, links_of, soft_links
    from mt.alignment.symmetrize import SYMMETRIZATIONS
    from mt.evaluation.alignment_input import check_count, read, read_gold
    from mt.words import split_words

    sources, targets = read(flags.source), read(flags.target)
    check_count(flags.target, targets, sources, flags.source)
    gold = read_gold(flags.gold, sources, targets, base=flags.gold_base, is_beginning=True) if flags.gold else []
    sides = ([split_words(line) if is_visible(line) else [] for line in lines] for lines in (sources, targets))
    aligner = StatisticalAligner(*sides)
    if aligner.num_left_out:
        log.info("%d of %d pairs have no links: a side is blank or too long", aligner.num_left_out, len(sources))
    rate, threshold = ErrorRate(), THRESHOLD if flags.threshold is None else flags.threshold
    to_standard = flags.output == "-"
    # opened first: a wrong path is reported before learning
    with nullcontext(sys.stdout) if to_standard else whole_file(Path(flags.output)) as output:
        aligner.fit(model1_iterations=flags.model1_iterations, hmm_iterations=flags.hmm_iterations, tell=log.info)
        for number, posteriors in enumerate(aligner.posteriors()):
            if flags.symmetrize == SOFT_PRODUCT:
                links = soft_links(posteriors, threshold)
            else:
                links = SYMMETRIZATIONS[flags.symmetrize](*links_of(posteriors))
            output.write(to_pharaoh(links) + "\n")
            if number < len(gold):
                rate += ErrorRate.of(links, gold[number])
    if gold:
        print(rate, file=sys.stderr if to_standard else sys.stdout)
    return 0


def check(flags: argparse.Namespace) -> None:
    """Raises ValueError for flags that contradict each other."""
    iterations = flags.model1_iterations, flags.hmm_iterations
    if sum(iterations) == 0:
        raise ValueError(f"--model1-iterations and --hmm-iterations {iterations}: one of them must be at least 1")


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog="align corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus(parser)
    parser.add_argument("--output", metavar="FILE", required=True, help="where the links go (- for standard output)")
    add_gold(parser, prints=", of the first lines: prints AER")
    add_symmetrize(parser, default=SOFT_PRODUCT, more=("forward", "backward"))
    parser.add_argument(
        "--threshold",
        metavar="SHARE",
        type=Number(float, above=0, most=1),
        help="of the soft product, 0 to 1: less gives more links (default: 0.4)",
    )
    parser.add_argument(
        "--model1-iterations", metavar="N", type=Number(int, least=0), default=5, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--hmm-iterations", metavar="N", type=Number(int, least=0), default=5, help="(default: %(default)s)"
    )
    parser.refuse_idle(
        "--threshold", f"without --symmetrize {SOFT_PRODUCT}", lambda flags: flags.symmetrize != SOFT_PRODUCT
    )
    return parser
