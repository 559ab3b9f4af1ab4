"""Removes heads, neurons and layers of a finished model: a smaller checkpoint in a new folder; the one given stays.

What goes is what a corpus says is needed least: give validation text. What is removed is gone from the matrices. Small
models lose much by it at once, and get most of it back by some more training (healing), which begins like this:

    python -m mt.prune --checkpoint checkpoints/a --output pruned --source valid.en --target valid.de --heads 0.4
    python -m mt.train start_from=pruned name=healed data=text …

--heads 0.4 removes the 40 % of all heads that matter least, wherever they are; --encoder-heads, --decoder-heads and
--cross-heads choose in each slot alone. --neurons 0.5 removes half of each feed-forward part.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

from mt.command_line import run
from mt.data.visible import is_visible
from mt.flags import Flags, add_checkpoint, add_corpus, add_tag
from mt.number import Number

if TYPE_CHECKING:
    from mt.checkpoint.folder import LoadedModel
    from mt.data.batching import Batch

log = logging.getLogger("mt.prune")

BY = ("gradient", "variance", "confidence", "trial")
SLOTS = ("encoder", "decoder", "cross")
REPORT = "pruning.json"


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(prog="prune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkpoint(flags)
    flags.add_argument("--output", metavar="FOLDER", type=Path, required=True, help="where the smaller checkpoint goes")
    add_corpus(flags)
    add_tag(flags)
    share = Number(float, above=0, most=1)
    flags.add_argument("--heads", metavar="SHARE", type=share, help="of all heads that go, in all slots together")
    for slot in SLOTS:
        flags.add_argument(f"--{slot}-heads", metavar="SHARE", type=share, help=f"of the heads of {_slot_name(slot)}")
    flags.add_argument(
        "--neurons", metavar="SHARE", type=share, help="of the neurons of each feed-forward part that go"
    )
    flags.add_argument(
        "--layers",
        metavar="LAYER",
        nargs="+",
        default=[],
        help="layers that go, such as encoder.2 decoder.0, or a number: so many, those whose absence costs least",
    )
    flags.add_argument(
        "--by",
        choices=BY,
        default="gradient",
        help="importance of heads: gradient of the loss (Michel et al. 2019), variance of the map over queries,"
        " confidence (the mean greatest weight), trial (the loss without each; slow) (default: %(default)s)",
    )
    flags.add_argument(
        "--limit",
        metavar="N",
        type=Number(int, least=1),
        default=1000,
        help="pairs to look at: the first (default: 1000)",
    )
    own = ("--heads", "--encoder-heads", "--decoder-heads", "--cross-heads")
    flags.refuse_idle(
        "--by",
        "without heads to remove",
        lambda given: not any(getattr(given, name[2:].replace("-", "_")) for name in own),
    )
    return flags


def _slot_name(slot: str) -> str:
    return {"encoder": "the encoder", "decoder": "the decoder's self-attention", "cross": "cross-attention"}[slot]


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    args = parser().parse_args(argv)
    shares = {slot: getattr(args, f"{slot}_heads") for slot in SLOTS if getattr(args, f"{slot}_heads")}
    if args.heads and shares:
        raise ValueError("--heads and heads of a slot: give one of them, not both")
    shares = {"all": args.heads} if args.heads else shares
    if not (shares or args.neurons or args.layers):
        raise ValueError("there is nothing to remove: give --heads, --encoder-heads, --neurons or --layers")
    from mt.checkpoint.changed import check_new, new_folder
    from mt.checkpoint.folder import load_checkpoint
    from mt.checkpoint.steps import newest_run
    from mt.compression.quantization import is_storage

    check_new(args.output)
    loaded = load_checkpoint(args.checkpoint or newest_run())
    if any(map(is_storage, loaded.card.changes)):
        raise ValueError(f"--checkpoint ({loaded.folder}) has rounded weights: prune first, then round")
    beside: Any = loaded.model.beside
    if beside is not None:
        names = ", ".join(beside)
        raise ValueError(
            f"--checkpoint ({loaded.folder}) has encoders beside that of text ({names}): only text is pruned"
        )
    with TemporaryDirectory() as folder, new_folder(args.output):
        batches = _batches(loaded, args, Path(folder))
        _prune(loaded, batches, args, shares)
    return 0


def _batches(loaded: LoadedModel, args: argparse.Namespace, folder: Path) -> list[Batch]:
    from itertools import islice

    from mt.data.batching import Cursor
    from mt.data.formats.text_files import TextFiles
    from mt.data.sources import with_tag
    from mt.training.pairs import batches_of

    pairs = list(islice(TextFiles(source=args.source, target=args.target), args.limit))
    pairs = [with_tag(pair, args.tag) for pair in pairs if pair.fault is None and all(map(is_visible, pair.texts))]
    if not pairs:
        raise ValueError(f"{args.source} and {args.target} have no pair of lines to look at")
    made = batches_of(pairs, loaded.tokenizers, folder, max_tokens=4096, shuffle=False)
    cursor, found = Cursor(), []
    while not cursor.epoch:
        batch, cursor = made.read(cursor)
        found.append(batch)
    return found


def _prune(loaded: LoadedModel, batches: Sequence[Batch], args: argparse.Namespace, shares: dict[str, float]) -> None:
    from mt.checkpoint.changed import has_bfloat16, write_changed
    from mt.compression.importance import head_importance, layer_importance, loss_nats, neuron_importance
    from mt.compression.pruning import attentions, feed_forwards, remove_heads, remove_layers, remove_neurons, slot_of
    from mt.compression.selection import least_heads, least_neurons
    from mt.model.seq2seq import Seq2Seq, parameter_counts

    model: Any = loaded.model
    assert isinstance(model, Seq2Seq)
    changes: list[dict[str, Any]] = []
    before, size = loss_nats(model, batches), parameter_counts(model)["total"]
    report: dict[str, Any] = {"parameters_before": size, "loss_before": round(before, 4)}
    num_heads = {name: part.num_heads for name, part in attentions(model).items()}
    num_neurons = sum(part.down.in_features for part in feed_forwards(model).values())

    def change(name: str, **what: Any) -> None:
        changes.append({"_target_": f"mt.compression.pruning.{name}", **what})

    layers: dict[str, list[int]] = {}
    if args.layers:
        layers = _layers(args.layers, lambda: layer_importance(model, batches))
        remove_layers(model, layers=layers)
        change("remove_layers", layers=layers)
    if shares:
        importance = head_importance(model, batches, args.by)
        parts = attentions(model)
        gone = {
            name: [head if (kept := parts[name].kept_heads) is None else kept[head] for head in heads]
            for name, heads in least_heads(importance, shares).items()
        }
        remove_heads(model, heads=gone)
        change("remove_heads", heads=gone)
        report["importance"] = {name: [round(value, 5) for value in one.tolist()] for name, one in importance.items()}
    if args.neurons:
        places = least_neurons(neuron_importance(model, batches), args.neurons)
        remove_neurons(model, neurons=places)
        change("remove_neurons", neurons={name: len(one) for name, one in places.items()})
    after, small = loss_nats(model, batches), parameter_counts(model)["total"]
    report |= {"parameters_after": small, "loss_after": round(after, 4), "by": args.by, "changes": changes}
    alignment = kept_alignment(loaded, layers.get("decoder", []))
    files = {REPORT: f"{json.dumps(report, indent=1)}\n".encode()}
    write_changed(args.output, loaded, changes, alignment=alignment, translates_alike=False, report=files)
    left = attentions(model)
    for slot in SLOTS:
        was = sum(count for name, count in num_heads.items() if slot_of(name) == slot)
        now = sum(part.num_heads for name, part in left.items() if slot_of(name) == slot)
        print(f"heads of {_slot_name(slot)}: {was} -> {now}")
    print(f"neurons: {num_neurons} -> {sum(part.down.in_features for part in feed_forwards(model).values())}")
    as_before = ", stored in bfloat16, as before" if has_bfloat16(loaded.folder) else ""
    print(f"parameters: {size:,} -> {small:,} ({small / size:.1%}){as_before}")
    print(f"loss: {before:.3f} -> {after:.3f} nats a token, before healing")
    log.info("%s: start_from=%s trains it on", args.output, args.output)


def _layers(given: Sequence[str], importance: Any) -> dict[str, list[int]]:
    """The layers to remove, by half, of names such as encoder.2, or of how many."""
    from mt.compression.selection import least_layers

    if len(given) == 1 and given[0].isdigit():
        chosen = least_layers(importance(), int(given[0]))
    else:
        chosen = []
        for name in given:
            half, _, digits = name.partition(".")
            if half not in ("encoder", "decoder") or not digits.isdigit():
                raise ValueError(f"--layers ({name}) must be like encoder.2 or decoder.0, or one number")
            chosen.append((half, int(digits)))
    layers: dict[str, list[int]] = {}
    for half, number in sorted(set(chosen)):
        layers.setdefault(half, []).append(number)
    return layers


def kept_alignment(loaded: LoadedModel, gone: Sequence[int]) -> str | None:
    """alignment.json of the smaller model, whose decoder lost the layers `gone`: the choice without heads that went.

    None: it stays as it was. "": it is left out, since nothing of the choice is left.
    """
    from dataclasses import replace

    from mt.alignment.choice import FILE_NAME, Choice

    path = loaded.folder / FILE_NAME
    if not path.is_file():
        return None
    model: Any = loaded.model
    choice, layers = Choice.from_json(path.read_text("utf-8")), model.decoder.layers
    if choice.layer >= len(layers) + len(gone):
        return None  # an alignment head, which stays what it was
    if choice.layer not in gone:
        layer = choice.layer - sum(number < choice.layer for number in gone)
        kept = layers[layer].cross_attention.kept_heads
        heads = tuple(head for head in choice.heads if kept is None or head in kept)
        if heads:
            return replace(choice, layer=layer, heads=heads, error_rate=None, measured_on=None).to_json()
    log.warning("alignment.json is left out: what it chose is gone; python -m mt.align choose chooses anew")
    return ""


def cli() -> NoReturn:
    """The console script."""
    run(main)


if __name__ == "__main__":
    cli()
