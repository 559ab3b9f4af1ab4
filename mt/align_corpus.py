"""Aligns the words of a parallel corpus without a model: learns from the pairs themselves, and writes their links.

Words are separated by blanks (U+0020). Each output line has the links of one pair, "0-0 1-2": source-target, from 0.
Pairs with a blank side or a side over 200 words have none. The same files and flags give the same links.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from mt.data.visible import is_visible
from mt.data.whole_folder import whole_file
from mt.flags import SOFT_PRODUCT, Flags, add_corpus, add_gold, add_symmetrize
from mt.number import Number

log = logging.getLogger("mt.align")

SOFT_MEAN = "soft-mean"
WORDS, CHARACTERS, PIECES = UNITS = ("words", "characters", "pieces")
ITERATIONS = {  # flag: what it trains
    "--model1-iterations": "IBM Model 1",
    "--hmm-iterations": "the hidden Markov model",
    "--fertility-iterations": "the model of fertilities",
}


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for errors of the user."""
    flags = parser().parse_args(argv)
    check(flags)

    from mt.alignment.error_rate import ErrorRate
    from mt.alignment.lexicon_priors import LexiconPriors
    from mt.alignment.links import threshold_links, to_pharaoh
    from mt.alignment.statistical_aligner import JUDGED, StatisticalAligner, links_of
    from mt.alignment.symmetrize import SYMMETRIZATIONS, soft_product
    from mt.checkpoint.priors_file import read_priors
    from mt.data.formats.compressed import check_output
    from mt.data.formats.lines import read_lines
    from mt.evaluation.alignment_input import check_count, read, read_gold

    inputs = {f"--{name}": getattr(flags, name) for name in ("source", "target", "gold", "priors")}
    for output in (flags.output, flags.learned_priors):
        check_output(output, inputs)
    sources, targets = read(flags.source), read(flags.target)
    check_count(flags.target, targets, sources, flags.source)
    splits = splitters(flags.units, flags.checkpoint)
    in_units = [sources, targets]
    if flags.gold and flags.units != WORDS:
        in_units = [[" ".join(split(line)) for line in side] for side, split in zip(in_units, splits, strict=True)]
    gold = read_gold(flags.gold, *in_units, base=flags.gold_base, is_beginning=True) if flags.gold else []
    priors = LexiconPriors({})
    for path in flags.priors or ():
        if Path(path).is_dir():
            file, arrays = read_priors(Path(path))
            priors += LexiconPriors.of_arrays(arrays, str(file))
        else:
            priors += LexiconPriors.read(read_lines(path), path)
    sides = (
        (split(line) if is_visible(line) else [] for line in lines)
        for lines, split in zip((sources, targets), splits, strict=True)
    )
    aligner = StatisticalAligner(*sides, priors=priors)
    if aligner.num_left_out:
        log.info("%d of %d pairs have no links: a side is blank or too long", aligner.num_left_out, len(sources))
    if flags.priors:
        known, text = aligner.num_priors, "of the pairs of words in this text are known from --priors"
        log.log(logging.INFO if known else logging.WARNING, "%s %s", f"{known:,}" if known else "none", text)
    if flags.units != WORDS:
        log.info("positions of links count %s, not words", flags.units)
    rate, to_standard = ErrorRate(), flags.output == "-"
    # opened first: a wrong path is reported before learning
    with (
        nullcontext(sys.stdout) if to_standard else whole_file(Path(flags.output)) as output,
        whole_file(Path(flags.learned_priors)) if flags.learned_priors else nullcontext() as learned,
    ):
        aligner.fit(**iterations_of(flags), samples=flags.samples, seed=flags.seed, tell=log.info)
        threshold = aligner.certainty.threshold if flags.threshold is None else flags.threshold
        if flags.symmetrize == SOFT_MEAN:
            found = aligner.links(threshold)
        elif flags.symmetrize == SOFT_PRODUCT:
            found = (threshold_links(soft_product(*both), threshold) for both in aligner.posteriors())
        else:
            found = (SYMMETRIZATIONS[flags.symmetrize](*links_of(both)) for both in aligner.posteriors())
        for number, links in enumerate(found):
            output.write(to_pharaoh(links) + "\n")
            if number < len(gold):
                rate += ErrorRate.of(links, gold[number])
        if learned is not None:
            learned.writelines(aligner.priors().lines())
    expected = aligner.certainty_of(len(gold) or JUDGED, threshold)
    of_gold = " of the lines with gold links" if gold else ""
    log.info("expected error rate (AER)%s: %s; threshold of links: %.2f", of_gold, expected, threshold)
    if aligner.certainty.is_noise:
        log.warning(aligner.certainty.warning)
    if gold:
        print(rate, file=sys.stderr if to_standard else sys.stdout)
    return 0


def splitters(units: str, checkpoint: str | None) -> tuple[Callable[[str], list[str]], Callable[[str], list[str]]]:
    """What splits lines of the source and of the target into units. Raises ValueError for what is no checkpoint."""
    from mt.alignment.word_forms import units_of
    from mt.checkpoint.steps import find_step
    from mt.data.tokenizer import TokenizerPair
    from mt.words import split_words

    if units == PIECES:
        pair = TokenizerPair.load(find_step(Path(checkpoint or "")))
        source, target = ((lambda line, of=of: of.pieces(of.encode(line))) for of in (pair.source, pair.target))
        return source, target
    if units == CHARACTERS:
        split = lambda line: [unit for word in split_words(line) for unit in units_of(word)]  # noqa: E731
        return split, split
    return split_words, split_words


def iterations_of(flags: argparse.Namespace) -> dict[str, int]:
    """How many iterations each model has, by the names of `StatisticalAligner.fit`."""
    names = [flag.removeprefix("--").replace("-", "_") for flag in ITERATIONS]
    return {name: getattr(flags, name) for name in names}


def check(flags: argparse.Namespace) -> None:
    """Raises ValueError for flags that contradict each other."""
    given = tuple(iterations_of(flags).values())
    if sum(given) == 0:
        raise ValueError(f"{', '.join(ITERATIONS)} {given}: one of them must be at least 1")
    if flags.units == PIECES and not flags.checkpoint:
        raise ValueError("--units pieces needs --checkpoint, whose tokenizer splits the lines")
    if flags.learned_priors and flags.learned_priors == flags.output:
        raise ValueError(f"--learned-priors ({flags.learned_priors}) must be another file than --output")


def parser() -> Flags:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog="align corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus(parser)
    parser.add_argument("--output", metavar="FILE", required=True, help="where the links go (- for standard output)")
    add_gold(parser, prints=", of the first lines: prints AER")
    add_symmetrize(parser, default=SOFT_MEAN, more=("forward", "backward", SOFT_MEAN))
    parser.add_argument(
        "--threshold",
        metavar="SHARE",
        type=Number(float, above=0, most=1),
        help="of a link's probability, 0 to 1: less gives more links (default: the one with the least expected AER)",
    )
    parser.add_argument(
        "--units",
        choices=UNITS,
        default=WORDS,
        help="what is aligned, and what positions count; characters: those of scripts without blanks, such as Chinese,"
        " other words stay; pieces: those of --checkpoint (default: %(default)s)",
    )
    parser.add_argument("--checkpoint", metavar="FOLDER", help="whose tokenizer splits lines into pieces")
    parser.add_argument(
        "--priors",
        metavar="FILE",
        action="append",
        help="what is known of the languages: the --learned-priors of another corpus, a checkpoint whose training"
        " learned links, or a dictionary, lines of source word, tab, target word; may be given again",
    )
    parser.add_argument("--learned-priors", metavar="FILE", help="where the links of words that were learned go")
    parser.add_argument(
        "--samples",
        metavar="N",
        type=Number(int, least=1, most=1000),
        help="how many times to learn, with other weights of the pairs (default: by size, 8 for little text)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=Number(int, least=0), default=1, help="of the weights (default: %(default)s)"
    )
    for flag, model in ITERATIONS.items():
        count = Number(int, least=0)
        parser.add_argument(
            flag, metavar="N", type=count, default=5, help=f"passes that train {model} (default: %(default)s)"
        )
    parser.refuse_idle(
        "--threshold",
        f"without --symmetrize {SOFT_MEAN} or {SOFT_PRODUCT}",
        lambda flags: flags.symmetrize not in (SOFT_MEAN, SOFT_PRODUCT),
    )
    parser.refuse_idle("--checkpoint", f"without --units {PIECES}", lambda flags: flags.units != PIECES)
    return parser
