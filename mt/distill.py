"""Distils a model, or several, into a training corpus for a smaller one (Kim and Rush 2016).

`data` translates the sources of a corpus with one or several teachers. The output has a JSON object a line, with both
sentences under the names of their languages and the score of the translation; `data=distilled` trains on it, beside the
real pairs or alone. With the model itself as the teacher this is self-training. An interrupted output is resumed by the
same command.

    python -m mt.distill data --teacher checkpoints/a checkpoints/b --source train.en --output my/corpus/distilled.jsonl
    python -m mt.train data=distilled data.folder=my/corpus data.source_language=en data.target_language=de

The other two kinds of distillation are objectives: objective=distillation, objective=attention_distillation.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NoReturn

from mt.command_line import leaving_at_once, run
from mt.flags import Flags, add_translation_of_corpora, check_sampling

log = logging.getLogger("mt.distill")

CHOICES = ("best", "nearest")
MANY = 8  # candidates of a line, where the nearest to the reference is taken


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(prog="distill", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("what", choices=("data",), help="data: the teachers' translations of a corpus")
    flags.add_argument(
        "--teacher",
        nargs="+",
        metavar="FOLDER",
        required=True,
        help="a run or step folder; several: their mean probabilities, with the search of the first",
    )
    flags.add_argument(
        "--source",
        metavar="FILE",
        type=Path,
        required=True,
        help="sentences, one a line (plain or compressed): those of the training text, or monolingual ones",
    )
    flags.add_argument(
        "--reference", metavar="FILE", type=Path, help="their translations by people, which --choose nearest needs"
    )
    flags.add_argument("--output", metavar="FILE", type=Path, required=True, help="the pairs, as JSON Lines")
    flags.add_argument(
        "--choose",
        choices=CHOICES,
        default="best",
        help="best: what the search finds; nearest: of --n-best translations the one with the highest chrF2 to the"
        " reference (default: %(default)s)",
    )
    add_translation_of_corpora(flags, several=True)
    flags.set_defaults(n_best=None)
    for flag in ("--reference", "--n-best"):
        flags.refuse_idle(flag, "without --choose nearest", lambda given: given.choose != "nearest")
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    args = parser().parse_args(argv)
    check_sampling(args)
    if args.choose == "nearest" and args.reference is None:
        raise ValueError("--choose nearest needs --reference, to which a translation can be near")
    from mt.data.formats.compressed import check_output, find_file
    from mt.inference.corpus import PairMaker, best, translate_corpus
    from mt.inference.job import Job, described_languages
    from mt.inference.nearest import nearest
    from mt.inference.options import Options

    lines = find_file(args.source)
    references = find_file(args.reference) if args.reference else None
    for file in filter(None, (lines, references)):  # a wrong path should not wait for the model
        open(file, "rb").close()
    check_output(args.output, {"--source": lines, "--reference": references})
    is_nearest = args.choose == "nearest"
    args.n_best = (args.n_best or MANY) if is_nearest else 1
    job = Job([Path(folder) for folder in args.teacher], Options.of(vars(args)))
    maker = PairMaker(job, *described_languages(job), choice=nearest if is_nearest else best)
    made = translate_corpus(
        maker, lines, args.output, references=references, num_workers=args.workers, more=[args.choose]
    )
    log.info("%s: %s", args.output, made)
    return 0


def cli() -> NoReturn:
    """The console script."""
    with leaving_at_once():
        run(main)


if __name__ == "__main__":
    cli()
