"""Trains an alignment head on a finished checkpoint, whose other weights stay the same, as its translations do.

The head learns from word links (Shift-AET): those of --links, such as another aligner's or those of `align` for both
directions of a model, else links of the statistical aligner, which learns from --source and --target. --output gets
the checkpoint with the head and an alignment.json that names it; `align` and `translate --alignment` then use the head.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mt.data.visible import is_visible
from mt.flags import Flags, add_checkpoint, add_corpus, add_device, add_tag
from mt.number import Number

if TYPE_CHECKING:
    from mt.checkpoint.folder import LoadedModel
    from mt.data.pair import Pair

log = logging.getLogger("mt.align")

MAX_PIECES = 200  # of a side: longer pairs are left out
SHIFT = 1  # the row that reads a piece: its state after a layer knows the piece


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for errors of the user."""
    flags = parser().parse_args(argv)
    output = Path(flags.output)

    from mt.checkpoint.changed import check_new, new_folder
    from mt.checkpoint.folder import load_checkpoint
    from mt.checkpoint.steps import newest_run
    from mt.data.pair import Pair
    from mt.data.sources import with_tag
    from mt.evaluation.alignment_input import check_count, read
    from mt.inference.tags import Tags, numbered
    from mt.training.word_links import learned_lines

    check_new(output)
    sources, targets = read(flags.source), read(flags.target)
    check_count(flags.target, targets, sources, flags.source)
    loaded = load_checkpoint(flags.checkpoint or newest_run())
    tags = Tags.of(loaded.card, loaded.tokenizers.source)
    tags.check(flags.tag)
    tags.check_lines(numbered(sources), flags.tag)
    if flags.links:
        links = read(flags.links)
        check_count(flags.links, links, sources, flags.source)
    else:
        links = learned_lines(sources, targets, log.info)
    pairs = [Pair(*both) for both in zip(sources, targets, links, strict=True) if all(map(is_visible, both))]
    pairs = [with_tag(pair, flags.tag) for pair in pairs]
    if not pairs:
        raise ValueError(f"{flags.source} and {flags.target} have no pair of lines with a link to learn from")
    with new_folder(output):
        teach(loaded, pairs, flags)
    return 0


def teach(loaded: LoadedModel, pairs: Sequence[Pair], flags: argparse.Namespace) -> None:
    """Adds the head to the checkpoint's model, trains it, and writes the checkpoint with it."""
    import torch

    from mt.alignment.choice import Choice
    from mt.checkpoint.changed import write_changed
    from mt.device import choose_device, choose_precision
    from mt.model.alignment_head import add_alignment_head, last_but_one
    from mt.model.seq2seq import Seq2Seq
    from mt.training.alignment_head import teach_alignment_head
    from mt.training.pairs import batches_of

    model, output = loaded.model, Path(flags.output)
    assert isinstance(model, Seq2Seq)
    num_layers = len(model.decoder.layers)
    layer = last_but_one(num_layers) if flags.layer is None else flags.layer
    torch.manual_seed(flags.seed)
    add_alignment_head(model, layer=layer)
    device = choose_device(flags.device)

    def tell(step: int, loss: float) -> None:
        if step % 50 == 0:
            log.info("step %d: %.3f nats a linked piece", step, loss)

    with TemporaryDirectory() as folder:
        teach_alignment_head(
            model,
            batches_of(
                pairs, loaded.tokenizers, Path(folder), max_tokens=flags.max_tokens, seed=flags.seed, shift=SHIFT
            ),
            steps=flags.steps,
            learning_rate=flags.learning_rate,
            device=device,
            dtype=choose_precision(flags.precision, device),
            tell=tell,
        )
    change = {"_target_": "mt.model.alignment_head.add_alignment_head", "layer": layer}
    heads = tuple(range(model.decoder.layers[0].cross_attention.num_maps))
    choice = Choice(num_layers, heads, SHIFT)
    write_changed(output, loaded, [change], alignment=choice.to_json())
    log.info("%s: %s is the alignment head", output, choice.describe())


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog="align head", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus(parser)
    parser.add_argument("--output", metavar="FOLDER", required=True, help="where the checkpoint with the head goes")
    add_checkpoint(parser)
    add_tag(parser)
    parser.add_argument("--links", metavar="FILE", help="Pharaoh links from 0, a line a line (default: learned)")
    parser.add_argument(
        "--layer",
        metavar="N",
        type=Number(int, least=0),
        help="decoder layer after which it reads, from 0 (default: the last but one)",
    )
    parser.add_argument(
        "--steps", metavar="N", type=Number(int, least=1), default=1200, help="updates (default: %(default)s)"
    )
    parser.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=Number(float, above=0, most=1),
        default=5e-3,
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=Number(int, least=2 * MAX_PIECES + 2),  # a pair must fit into a batch
        default=4096,
        help="a batch, padded, both sides (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=Number(int, least=0),
        default=1,
        help="of the random numbers (default: 1)",
    )
    add_device(parser)
    parser.add_argument(
        "--precision", default="auto", help="auto, float32 or bfloat16: of the products (default: %(default)s)"
    )
    return parser
