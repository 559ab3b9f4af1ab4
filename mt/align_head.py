"""Trains an alignment head on a finished checkpoint, whose other weights stay the same, as its translations do.

The head learns from word links (Shift-AET): those of --links, such as another aligner's or those of `align` for both
directions of a model, else links of the statistical aligner, which learns from --source and --target. --output gets
the checkpoint with the head and an alignment.json that names it; `align` and `translate --alignment` then use the head.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mt.data.visible import is_visible
from mt.data.whole_folder import remove_unfinished
from mt.flags import Flags, add_checkpoint, add_corpus, add_device, add_tag
from mt.number import Number

if TYPE_CHECKING:
    from mt.checkpoint.folder import LoadedModel
    from mt.data.batching import TokenBatches
    from mt.data.pair import Pair
    from mt.data.tokenizer import TokenizerPair

log = logging.getLogger("mt.align")

MAX_PIECES = 200  # of a side: longer pairs are left out
SHIFT = 1  # the row that reads a piece: its state after a layer knows the piece


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for errors of the user."""
    flags = parser().parse_args(argv)
    output = Path(flags.output)
    check_new(output)

    from mt.checkpoint.folder import load_checkpoint
    from mt.checkpoint.steps import newest_run
    from mt.data.lock import only_process
    from mt.data.pair import Pair
    from mt.data.sources import with_tag
    from mt.evaluation.alignment_input import check_count, read
    from mt.inference.tags import Tags, numbered
    from mt.training.word_links import learned_lines

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
    with only_process(output):
        check_new(output)  # another process may have written it by now
        remove_unfinished(output.parent, output.name.__eq__)  # left by one that was killed
        teach(loaded, pairs, flags)
    return 0


def check_new(output: Path) -> None:
    """Raises ValueError unless `output` does not exist or is an empty folder, which a killed process leaves."""
    if output.is_symlink() or (output.exists() and not (output.is_dir() and not any(output.iterdir()))):
        raise ValueError(f"--output ({output}) must be a new folder: this one exists")


def teach(loaded: LoadedModel, pairs: Sequence[Pair], flags: argparse.Namespace) -> None:
    """Adds the head to the checkpoint's model, trains it, and writes the checkpoint with it."""
    import torch

    from mt.alignment.choice import FILE_NAME, Choice
    from mt.checkpoint.folder import write_checkpoint
    from mt.checkpoint.manifest import add_file
    from mt.checkpoint.outline import kept_tensors
    from mt.checkpoint.priors_file import has_priors, read_priors
    from mt.checkpoint.small_file import read_json
    from mt.device import choose_device, choose_precision
    from mt.model.alignment_head import add_alignment_head, last_but_one
    from mt.model.seq2seq import Seq2Seq
    from mt.training.alignment_head import teach_alignment_head

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
            batches_of(pairs, loaded.tokenizers, Path(folder), flags),
            steps=flags.steps,
            learning_rate=flags.learning_rate,
            device=device,
            dtype=choose_precision(flags.precision, device),
            tell=tell,
        )
    priors = read_priors(loaded.folder)[0] if has_priors(loaded.folder) else None
    change = {"_target_": "mt.model.alignment_head.add_alignment_head", "layer": layer}
    write_checkpoint(
        output,
        card=replace(loaded.card, changes=[*loaded.card.changes, change]),
        weights={name: tensor.detach().cpu() for name, tensor in kept_tensors(model).items()},
        tokenizers=loaded.tokenizers,
        scores=read_json(loaded.folder / "scores.json"),
        priors=priors,
    )
    search = loaded.folder / "search.yaml"
    if search.is_file():
        add_file(output, search.name, search.read_bytes())
    heads = tuple(range(model.decoder.layers[0].cross_attention.num_heads))
    choice = Choice(num_layers, heads, SHIFT)
    add_file(output, FILE_NAME, choice.to_json())
    log.info("%s: %s is the alignment head", output, choice.describe())


def batches_of(
    pairs: Sequence[Pair], tokenizers: TokenizerPair, folder: Path, flags: argparse.Namespace
) -> TokenBatches:
    """Batches of the pairs with target attention, stored in files in `folder`."""
    from mt.data.batching import TokenBatches
    from mt.data.encode import write_store
    from mt.data.ledger import Ledger
    from mt.data.store import Store
    from mt.data.text_store import TextStore, write_text_store
    from mt.training.word_links import make_guide

    for name in ("text", "encoded"):
        (folder / name).mkdir()
    write_text_store(folder / "text", pairs)
    text, counts = TextStore(folder / "text"), Ledger("pairs", len(pairs), len(pairs))
    write_store(folder / "encoded", text, tokenizers, max_pieces=MAX_PIECES, ledgers={"train": counts})
    if counts.num_dropped:
        log.warning("%d of %d pairs are over %d pieces and left out", counts.num_dropped, len(pairs), MAX_PIECES)
    return TokenBatches(
        Store(folder / "encoded", text),
        tokenizers,
        max_tokens=flags.max_tokens,
        seed=flags.seed,
        guide=make_guide(tokenizers, shift=SHIFT),
    )


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
