"""Shows which source words a model looked at for each target word: a page, heatmaps, JSON, links in Pharaoh format.

Aligns --source with --target, or with the model's own translation. Layers and heads count from 0. In --output:
alignments.html (to open in a browser: every layer and head, links and gold, in one file that needs no network),
0001.png and 0001.svg for line 1 (with --grid also 0001.grid.png), alignments.jsonl (tokens, weights and links, a line
a line), links.pharaoh ("0-0 1-2": source-target, counted from 0, a line a line), about.json (how all this was made).

More commands, each with its own --help: `align choose` finds where a checkpoint's alignments are best read, and writes
it into the checkpoint; `align head` teaches a head of its own to align, on a checkpoint that translates as before;
`align corpus` aligns a corpus without a model.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from mt.command_line import Flags, add_tag, run
from mt.data.lock import only_process
from mt.data.visible import is_visible
from mt.data.whole_folder import remove_unfinished, whole_file, write_json, write_whole
from mt.number import Number

if TYPE_CHECKING:
    from mt.alignment.alignment import Alignment, RawAttention
    from mt.alignment.choice import Choice
    from mt.alignment.gold import Gold
    from mt.alignment.links import Link
    from mt.inference.aligner import Aligner

log = logging.getLogger("mt.align")

FORMATS = ("html", "png", "svg", "json", "pharaoh")
PICTURES, SENTENCES = 20, 100  # drawn by themselves and on the page, unless --limit says how many
WINDOW = 256  # lines translated before any is written
GRID_COLUMNS = 4
SOFT = "soft-product"


@dataclass(frozen=True)
class Line:
    """A line and what the model made of it; a line with a blank side has neither attention nor alignment."""

    number: int  # from 1
    source: str
    target: str
    raw: RawAttention | None = None
    alignment: Alignment | None = None
    # where there is a model of the other direction: by this one alone, and by that one alone
    forward: Alignment | None = None
    backward: Alignment | None = None


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for what a user can mend."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["choose"], ["corpus"], ["head"]):
        return import_module(f"mt.align_{arguments[0]}").main(arguments[1:])
    flags = parser().parse_args(arguments)
    check(flags)
    from mt.evaluation.alignment_input import check_count, load_reverse, read, read_gold, read_trees

    sources = read(flags.source)
    targets = read(flags.target) if flags.target else None
    if targets is not None:
        check_count(flags.target, targets, sources, flags.source)
    gold = read_gold(flags.gold, sources, targets or [], base=flags.gold_base) if flags.gold else None

    from mt.checkpoint.folder import newest_run
    from mt.inference.aligner import Aligner

    if flags.checkpoint is None:
        flags.checkpoint = newest_run()
        log.info("checkpoint: %s", flags.checkpoint)
    aligner = Aligner.load(flags.checkpoint, device=flags.device, precision=flags.precision)
    reverse = load_reverse(flags.reverse, aligner, flags.device, flags.precision) if flags.reverse else None
    check_tags(aligner, reverse, sources, targets, flags)
    trees = None
    if flags.trees:
        of = {"translator": aligner.translator, "checkpoint": flags.checkpoint}
        trees = read_trees(flags.trees, sources, flags.source, **of)
    output = Path(flags.output)
    with only_process(output):
        remove_unfinished(output)  # left by a process that was killed
        # it speaks of the files beside it: the first to go, the last to come
        (output / "about.json").unlink(missing_ok=True)
        about = export(aligner, reverse, sources, targets, trees, gold, flags, output)
        write_json(output / "about.json", about)
    return 0


def check_tags(
    aligner: Aligner,
    reverse: Aligner | None,
    sources: Sequence[str],
    targets: Sequence[str] | None,
    flags: argparse.Namespace,
) -> None:
    """Raises ValueError for a tag that a model does not know, and for a line that needs one, before work starts."""
    from mt.inference.tags import numbered

    for model, lines, tag in ((aligner, sources, flags.tag), (reverse, targets or [], flags.reverse_tag)):
        if model is not None:
            model.translator.tags.check(tag)
            model.translator.tags.check_lines(numbered(lines), tag)


def export(
    aligner: Aligner,
    reverse: Aligner | None,
    sources: list[str],
    targets: list[str] | None,
    trees: list[str] | None,
    gold: list[Gold] | None,
    flags: argparse.Namespace,
    output: Path,
) -> dict[str, Any]:
    """Writes every line to every file that was asked for, prints a summary, and returns it."""
    from tqdm import tqdm

    from mt.alignment.breakdown import Breakdown
    from mt.alignment.links import link_rule, to_pharaoh
    from mt.alignment.page.page import Page
    from mt.alignment.symmetrize import SYMMETRIZATIONS
    from mt.words import num_words

    is_soft = reverse is not None and flags.symmetrize == SOFT
    method, threshold = rule_of(flags, aligner.choice, is_soft=is_soft)
    rule, rule_forward = link_rule(method, threshold), link_rule(*rule_of(flags, aligner.choice))
    rule_backward = link_rule(*rule_of(flags, reverse.choice)) if reverse else rule

    def find_links(line: Line) -> tuple[set[Link], dict[str, set[Link]]]:
        """The links of a line and, with a model of the other direction, what they were made from and they again."""
        if line.alignment is None:
            return set(), {}
        if line.forward is None or line.backward is None:
            return rule(line.alignment.weights_TS), {}
        forward = rule_forward(line.forward.weights_TS)
        backward = {(source, target) for target, source in rule_backward(line.backward.weights_TS)}
        links = rule(line.alignment.weights_TS) if is_soft else SYMMETRIZATIONS[flags.symmetrize](forward, backward)
        return links, {"forward": forward, "backward": backward, flags.symmetrize: links}

    errors, alignment, sink_masses, num_pictures, too_long = Breakdown(), None, [], 0, set[int]()
    page = Page(method=method, threshold=threshold, symmetrize=flags.symmetrize if reverse else None)
    most_sentences = most_lines(flags, SENTENCES, "html")
    most_pictures = most_lines(flags, PICTURES, "png", "svg")
    with ExitStack() as stack:
        records = open_for(stack, output / "alignments.jsonl", "json" in flags.formats)
        pharaoh = open_for(stack, output / "links.pharaoh", "pharaoh" in flags.formats)
        for line in tqdm(
            aligned(aligner, reverse, sources, targets, trees, flags, too_long),
            total=len(sources),
            unit="line",
            disable=None,
        ):
            links, directions = find_links(line)
            line_gold = gold[line.number - 1] if gold else None
            if pharaoh:
                pharaoh.write(to_pharaoh(links) + "\n")
            if records:
                records.write(json.dumps(record(line, links), ensure_ascii=False) + "\n")
            if line_gold:
                errors.add(links, line_gold, num_words(line.source), directions)
            if line.alignment is None:
                continue
            alignment = line.alignment
            sink_masses.append(alignment.sink_mass)
            if not alignment.weights_TS.size:
                continue
            if len(page) < most_sentences:
                assert line.raw is not None
                page.add(line.number, line.source, line.target, line.raw, alignment, links, line_gold)
            if num_pictures < most_pictures:
                draw(line, links, line_gold, flags, output / f"{line.number:04d}")
                num_pictures += 1

    about: dict[str, Any] = {
        "checkpoint": str(flags.checkpoint),
        "lines": len(sources),
        "blank_lines": len(sources) - len(sink_masses) - len(too_long),
        "too_long_lines": len(too_long),
    }
    if alignment is not None:
        about |= {
            "direction": alignment.direction,
            **({"tag": flags.tag} if flags.tag else {}),
            "layer": alignment.layer,
            "heads": list(alignment.heads),
            "shift": alignment.shift,
            "signal": alignment.signal,
            **({"reverse": str(flags.reverse), "symmetrize": flags.symmetrize} if reverse else {}),
            "unit": alignment.unit,
            "method": method,
            **({"threshold": threshold} if method == "threshold" else {}),
            "sink_mass": round(sum(sink_masses) / len(sink_masses), 4),
        }
        print(f"{alignment.describe()}, {alignment.direction}, sink mass {about['sink_mass']:.2f}")
    if gold:
        about |= errors.to_json()
        print(errors)
    if "html" in flags.formats:
        write_whole(output / "alignments.html", page.html(page_facts(about, len(page))))
    for name, count, most in (
        ("alignments.html", len(page), most_sentences),
        ("pictures", num_pictures, most_pictures),
    ):
        if 0 < count == most < len(sink_masses):
            log.info("%s: the first %d of %d lines (--limit)", name, count, len(sink_masses))
    return about


def page_facts(about: dict[str, Any], num_sentences: int) -> dict[str, str]:
    """What the top of the page says, by name."""
    facts = {"checkpoint": about["checkpoint"]}
    if "reverse" in about:
        facts["joined with"] = f"{about['reverse']}, {about['symmetrize']}"
    if "aer" in about:
        facts |= {name: f"{100 * about[name.lower()]:.1f} %" for name in ("AER", "precision", "recall")}
    return facts | {"lines": f"{num_sentences} of {about['lines']}"}


def most_lines(flags: argparse.Namespace, default: int, *formats: str) -> int:
    """How many lines are drawn at most in any of these formats."""
    if not set(formats) & set(flags.formats):
        return 0
    return default if flags.limit is None else flags.limit


def aligned(
    aligner: Aligner,
    reverse: Aligner | None,
    sources: list[str],
    targets: list[str] | None,
    trees: list[str] | None,
    flags: argparse.Namespace,
    too_long: set[int],
) -> Iterator[Line]:
    """Every line in order, with the alignment that the flags ask for; numbers of lines too long for it are added."""

    def blank(numbers: range) -> Iterator[Line]:
        return (Line(i + 1, sources[i], targets[i] if targets else "") for i in numbers)

    end = 0
    for line in filled_lines(aligner, reverse, sources, targets, trees, flags, too_long):
        yield from blank(range(end, line.number - 1))
        yield line
        end = line.number
    yield from blank(range(end, len(sources)))


def filled_lines(
    aligner: Aligner,
    reverse: Aligner | None,
    sources: list[str],
    targets: list[str] | None,
    trees: list[str] | None,
    flags: argparse.Namespace,
    too_long: set[int],
) -> Iterator[Line]:
    """The lines with two sides, a portion of them at a time: nothing here holds the maps of the one before.

    Lines over --max-pieces are not among them: a warning says so, and their numbers go into `too_long`.
    """
    num_read, is_told = 0, set[str]()
    # the first line alone, so that a layer that is not there is told before a minute of decoding
    for start in [0, *range(1, len(sources), WINDOW)]:
        window = range(start, min(start + (WINDOW if start else 1), len(sources)))
        filled = [i for i in window if is_visible(sources[i]) and (targets is None or is_visible(targets[i]))]
        filled = [i for i in filled if fits(aligner, reverse, i, sources, targets, flags, too_long)]
        if not filled:
            continue
        texts, given, of_texts = (of if of is None else [of[i] for i in filled] for of in (sources, targets, trees))
        of_sources, of_targets = aligner.encoded(
            texts, given, batch_tokens=flags.batch_tokens, trees=of_texts, tag=flags.tag
        )
        for portion in aligner.portions(of_sources, of_targets):
            pairs = [(filled[n] + 1, sources[filled[n]], targets[filled[n]] if targets else None) for n in portion]
            # the page shows both signals
            is_on_page = num_read < most_lines(flags, SENTENCES, "html")
            some = slice(portion.start, portion.stop)
            encoded = of_sources[some], of_targets[some]
            lines = aligned_together(aligner, pairs, encoded, flags, is_told, norms=is_on_page)
            yield from with_reverse(lines, reverse, flags) if reverse else lines
            num_read += len(portion)


def fits(
    aligner: Aligner,
    reverse: Aligner | None,
    index: int,
    sources: Sequence[str],
    targets: Sequence[str] | None,
    flags: argparse.Namespace,
    too_long: set[int],
) -> bool:
    """Whether no side of a line has more than --max-pieces, for either model; else it is told and added."""
    source, target = sources[index], targets[index] if targets else None
    why = aligner.misfit(source, target, max_pieces=flags.max_pieces, tag=flags.tag)
    if why is None and reverse and target is not None:
        why = reverse.misfit(target, source, max_pieces=flags.max_pieces, tag=flags.reverse_tag)
        why = why and f"for --reverse {why}"
    if why:
        too_long.add(index + 1)
        log.warning("line %d: %s", index + 1, why)
    return not why


def aligned_together(
    aligner: Aligner,
    texts: Sequence[tuple[int, str, str | None]],
    encoded: tuple[Sequence[Any], Sequence[Sequence[int]]],
    flags: argparse.Namespace,
    is_told: set[str],
    *,
    norms: bool,
) -> Iterator[Line]:
    """The lines of these numbers, sources and targets (None: what the pieces say), whose maps are made at once.

    `encoded` are the sources and the pieces of the targets (`Aligner.encoded`).
    `is_told`: the sides of which it was said that they have no blanks.
    """
    from mt.alignment.alignment import Alignment
    from mt.alignment.words import by_words, is_written_without_blanks, text_of

    choice = aligner.choice
    layer = choice.layer if flags.layer is None else flags.layer
    heads = choice.heads if flags.heads is None and flags.layer is None else flags.heads
    heads = None if heads == "all" else heads
    shift = choice.shift if flags.shift is None else flags.shift
    signal = flags.signal or choice.signal
    how = {"norms": norms or signal == "norms", "batch_tokens": flags.batch_tokens, "has_tag": flags.tag is not None}
    raws = aligner.attention_of_encoded(*encoded, **how)
    for (number, source, given), raw in zip(texts, raws, strict=True):
        alignment = Alignment.from_attention(
            raw, layer=layer, heads=heads, shift=shift, signal=signal, direction=aligner.direction
        )
        target = text_of(alignment.target_pieces) if given is None else given
        if flags.unit == "words":
            for side, text in (("source", source), ("target", target)):
                if side not in is_told and is_written_without_blanks(text):
                    is_told.add(side)
                    log.warning("line %d: the %s has no blanks, so it is one word (see --unit pieces)", number, side)
            alignment = by_words(alignment, source, target)
        yield Line(number, source, target, raw, alignment)


def rule_of(flags: argparse.Namespace, choice: Choice, *, is_soft: bool = False) -> tuple[str, float]:
    """(method, threshold) by which weights become links: as the flags say, else as was chosen for the checkpoint.

    A soft product has a threshold: the best word of a row that has none would still be one.
    """
    from mt.alignment.links import THRESHOLD

    threshold = choice.threshold if flags.threshold is None else flags.threshold
    method = flags.method or ("argmax" if threshold is None and not is_soft else "threshold")
    return method, THRESHOLD if threshold is None else threshold


def with_reverse(lines: Iterable[Line], reverse: Aligner, flags: argparse.Namespace) -> Iterator[Line]:
    """The lines with what the model of the other direction makes of them; weights multiplied if that is wanted."""
    from mt.alignment.symmetrize import soft_product
    from mt.alignment.words import by_words

    lines = list(lines)
    filled = [line for line in lines if is_visible(line.target)]
    texts = [line.target for line in filled], [line.source for line in filled]
    backs = iter(reverse.align(*texts, batch_tokens=flags.batch_tokens, tag=flags.reverse_tag) if filled else [])
    for line in lines:
        if is_visible(line.target):
            assert line.alignment is not None
            line = replace(line, forward=line.alignment, backward=by_words(next(backs), line.target, line.source))
            if flags.symmetrize == SOFT:
                weights_TS = soft_product(line.forward.weights_TS, line.backward.weights_TS)
                line = replace(line, alignment=replace(line.alignment, weights_TS=weights_TS))
        yield line


def record(line: Line, links: Iterable[Link]) -> dict[str, Any]:
    """A line of alignments.jsonl: links name their tokens beside their positions."""
    if line.alignment is None:
        return {"line": line.number, "source": [], "target": [], "weights": [], "links": []}
    values = line.alignment.to_json()
    values["links"] = [
        {"source": source, "target": target, "tokens": [values["source"][source], values["target"][target]]}
        for source, target in sorted(links)
    ]
    return {"line": line.number, **values}


def draw(line: Line, links: set[Link], gold: Gold | None, flags: argparse.Namespace, stem: Path) -> None:
    """The pictures of one line."""
    from mt.alignment.heatmap import save_grid, save_heatmap

    formats = [name for name in ("png", "svg") if name in flags.formats]
    title = f"{line.number}: {line.source.strip()}"
    assert line.raw is not None and line.alignment is not None
    save_heatmap(line.alignment, stem, formats=formats, title=title, links=links, gold=gold)
    if flags.grid:
        save_grid(grid(line, flags.grid), f"{stem}.grid", formats=formats, title=title, gold=gold)


def grid(line: Line, which: str) -> list[list[Alignment]]:
    """Rows of alignments: the heads of the chosen layer, or the mean of the heads of each layer, or all of all."""
    from mt.alignment.alignment import Alignment
    from mt.alignment.words import by_words

    raw, chosen = line.raw, line.alignment
    assert raw is not None and chosen is not None

    def at(layer: int, heads: tuple[int, ...]) -> Alignment:
        how = {"shift": chosen.shift, "signal": chosen.signal, "direction": chosen.direction}
        one = Alignment.from_attention(raw, layer=layer, heads=heads, **how)
        return by_words(one, line.source, line.target) if chosen.unit == "words" else one

    heads = range(raw.num_heads)
    if which == "all":
        return [[at(layer, (head,)) for head in heads] for layer in range(raw.num_layers)]
    if which == "heads":
        cells = [at(chosen.layer, (head,)) for head in heads]
    else:
        cells = [at(layer, tuple(heads)) for layer in range(raw.num_layers)]
    return [cells[start : start + GRID_COLUMNS] for start in range(0, len(cells), GRID_COLUMNS)]


def open_for(stack: ExitStack, path: Path, is_wanted: bool) -> TextIO | None:
    return stack.enter_context(whole_file(path)) if is_wanted else None


def check(flags: argparse.Namespace) -> None:
    """Reads what argparse leaves as text, and refuses what does not go together."""
    flags.formats = tuple(name.strip() for name in flags.formats.split(",") if name.strip())
    for name in flags.formats:
        if name not in FORMATS:
            raise ValueError(f"--formats ({name}) must be among {', '.join(FORMATS)}")
    if not flags.formats:
        raise ValueError(f"--formats must name one at least of {', '.join(FORMATS)}")
    if flags.heads not in (None, "all"):
        try:
            flags.heads = tuple(int(head) for head in flags.heads.split(","))
        except ValueError:
            raise ValueError(f"--heads ({flags.heads}) must be numbers with commas between them, or all") from None
    if flags.threshold is not None and flags.method not in (None, "threshold"):
        raise ValueError(f"--threshold ({flags.threshold}) goes with --method threshold, not {flags.method}")
    if flags.gold and not flags.target:
        raise ValueError("--gold needs --target: links that people drew belong to a given translation")
    if flags.reverse and flags.unit != "words":
        raise ValueError("--reverse needs --unit words: two models part words differently")
    if flags.gold and flags.unit != "words":
        raise ValueError("--gold needs --unit words: it counts words")
    if [flags.source, flags.target, flags.gold].count("-") > 1:
        raise ValueError("standard input (-) can be only one of --source, --target and --gold")


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog="align", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = parser.add_argument_group("what is aligned (files may be plain or .gz, one sentence a line)")
    text.add_argument("--source", metavar="FILE", required=True, help="source sentences, - for standard input")
    text.add_argument("--target", metavar="FILE", help="their translations (default: the model's own)")
    text.add_argument(
        "--gold",
        metavar="FILE",
        help="links that people drew (Pharaoh, NAACL, or a Blinker folder): prints AER, also by length and direction",
    )
    text.add_argument(
        "--gold-base", type=Number(int), choices=(0, 1), default=0, help="of Pharaoh positions (default: 0)"
    )

    add_tag(text)
    text.add_argument(
        "--trees",
        metavar="FILE",
        help="their trees, for a model with structured attention: see translate --help",
    )

    how = parser.add_argument_group("where the weights are read (default: the checkpoint's alignment.json)")
    how.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        help="a run, such as checkpoints/demo, or one step in it (default: the newest finished run in checkpoints)",
    )
    how.add_argument(
        "--layer", metavar="N", type=Number(int, least=0), help="decoder layer; without alignment.json the middle one"
    )
    how.add_argument("--heads", metavar="N,N", help="heads to average, or all; without alignment.json all")
    how.add_argument(
        "--shift",
        type=Number(int),
        choices=(0, 1),
        help="0: the row that gives a piece; 1: the next, which reads it; without alignment.json 0",
    )
    how.add_argument(
        "--signal",
        choices=("weights", "norms"),
        help="attention weights, or times the length of what they bring in (Kobayashi et al. 2020)",
    )
    how.add_argument("--reverse", metavar="FOLDER", help="a checkpoint of the other direction; see --symmetrize")
    add_tag(how, "--reverse-tag", "each target line, which --reverse reads")
    how.add_argument(
        "--batch-tokens",
        metavar="N",
        type=Number(int, least=1),
        help="padded pieces in a batch (default: 10240, on a GPU 40960)",
    )
    how.add_argument(
        "--max-pieces",
        metavar="N",
        type=Number(int, least=1),
        help="lines with more on either side are left out, as a warning says: their links stay empty (default:"
        " data.max_pieces in training, or 200). Time and memory grow with the product of both sides",
    )
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    how.add_argument(
        "--precision",
        default="float32",
        help="float32, bfloat16, on a CPU int8, or auto: what the device does best (default: %(default)s)",
    )

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
    what.add_argument(
        "--symmetrize",
        choices=("intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and", SOFT),
        default="grow-diag",
        help="how the links of two directions become one; soft-product: weights are multiplied (default: %(default)s)",
    )
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

    parser.refuse_idle("--gold-base", "without --gold", lambda flags: not flags.gold)
    for flag in ("--symmetrize", "--reverse-tag"):
        parser.refuse_idle(flag, "without --reverse", lambda flags: not flags.reverse)
    for flag, drawn in (("--grid", ("png", "svg")), ("--limit", ("html", "png", "svg"))):
        parser.refuse_idle(
            flag,
            f"without {', '.join(drawn[:-1])} or {drawn[-1]} among --formats",
            lambda flags, drawn=drawn: not any(name in flags.formats for name in drawn),
        )
    return parser


def cli() -> NoReturn:
    """The command, also as the script `mt-align`."""
    run(main)


if __name__ == "__main__":
    cli()
