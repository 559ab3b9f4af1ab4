"""Writes into a checkpoint which target pieces each source piece may become: `translate --shortlist` then is faster.

Learns from a parallel corpus, best the training text: the statistical aligner links its pieces. `evaluate --shortlist`
measures its cost in BLEU; more --best and --frequent cost less and are slower.
"""

from __future__ import annotations

import argparse
import logging
from typing import NoReturn

from mt.command_line import run
from mt.data.visible import is_visible
from mt.flags import Flags, add_checkpoint, add_corpus
from mt.number import Number

log = logging.getLogger("mt.shortlist")

LONGEST = 200  # pieces of a side


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(prog="shortlist", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus(flags)
    add_checkpoint(flags)
    flags.add_argument(
        "--best",
        metavar="N",
        type=Number(int, least=1),
        default=50,
        help="target pieces of a source piece (default: %(default)s)",
    )
    flags.add_argument(
        "--frequent",
        metavar="N",
        type=Number(int, least=1),
        default=200,
        help="target pieces of every source (default: %(default)s)",
    )
    flags.add_argument(
        "--limit",
        metavar="N",
        type=Number(int, least=1),
        default=200_000,
        help="lines to learn from: the first (default: %(default)s)",
    )
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    from itertools import islice

    from safetensors.numpy import save

    from mt.checkpoint.folder import load_checkpoint
    from mt.checkpoint.manifest import add_file
    from mt.checkpoint.steps import newest_run
    from mt.data.formats.lines import read_lines
    from mt.inference.shortlist import FILE_NAME, MOST_BEST
    from mt.inference.shortlist_learning import learned

    if flags.best > MOST_BEST:
        raise ValueError(f"--best ({flags.best}) must be at most {MOST_BEST}")

    loaded = load_checkpoint(flags.checkpoint or newest_run())
    tokenizers = loaded.tokenizers
    sources, targets = (list(islice(read_lines(path), flags.limit)) for path in (flags.source, flags.target))
    if len(sources) != len(targets):
        raise ValueError(
            f"{flags.source} and {flags.target} must have equally many lines: {len(sources)}, {len(targets)}"
        )
    visible = [pair for pair in zip(sources, targets, strict=True) if all(map(is_visible, pair))]
    sources, targets = [source for source, _ in visible], [target for _, target in visible]
    pairs = zip(tokenizers.source.encode_many(sources), tokenizers.target.encode_many(targets), strict=True)
    fitting = [(source, target) for source, target in pairs if all(0 < len(ids) <= LONGEST for ids in (source, target))]
    if not fitting:
        raise ValueError(f"{flags.source} and {flags.target} have no pair of 1 to {LONGEST} pieces to learn from")
    shortlist = learned(
        [source for source, _ in fitting],
        [target for _, target in fitting],
        source_size=tokenizers.source.size,
        target_size=tokenizers.target.size,
        best=flags.best,
        frequent=flags.frequent,
    )
    add_file(loaded.folder, FILE_NAME, save(shortlist.arrays()))
    each = len(shortlist.pieces) / max(1, (shortlist.starts[1:] > shortlist.starts[:-1]).sum())
    log.info("%s: %.1f target pieces for a source piece, of %d pairs", loaded.folder / FILE_NAME, each, len(fitting))
    return 0


def cli() -> NoReturn:
    """The console script."""
    run(main)


if __name__ == "__main__":
    cli()
