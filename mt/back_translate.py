"""Translates monolingual text back into the source language: training pairs whose target people wrote.

The checkpoint is one of the reverse direction. The output has a JSON object a line, with both sentences under the names
of their languages and the score of the translation (mean log-probability of a piece). Sampling gives the most varied
sources (Edunov et al. 2018), beam search the most likely ones. An interrupted output is resumed by the same command.

    python -m mt.back_translate --checkpoint checkpoints/de-en --input mono.de --output my/corpus/made.jsonl --sample
    python -m mt.train data=back_translated data.folder=my/corpus data.source_language=en data.target_language=de
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NoReturn

from mt.command_line import leaving_at_once, run
from mt.flags import Flags, add_translation_of_corpora, check_sampling

log = logging.getLogger("mt.back_translate")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(prog="back_translate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument(
        "--checkpoint",
        nargs="+",
        metavar="FOLDER",
        required=True,
        help="a run or step folder of the reverse direction; several: their mean probabilities",
    )
    flags.add_argument(
        "--input", metavar="FILE", type=Path, required=True, help="sentences, one a line (plain or compressed)"
    )
    flags.add_argument("--output", metavar="FILE", type=Path, required=True, help="the pairs, as JSON Lines")
    add_translation_of_corpora(flags, several=False)
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    args = parser().parse_args(argv)
    check_sampling(args)
    from mt.data.formats.compressed import check_output, find_file
    from mt.inference.corpus import PairMaker, translate_corpus
    from mt.inference.job import Job, described_languages
    from mt.inference.options import Options

    lines, checkpoints = find_file(args.input), [Path(folder) for folder in args.checkpoint]
    open(lines, "rb").close()  # a wrong path should not wait for the model
    check_output(args.output, {"--input": lines})
    job = Job(checkpoints, Options.of(vars(args)))
    maker = PairMaker(job, *described_languages(job))
    made = translate_corpus(maker, lines, args.output, num_workers=args.workers)
    log.info("%s: %s", args.output, made)
    return 0


def cli() -> NoReturn:
    """The console script."""
    with leaving_at_once():
        run(main)


if __name__ == "__main__":
    cli()
