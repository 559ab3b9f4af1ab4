"""Scores translations against references: BLEU, chrF, TER, each with its signature.

Translates --source with a checkpoint, or takes translations that exist already (--hypotheses). The table, or JSON,
goes to stdout.
"""

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

from mt.command_line import Flags, add_tag, command_name, run
from mt.data.whole_folder import whole_file


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for what a user can mend."""
    flags = parser().parse_args(argv)
    if not flags.hypotheses and not flags.source:
        raise ValueError("--source FILE is needed (or --hypotheses FILE, to score translations that exist already)")

    from mt.data.formats.lines import read_lines
    from mt.evaluation.report import table, to_json
    from mt.evaluation.scores import check_names, score

    metrics = [name.strip() for name in flags.metrics.split(",") if name.strip()]
    check_names(metrics, flags.tokenize)  # before minutes of translating
    first = flags.source or flags.hypotheses
    lines = list(read_lines(first))
    references = [list(read_lines(path)) for path in flags.reference]
    others = dict(zip(flags.reference, references, strict=True))
    hypotheses = None
    if flags.hypotheses:
        hypotheses = list(read_lines(flags.hypotheses))
        others[flags.hypotheses] = hypotheses
    for path, other in others.items():
        if len(other) != len(lines):
            raise ValueError(f"{path} has {len(other)} lines, {first} has {len(lines)}: line n must belong to line n")
    if not lines:
        raise ValueError(f"{first} has no lines: there is nothing to score")

    how = {}
    if hypotheses is None:
        from tqdm import tqdm

        from mt.checkpoint.folder import newest_run
        from mt.data.document import contexts, tree_in_context
        from mt.evaluation.alignment_input import read_trees
        from mt.inference.document import document_of
        from mt.inference.tags import numbered
        from mt.inference.translator import Translator
        from mt.search.beam import adjusted

        # opened first: a wrong path should not wait for the translations
        with whole_file(flags.output) if flags.output else nullcontext() as output:
            checkpoint = flags.checkpoint or str(newest_run())
            document = document_of(Path(checkpoint)) if flags.document else None
            translator = Translator.load(
                checkpoint, device=flags.device, precision=flags.precision, shortlist=flags.shortlist
            )
            translator.tags.check(flags.tag)
            translator.tags.check_lines(numbered(lines), flags.tag)  # all of them before minutes of translating
            search = adjusted(
                translator.search, beam_size=flags.beam_size, length_penalty=flags.length_penalty, n_best=1
            )
            start = time.perf_counter()
            sources, trees = lines, None
            if flags.trees:
                trees = read_trees(flags.trees, lines, first, translator=translator, checkpoint=checkpoint)
            if document is not None:
                of_lines = contexts(lines, document)
                sources = [context.around(line) for context, line in zip(of_lines, lines, strict=True)]
                trees = trees and list(map(tree_in_context, trees, sources))
            translations = translator.translate(
                sources, search=search, batch_tokens=flags.batch_tokens, tag=flags.tag, trees=trees
            )
            translations = list(tqdm(translations, total=len(lines), unit="line", disable=None))
            seconds = time.perf_counter() - start
            hypotheses = [translation.text for translation in translations]
            if output:
                output.writelines(f"{line}\n" for line in hypotheses)
        notes = [f"line {n}: {note}" for n, one in enumerate(translations, start=1) for note in one.notes]
        how = {
            "checkpoint": checkpoint,
            **({"tag": flags.tag} if flags.tag else {}),
            "search": str(search),
            "device": str(translator.device),
            "precision": str(translator.dtype).removeprefix("torch."),
            "seconds": round(seconds, 3),
            "sentences_per_second": round(len(lines) / seconds, 2),
            "notes": notes,
        }
        for note in notes:
            print(note, file=sys.stderr)

    scores = {Path(first).name: score(hypotheses, references, metrics=metrics, tokenize=flags.tokenize)}
    if flags.json:
        print(to_json(scores, **how))
        return 0
    print(table(scores))
    if how:
        print(
            f"\ntranslated {len(lines)} lines in {how['seconds']:.1f} s ({how['sentences_per_second']:.1f} sentences/s)"
            f" with {how['search']} on {how['device']}, {how['precision']}"
        )
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog=command_name(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = parser.add_argument_group("what is scored (files may be plain or .gz, one sentence a line)")
    text.add_argument("--source", metavar="FILE", help="sentences to translate")
    text.add_argument(
        "--reference", metavar="FILE", action="append", required=True, help="their translations; repeat for several"
    )
    text.add_argument("--hypotheses", metavar="FILE", help="score these translations instead of making them")
    text.add_argument("--output", metavar="FILE", help="keep the translations here")

    how = parser.add_argument_group("how it is translated")
    how.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        help="a run, such as checkpoints/demo, or one step in it (default: the newest finished run in checkpoints)",
    )
    how.add_argument(
        "--beam-size", metavar="N", type=int, help="hypotheses kept, 1 is greedy (default: the checkpoint's)"
    )
    how.add_argument(
        "--length-penalty",
        metavar="ALPHA",
        type=float,
        help="more favours longer, 0 is off (default: the checkpoint's)",
    )
    add_tag(how)
    how.add_argument(
        "--trees",
        metavar="FILE",
        help="their trees, for a model with structured attention: see translate --help",
    )
    how.add_argument(
        "--batch-tokens",
        metavar="N",
        type=int,
        help="sentences times longest source, in a batch (default: 10240 by the size of the beam; GPU: 40960)",
    )
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    how.add_argument(
        "--precision",
        default="float32",
        help="float32, bfloat16, on a CPU int8, or auto: bfloat16 where the device has it (default: %(default)s)",
    )

    how.add_argument(
        "--document",
        action="store_true",
        help="as translate has it: each line in its context, blank lines between documents",
    )
    how.add_argument("--shortlist", action="store_true", help="as translate has it: faster, at some cost in BLEU")

    report = parser.add_argument_group("what is reported")
    report.add_argument(
        "--metrics",
        metavar="NAMES",
        default="bleu,bleu_lowercase,chrf,ter",
        help="with commas between them: bleu, bleu_lowercase, chrf, chrf++, ter (default: %(default)s)",
    )
    report.add_argument(
        "--tokenize",
        metavar="NAME",
        default="13a",
        help="how BLEU finds words: 13a, intl, zh, char, or none for tokenised text (default: %(default)s)",
    )
    report.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    how_translated = (
        "checkpoint",
        "beam-size",
        "length-penalty",
        "batch-tokens",
        "device",
        "precision",
        "document",
        "trees",
        "shortlist",
        "tag",
    )
    for name in ("output", *how_translated):
        parser.refuse_idle(
            f"--{name}", "with --hypotheses: they are scored as they are", lambda flags: flags.hypotheses
        )
    return parser


def cli() -> NoReturn:
    """The command, also as the script `mt-evaluate`."""
    run(main)


if __name__ == "__main__":
    cli()
