"""Finds how `translate --rerank` ranks translations and writes it into the checkpoint (reranking.json).

Makes several translations of each line of --source by beam search, and scores each by the model, by the model of the
other direction (--reverse), and by its length. The weights are those with the highest BLEU on --target. Give it a
validation set: on the text that weights were chosen on, BLEU says too much.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NoReturn

from mt.command_line import command_name, run
from mt.flags import (
    Flags,
    add_batch_tokens,
    add_checkpoint,
    add_corpus,
    add_device,
    add_precision,
    add_reverse,
    add_tag,
)
from mt.number import Number

log = logging.getLogger("mt.rerank")


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    if not flags.reverse:
        raise ValueError("--reverse FOLDER is needed: the model of the other direction")
    from tqdm import tqdm

    from mt.checkpoint.manifest import add_file
    from mt.checkpoint.steps import find_step, newest_run
    from mt.data.visible import is_visible
    from mt.evaluation.alignment_input import check_count, read
    from mt.evaluation.reranking_weights import tune
    from mt.evaluation.tokenization import ScoreSettings
    from mt.inference.request import requests
    from mt.inference.reranker import Reranker
    from mt.inference.reranking import FILE_NAME, Reranking, digest
    from mt.inference.tags import bare, numbered
    from mt.inference.translator import Translator
    from mt.search.beam import adjusted

    checkpoint = Path(flags.checkpoint or newest_run())
    sources, targets = read(flags.source), read(flags.target)
    check_count(flags.target, targets, sources, flags.source)
    pairs = [pair for pair in zip(sources, targets, strict=True) if all(map(is_visible, pair))]
    if not pairs:
        raise ValueError(f"{flags.source} and {flags.target} have no pair of lines to tune on")
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    how = {"device": flags.device, "precision": flags.precision}
    reranker = Reranker.load(flags.reverse, checkpoint, tag=flags.reverse_tag, **how)
    translator = Translator.load(checkpoint, **how)
    translator.tags.check(flags.tag)
    translator.tags.check_lines(numbered(sources), flags.tag)
    size = max(flags.candidates, getattr(translator.search, "size", 1))
    search = adjusted(translator.search, beam_size=size, n_best=flags.candidates)
    found = translator.translate(requests(sources, tag=flags.tag), search=search, batch_tokens=flags.batch_tokens)
    translations = list(tqdm(found, total=len(sources), unit="line", disable=None))
    lines = [bare(source, translator.tags.known) for source in sources]
    features = reranker.features(translations, lines, batch_tokens=flags.batch_tokens)
    texts = [[candidate.text for candidate in one.candidates] for one in translations]
    tokenization = ScoreSettings().fitting(translator.language).tokenization
    tuned = tune(texts, features, targets, tokenization)
    compared = sum(one is not None for one in features)
    print(f"{compared} of {len(sources)} lines have several translations to rank, {flags.candidates} at most")
    print(f"BLEU as the search ranks them        {tuned.before:6.2f}")
    print(f"by the model and length alone        {tuned.with_length:6.2f}")
    print(f"with the reverse model               {tuned.bleu:6.2f}")
    print(f"the best of them for each line       {tuned.oracle:6.2f}")
    print(f"weights: reverse model {tuned.reverse:g}, each target piece {tuned.length:g}")
    if tuned.bleu <= max(tuned.before, tuned.with_length):
        log.warning("the reverse model gains nothing here")
    if flags.dry_run:
        return 0
    result = Reranking(
        reverse=tuned.reverse,
        length=tuned.length,
        candidates=flags.candidates,
        model=digest(flags.reverse),
        tag=flags.reverse_tag,
    )
    folder = find_step(checkpoint)
    add_file(folder, FILE_NAME, result.to_json())
    log.info("%s: written, for translate --rerank %s", folder / FILE_NAME, flags.reverse)
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    flags = Flags(prog=command_name(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus(flags)
    add_checkpoint(flags)
    add_reverse(flags, use="which says how likely the source is given a translation")
    flags.add_argument(
        "--candidates",
        metavar="N",
        type=Number(int, least=2),
        default=10,
        help="translations of a line that are compared, a beam of that size at least (default: %(default)s)",
    )
    flags.add_argument("--dry-run", action="store_true", help="print, and write nothing")
    add_tag(flags)
    add_batch_tokens(flags)
    add_device(flags)
    add_precision(flags)
    return flags


def cli() -> NoReturn:
    """The console script."""
    run(main)


if __name__ == "__main__":
    cli()
