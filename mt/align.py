"""Shows which source words a model attends to for each target word: a page, heatmaps, JSON, links in Pharaoh format.

Aligns --source with --target, or with the model's own translation. Layers and heads count from 0. In --output:
alignments.html (to open in a browser: every layer and head, links and gold, in one file that needs no network),
0001.png and 0001.svg for line 1 (with --grid also 0001.grid.png), alignments.jsonl (tokens, weights and links of each
line), links.pharaoh (links of each line, "0-0 1-2": source-target, counted from 0), about.json (checkpoint, settings
and error rates).

More commands, each with its own --help: `align choose` finds the layer and heads that align best and writes them into
the checkpoint; `align head` trains an extra alignment head on a checkpoint, whose translations stay the same;
`align corpus` aligns a corpus without a model.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mt.command_line import run
from mt.data.lock import only_process
from mt.data.whole_folder import remove_unfinished
from mt.flags import (
    Flags,
    add_batch_tokens,
    add_checkpoint,
    add_device,
    add_gold,
    add_precision,
    add_reverse,
    add_symmetrize,
    add_tag,
    add_trees,
)
from mt.number import Number

if TYPE_CHECKING:
    from mt.alignment.link_finder import LinkFinder
    from mt.evaluation.alignment_output import Summary
    from mt.inference.aligned_lines import AlignedLines

log = logging.getLogger("mt.align")

FORMATS = ("html", "png", "svg", "json", "pharaoh")
PICTURES, SENTENCES = 20, 100  # drawn as pictures and on the page, unless --limit says how many


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for errors of the user."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["choose"], ["corpus"], ["head"]):
        return import_module(f"mt.align_{arguments[0]}").main(arguments[1:])
    flags = parser().parse_args(arguments)
    check(flags)
    from mt.evaluation.alignment_input import check_count, load_reverse, read, read_gold, read_pictures, read_trees

    sources = read(flags.source)
    targets = read(flags.target) if flags.target else None
    if targets is not None:
        check_count(flags.target, targets, sources, flags.source)
    gold = read_gold(flags.gold, sources, targets or [], base=flags.gold_base) if flags.gold else None

    from tqdm import tqdm

    from mt.alignment.link_finder import LinkFinder
    from mt.checkpoint.steps import newest_run
    from mt.evaluation.alignment_output import ABOUT, Output
    from mt.inference.aligned_lines import AlignedLines, AlignmentOptions
    from mt.inference.aligner import Aligner

    if flags.checkpoint is None:
        flags.checkpoint = newest_run()
        log.info("checkpoint: %s", flags.checkpoint)
    aligner = Aligner.load(flags.checkpoint, device=flags.device, precision=flags.precision)
    reverse = load_reverse(flags.reverse, aligner, flags.device, flags.precision) if flags.reverse else None
    finder = LinkFinder(
        choice=aligner.choice,
        reverse=reverse.choice if reverse else None,
        symmetrize=flags.symmetrize,
        method=flags.method,
        threshold=flags.threshold,
    )
    output = Output(
        Path(flags.output),
        flags.formats,
        most_pictures=PICTURES if flags.limit is None else flags.limit,
        most_on_page=SENTENCES if flags.limit is None else flags.limit,
        grid=flags.grid,
    )
    options = AlignmentOptions(
        layer=flags.layer,
        heads=flags.heads,
        shift=flags.shift,
        signal=flags.signal,
        unit=flags.unit,
        tag=flags.tag,
        reverse_tag=flags.reverse_tag,
        batch_tokens=flags.batch_tokens,
        max_pieces=flags.max_pieces,
        num_with_norms=output.most_on_page,  # the page shows both signals
        is_soft=finder.is_soft,
    )
    lines = AlignedLines(aligner, sources, targets, reverse=reverse, options=options)
    if flags.trees:
        lines.trees = read_trees(
            flags.trees, sources, flags.source, translator=aligner.translator, checkpoint=flags.checkpoint
        )
    if flags.images:
        lines.pictures, lines.boxes = read_pictures(flags.images, flags.boxes, sources, flags.source, aligner)
    with only_process(output.folder):
        remove_unfinished(output.folder)  # left by a process that was killed
        # it describes the other files, so it goes first and is written last
        (output.folder / ABOUT).unlink(missing_ok=True)
        summary, page = output.write(tqdm(lines, unit="line", disable=None), finder, gold)
        about = describe(summary, lines, finder, flags)
        if summary.alignment is not None:
            where = f"{summary.alignment.describe()}, {summary.alignment.direction}"
            share = f", source share {about['source_share']:.2f}" if "source_share" in about else ""
            print(f"{where}, sink mass {about['sink_mass']:.2f}{share}")
        if summary.agreement is not None:
            about["agreement_with_erasure"] = summary.agreement.to_json()
            print(summary.agreement.describe())
        about |= summary.of_pictures()
        if "pointing" in about:
            print(
                f"pointing {about['pointing']:.1f} % of words in their boxes (chance {about['pointing_chance']:.1f} %),"
                f" mass inside {about['mass_inside']:.1f} %, on the picture {about['mass_on_picture']:.1f} %"
            )
        if gold:
            about |= summary.errors.to_json()
            print(summary.errors)
        output.finish(page, about)
    return 0


def describe(summary: Summary, lines: AlignedLines, finder: LinkFinder, flags: argparse.Namespace) -> dict[str, Any]:
    """How the alignments were made, as about.json holds it."""
    about: dict[str, Any] = {
        "checkpoint": str(flags.checkpoint),
        "lines": len(lines),
        "blank_lines": len(lines) - summary.num_aligned - len(lines.too_long),
        "too_long_lines": len(lines.too_long),
    }
    alignment = summary.alignment
    if alignment is None:
        return about
    method, threshold = finder.rule
    return {
        **about,
        "direction": alignment.direction,
        **({"tag": flags.tag} if flags.tag else {}),
        "layer": alignment.layer,
        "heads": list(alignment.heads),
        "shift": alignment.shift,
        "signal": alignment.signal,
        **({"reverse": str(flags.reverse), "symmetrize": flags.symmetrize} if finder.reverse else {}),
        "unit": alignment.unit,
        "method": method,
        **({"threshold": threshold} if method == "threshold" else {}),
        "sink_mass": summary.sink_mass,
        **({} if summary.source_share is None else {"source_share": summary.source_share}),
    }


def check(flags: argparse.Namespace) -> None:
    """Parses --formats and --heads; raises ValueError for flags that contradict each other."""
    flags.formats = tuple(name.strip() for name in flags.formats.split(",") if name.strip())
    for name in flags.formats:
        if name not in FORMATS:
            raise ValueError(f"--formats ({name}) must be among {', '.join(FORMATS)}")
    if not flags.formats:
        raise ValueError(f"--formats must name at least one of {', '.join(FORMATS)}")
    if flags.heads not in (None, "all"):
        try:
            flags.heads = tuple(int(head) for head in flags.heads.split(","))
        except ValueError:
            raise ValueError(f"--heads ({flags.heads}) must be numbers with commas between them, or all") from None
    if flags.threshold is not None and flags.method not in (None, "threshold"):
        raise ValueError(f"--threshold ({flags.threshold}) goes with --method threshold, not {flags.method}")
    if flags.gold and not flags.target:
        raise ValueError("--gold needs --target: gold links belong to a given translation")
    if flags.signal in ("erasure", "contributions"):
        for name in ("layer", "heads", "shift"):
            if getattr(flags, name) is not None:
                raise ValueError(f"--{name} goes with --signal weights or norms: {flags.signal} is of the whole model")
    if flags.reverse and flags.unit != "words":
        raise ValueError("--reverse needs --unit words: two models split words into pieces differently")
    if flags.gold and flags.unit != "words":
        raise ValueError("--gold needs --unit words: it counts words")
    if [flags.source, flags.target, flags.gold].count("-") > 1:
        raise ValueError("standard input (-) can be only one of --source, --target and --gold")


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog="align", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = parser.add_argument_group("what is aligned (files may be plain or compressed, one sentence a line)")
    text.add_argument("--source", metavar="FILE", required=True, help="source sentences, - for standard input")
    text.add_argument("--target", metavar="FILE", help="their translations (default: the model's own)")
    add_gold(parser, text, prints=": prints AER, also by length and direction")
    text.add_argument(
        "--images", metavar="FILE", help="the picture of each line, a file name a line, for a model that sees"
    )
    text.add_argument(
        "--boxes",
        metavar="FILE",
        help="where target words are in the pictures, '1:10,4,20,20' (word from 0, left, top, width, height): prints"
        " how often the map of a word points into its boxes",
    )
    add_tag(text)
    add_trees(text)

    how = parser.add_argument_group("where the weights are read (default: the checkpoint's alignment.json)")
    add_checkpoint(how)
    how.add_argument(
        "--layer", metavar="N", type=Number(int, least=0), help="decoder layer; without alignment.json the middle one"
    )
    how.add_argument("--heads", metavar="N,N", help="heads to average, or all; without alignment.json all")
    how.add_argument(
        "--shift",
        type=Number(int),
        choices=(0, 1),
        help="0: the row that predicts a piece; 1: the next row, which reads it; without alignment.json 0",
    )
    how.add_argument(
        "--signal",
        choices=("weights", "norms", "erasure", "contributions"),
        help="attention weights; norms: weights times the length of the value vectors (Kobayashi et al. 2020);"
        " erasure: how much less probable a target word is without a source word, in the whole model, and which heads"
        " agree with it (a pass of the model for each source word); or contributions: what each source word adds to"
        " the decoder's states, traced through all layers (ALTI+, Ferrando et al. 2022), and how much of each target"
        " word comes from the source at all",
    )
    add_reverse(parser, how, use="see --symmetrize")
    add_batch_tokens(how, is_searched=False)
    how.add_argument(
        "--max-pieces",
        metavar="N",
        type=Number(int, least=1),
        help="lines with more on either side are left out, with a warning: their links stay empty (default:"
        " data.max_pieces in training, or 200). Time and memory grow with the product of both sides",
    )
    add_device(how)
    add_precision(how)

    what = parser.add_argument_group("what comes out")
    what.add_argument("--output", metavar="FOLDER", required=True, help="where the files go")
    what.add_argument("--formats", metavar="NAMES", default=",".join(FORMATS), help="of %(default)s (default: all)")
    what.add_argument(
        "--unit", choices=("words", "pieces"), default="words", help="what is aligned, in every file (default: words)"
    )
    what.add_argument(
        "--method",
        choices=("argmax", "threshold", "mutual"),
        help="weights to links: each target's best source; all from --threshold; best of both (default: the"
        " checkpoint's choice; threshold with --threshold or the soft product)",
    )
    add_symmetrize(what, default="grow-diag")
    what.add_argument(
        "--threshold",
        metavar="SHARE",
        type=Number(float, least=0, most=1),
        help="of a target's weight, 0 to 1 (default: the choice's, or 0.3)",
    )
    what.add_argument(
        "--grid",
        nargs="?",
        const="heads",
        choices=("heads", "layers", "all"),
        help="also draw each head of the layer (heads, the default), each layer averaged, or all heads of all layers",
    )
    what.add_argument(
        "--limit",
        metavar="N",
        type=Number(int, least=0),
        help=f"lines to draw (default: the first {PICTURES} in pictures, the first {SENTENCES} on the page)",
    )

    parser.refuse_idle("--boxes", "without --images", lambda flags: not flags.images)
    parser.refuse_idle("--symmetrize", "without --reverse", lambda flags: not flags.reverse)
    for flag, drawn in (("--grid", ("png", "svg")), ("--limit", ("html", "png", "svg"))):
        parser.refuse_idle(
            flag,
            f"without {', '.join(drawn[:-1])} or {drawn[-1]} among --formats",
            partial(_draws_none, drawn),
        )
    return parser


def _draws_none(formats: Sequence[str], flags: argparse.Namespace) -> bool:
    return not any(name in flags.formats for name in formats)


def cli() -> NoReturn:
    """The command, also as the script `mt-align`."""
    run(main)


if __name__ == "__main__":
    cli()
