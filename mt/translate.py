"""Translate sentences with a trained model: from the command line, a file, or standard input to standard output."""

from __future__ import annotations

import argparse
import logging
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from mt.command_line import leaving_at_once, run
from mt.cores import num_threads
from mt.data.whole_folder import whole_file
from mt.flags import (
    Flags,
    add_batch_tokens,
    add_device,
    add_engine,
    add_max_pieces,
    add_precision,
    add_sampling,
    add_search,
    add_shortlist,
    add_tag,
    add_workers,
    check_sampling,
)
from mt.number import Number

if TYPE_CHECKING:
    from mt.inference.window import Window

log = logging.getLogger("mt.translate")

ALL = range(sys.maxsize)  # lines of an input
NOT_IN_THE_LINES = {"input", "output", "checkpoint", "workers", "glossary"}  # flags that do not change the output
# flags that have no place in a file whose texts alone change
NOT_IN_FILES = (
    "sentences n_best scores alignment json coverage confidence document trees prefix prefix_column"
).split()


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(
        prog="translate",
        description=__doc__,
        epilog="As many lines come out as went in, in their order. With --n-best, --scores or --alignment a line has "
        "columns between tabs: line number, score, translation, word links (source-target, from 0); in the translation "
        "of such a line a tab is written \\t, a line feed \\n, a carriage return \\r, a backslash \\\\, and other ends "
        "of a line as \\u2028.",
    )
    flags.add_argument("sentences", nargs="*", help="sentences to translate; none: lines of --input or standard input")
    flags.add_argument(
        "--checkpoint",
        nargs="+",
        metavar="FOLDER",
        help="run or step folder; several: their mean probabilities, with the search of the first, in which "
        "--alignment, --markup and --coverage read attention (default: the newest finished run in checkpoints/)",
    )
    flags.add_argument("--input", metavar="FILE", type=Path, help="text to translate, a sentence a line (UTF-8)")
    flags.add_argument(
        "--output", metavar="FILE", type=Path, help="FILE.unfinished until it is whole (default: stdout)"
    )
    flags.add_argument(
        "--format",
        metavar="NAME",
        help="the format of --input (txt, po, xliff, tmx, srt, vtt, md, html): only its texts are translated, sentence "
        "by sentence, and all else stays byte for byte, with --markup in the texts",
    )
    flags.add_argument(
        "--replace",
        choices=("fuzzy", "all"),
        help="in PO, XLIFF and TMX: translations that are made anew (default: none, only what lacks one is translated)",
    )
    flags.add_argument(
        "--no-review-mark",
        action="store_true",
        help="in PO, XLIFF and TMX: do not mark new translations as waiting for a review (fuzzy, or a state)",
    )
    for side in ("source", "target"):
        name = f"--{side}-language"
        flags.add_argument(name, metavar="TAG", help=f"{side} language of XLIFF and TMX (default: the checkpoint's)")
    add_tag(flags)
    flags.add_argument(
        "--trees",
        metavar="FILE",
        type=Path,
        help="file with a dependency tree a line, for a model with structured attention: the position of each word's "
        "head, 0 for a root ('2 3 0'); an empty line: none; of the line alone, with --document, too",
    )
    flags.add_argument("--prefix", metavar="TEXT", default="", help="what each translation must begin with")
    flags.add_argument(
        "--prefix-column",
        metavar="N",
        type=Number(int, least=2),
        help="the lines have columns between tabs: the first is translated, column N says what its translation must "
        "begin with",
    )
    flags.add_argument(
        "--terms",
        metavar="FILE",
        type=Path,
        help="terms: source, tab, target, one a line; where a source stands in a line (as whole words, in upper or "
        "lower case), its target must stand in the translation, as often; a note says where it does not, and --json "
        "has all of them",
    )
    add_search(flags)
    add_sampling(flags)
    flags.add_argument("--scores", action="store_true", help="a column with log-probability / length penalty")
    flags.add_argument("--alignment", action="store_true", help="a column with word links")
    flags.add_argument("--json", action="store_true", help="a JSON object a line, with all of it")
    flags.add_argument(
        "--coverage",
        action="store_true",
        help="in --json: source words that seem to be left out of a translation (hardly read by attention, or left "
        "over for its last step; position from 0), the share of the others, and target words repeated in a row",
    )
    flags.add_argument("--confidence", action="store_true", help="in --json: the probability of each target word")
    flags.add_argument(
        "--markup",
        action="store_true",
        help="carry tags (<b>…</b>, <br/>) and placeholders ({name}, %%s) over by word links, and decode entities; "
        "translated is the text without them, whose words --alignment counts, and each branch of ICU messages "
        "({n, plural, one {…} other {…}}), after the text of the line; what stands in code, pre, kbd, script, style or "
        'translate="no" stays as it is',
    )
    flags.add_argument(
        "--document",
        action="store_true",
        help="the lines are sentences of documents, each ended by a blank line: translate each in the context of its "
        "neighbours, as the checkpoint was trained to (data.document)",
    )
    add_batch_tokens(flags)
    add_max_pieces(flags)
    add_workers(flags)
    add_shortlist(flags)
    add_device(flags)
    add_precision(flags)
    add_engine(flags)
    for flag in ("--replace", "--no-review-mark", "--source-language", "--target-language"):
        flags.refuse_idle(flag, "without --format", lambda given: not given.format)
    return flags


def main(argv: list[str] | None = None) -> int:
    """Reads, translates, writes: one output line for every input line."""
    flags = parser()
    args = flags.parse_args(argv)
    args.checkpoint, left = folders_and_rest(args.checkpoint)
    args.sentences += left
    if args.prefix and args.prefix_column:
        raise ValueError("--prefix and --prefix-column: give one of them, not both")
    if args.sentences and args.input:
        raise ValueError("sentences and --input: give one of them, not both")
    check_sampling(args)
    for sentence in filter(os.path.isfile, args.sentences):
        log.warning("%s is a file, translated as a sentence; --input translates its lines", sentence)
    for name in ("coverage", "confidence"):
        if getattr(args, name) and not args.json:
            raise ValueError(f"--{name} needs --json, which has the place for it")
    from mt.data.formats.compressed import find_file
    from mt.inference.terms import Glossary

    # files first: a wrong path should not wait for the model
    for name in ("input", "trees", "terms"):
        if path := getattr(args, name):
            setattr(args, name, find_file(path))
            if find_file(path).is_file():  # a pipe is opened once
                open(find_file(path), "rb").close()
    args.glossary = Glossary.load(args.terms) if args.terms else None
    if args.format:
        _translate_format(args)
        return 0
    if args.input and args.output and args.output.exists() and args.output.samefile(args.input):
        raise ValueError(f"--output ({args.output}) must be another file than --input: it would be emptied first")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        _translate_parts(args)
    elif args.input and args.output and not (args.output.exists() and not args.output.is_file()):
        _translate_file(args, args.output)
    else:
        with whole_file(args.output) if args.output else nullcontext(sys.stdout) as output:
            _translate(args, output)
    return 0


def folders_and_rest(words: Sequence[str] | None) -> tuple[list[Path], list[str]]:
    """The checkpoints of --checkpoint, and the sentences that follow: all from the first word that is not a folder."""
    words = list(words or [])
    count = next((place for place, word in enumerate(words) if place and not os.path.isdir(word)), len(words))
    return list(map(Path, words[:count])), words[count:]


def _translate(args: argparse.Namespace, output: TextIO, lines: range = ALL) -> None:
    """Writes the translations by the flags; of a file or standard input only its `lines`."""
    from mt.checkpoint.steps import newest_run
    from mt.inference.document import document_of, in_documents, with_neighbours
    from mt.inference.files.table import format_by_ending
    from mt.inference.input_lines import lines_of_arguments, windows_of
    from mt.inference.job import Job
    from mt.inference.options import Options
    from mt.inference.spread import in_order
    from mt.inference.window import Window

    if args.input and (kind := format_by_ending(args.input)) not in (None, "txt"):
        log.warning("%s: every line of it is translated; --format %s translates only its texts", args.input, kind)
    engine, models = args.engine, "mt.interchange.translating"
    load = partial(import_module(models).load_models, engine=engine) if engine else None
    job = Job(args.checkpoint or [newest_run()], Options.of(vars(args), terms=args.glossary), load)
    if not args.checkpoint:
        log.info("checkpoint: %s", job.checkpoints[0])
    document = document_of(job.checkpoints[0]) if args.document else None
    if not job.is_on_cpu and args.workers not in (None, 1):
        raise ValueError(f"--workers ({args.workers}) is for the CPU: a GPU uses one process, --device cpu several")
    if args.sentences or not stat.S_ISREG(os.stat(args.input or sys.stdin.fileno()).st_mode):
        job.load()  # while the first lines are being written
    read = lines if document is None else with_neighbours(lines, document)
    found = [(0, lines_of_arguments(args.sentences))] if args.sentences else windows_of(args.input, read)
    if document is None:
        windows: Iterable[Window] = (Window(first, window) for first, window in found)
    else:
        windows = in_documents(found, lines, document)
    if args.trees:
        windows = _with_trees(windows, args.trees, lines)
    num_workers = args.workers or (num_threads() if job.is_on_cpu and not args.sentences else 1)
    for rows in in_order(job, windows, num_workers):
        for note in rows.notes:
            log.warning("%s", note)
        output.write(rows.text)
        output.flush()


def _with_trees(windows: Iterable[Window], path: Path, chosen: range) -> Iterator[Window]:
    """The windows of the `chosen` lines with their trees, line n of the file being that of line n."""
    from mt.data.formats.lines import read_lines

    trees = islice(read_lines(path), chosen.start, None)
    number = chosen.start
    for window in windows:
        of_lines = list(islice(trees, len(window.lines)))
        number = window.first + len(of_lines)
        if len(of_lines) < len(window.lines):
            raise ValueError(f"--trees ({path}) has {number} lines, fewer than there are sentences: one for each")
        yield replace(window, trees=of_lines)
    if chosen.stop == ALL.stop and next(trees, None) is not None:
        raise ValueError(f"--trees ({path}) has more than {number} lines, the number of sentences: one for each")


def _translate_file(args: argparse.Namespace, path: Path, lines: range = ALL, *, is_part: bool = False) -> None:
    """From file to file: resumes an interrupted output file if inputs, model and flags are unchanged."""
    from mt.data.unfinished import Unfinished

    is_numbered = args.n_best > 1 and not args.json
    unfinished = Unfinished(path, _made_by(args, str(lines)), is_numbered=is_numbered, is_part=is_part)
    if is_part and unfinished.is_whole():
        return
    with unfinished.open(lines.start) as (num_done, output):
        if num_done > lines.start:
            log.info("%s: resumes after line %d", path, num_done)
        _translate(args, output, range(num_done, lines.stop))


def _made_by(args: argparse.Namespace, *more: str) -> str:
    """A fingerprint of all that the translation of a file depends on."""
    from mt.checkpoint.steps import find_step, newest_run
    from mt.data.fingerprint import file_stamp, fingerprint_of

    flags = {name: str(value) for name, value in vars(args).items() if name not in NOT_IN_THE_LINES}
    folders = args.checkpoint if args.engine else map(find_step, args.checkpoint or [newest_run()])
    model = [file_stamp(file) for folder in folders for file in sorted(folder.iterdir())]
    others = [file_stamp(path) for path in (args.trees, args.terms) if path]
    return fingerprint_of(file_stamp(args.input), model, flags, *more, *others)


def _translate_format(args: argparse.Namespace) -> None:
    """From file to file of a format, whose texts alone change."""
    from mt.checkpoint.folder import read_card
    from mt.checkpoint.steps import find_step, newest_run
    from mt.device import choose_device
    from mt.inference.files.job import shown, translate_with
    from mt.inference.files.passage import FileSettings
    from mt.inference.files.table import file_format
    from mt.inference.files.translate_file import shown_report, translate_file
    from mt.inference.job import Job
    from mt.inference.options import Options

    for name in NOT_IN_FILES:
        if getattr(args, name) != parser().get_default(name) and getattr(args, name) != []:
            raise ValueError(f"--{name.replace('_', '-')} has no place in a file of --format ({args.format})")
    if not args.input or not args.output or (args.output.exists() and not args.output.is_file()):
        raise ValueError("--format needs files as --input and --output")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError("--format is for one process: --workers starts more on a CPU")
    file_format(args.format)  # a wrong name should not wait for the model
    checkpoints = args.checkpoint or [newest_run()]
    card = read_card(find_step(checkpoints[0]))
    settings = FileSettings(
        source_language=args.source_language or card.source_language,
        target_language=args.target_language or card.target_language,
        replace=args.replace or "none",
        review=not args.no_review_mark,
    )
    options = Options.of(vars(args), terms=args.glossary, markup=True, by_sentence=True)
    num_workers = args.workers or (num_threads() if choose_device(args.device).type == "cpu" else 1)
    translate = translate_with(Job(checkpoints, options), num_workers)
    how = {"format": args.format, "settings": settings, "made_by": _made_by(args, "texts")}
    report = translate_file(args.input, args.output, translate, on_progress=shown(str(args.output)), **how)
    for note in report.notes:
        log.warning("%s %s", args.input, note)
    log.info("%s", shown_report(args.output, report))


def _translate_parts(args: argparse.Namespace) -> None:
    """Under torchrun: every process translates a part of the file, the first puts them together."""
    if not args.input or not args.input.is_file() or not args.output:
        raise ValueError("several processes, as torchrun starts them, need files as --input and --output, for parts")
    from mt.data.formats.lines import scan_lines
    from mt.data.unfinished import joined
    from mt.device import choose_device
    from mt.training.distributed import Ranks

    ranks = Ranks.join("cpu")
    num_lines, count = sum(1 for _ in scan_lines(args.input)), ranks.world_size
    args.device = str(ranks.device(choose_device(args.device)))
    parts = [args.output.with_name(f"{args.output.name}.part{rank + 1}of{count}") for rank in range(count)]
    lines = range(num_lines * ranks.rank // count, num_lines * (ranks.rank + 1) // count)
    _translate_file(args, parts[ranks.rank], lines, is_part=True)
    ranks.all_gather(0)  # all are done
    ranks.on_first_rank(lambda: joined(parts, args.output))
    ranks.leave()


def cli() -> NoReturn:
    """The command, also as the script `translate`."""
    with leaving_at_once():
        run(main)


if __name__ == "__main__":
    cli()
