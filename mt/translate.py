"""Translate sentences with a trained model: from the command line, a file, or standard input to standard output."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mt.command_line import leaving_at_once, run
from mt.cores import num_threads
from mt.data.whole_folder import whole_file
from mt.flags import check_sampling
from mt.translate_flags import parser

if TYPE_CHECKING:
    from mt.inference.job import Job
    from mt.inference.translate_lines import LineTranslation

log = logging.getLogger("mt.translate")

INPUTS = ("input", "trees", "images", "sounds", "terms")  # flags that name files to read

# flags that have no place in a file whose texts alone change
NOT_IN_FILES = (
    "sentences n_best scores alignment json coverage confidence abstain document trees images sounds prefix"
    " prefix_column"
).split()


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
    for name in ("images", "sounds"):
        if args.document and getattr(args, name):
            raise ValueError(f"--document and --{name}: give one of them, not both; blank lines would mean two things")
    check_sampling(args)
    for name in ("sample", "mbr", "images", "sounds"):
        if args.rerank and getattr(args, name):
            raise ValueError(f"--rerank and --{name}: give one of them, not both")
    for sentence in filter(os.path.isfile, args.sentences):
        log.warning("%s is a file, translated as a sentence; --input translates its lines", sentence)
    if args.abstain is not None and args.n_best > 1:
        raise ValueError("--abstain and --n-best: give one of them, not both; an abstention leaves the line empty")
    for name in ("coverage", "confidence"):
        if getattr(args, name) and not args.json:
            raise ValueError(f"--{name} needs --json, which has the place for it")
    from mt.data.formats.compressed import check_output, find_file
    from mt.inference.terms import Glossary

    # files first: a wrong path should not wait for the model
    for name in INPUTS:
        if path := getattr(args, name):
            setattr(args, name, find_file(path))
            if find_file(path).is_file():  # a pipe is opened once
                open(find_file(path), "rb").close()
    may_be_both = () if args.format is None else ("input",)  # a file in another format is written when it is complete
    inputs = {f"--{name}": getattr(args, name) for name in INPUTS if name not in may_be_both}
    check_output(args.output, inputs)
    args.glossary = Glossary.load(args.terms) if args.terms else None
    if args.format:
        _translate_format(args)
        return 0
    if os.environ.get("WORLD_SIZE", "1") != "1":
        _translate_parts(args)
    elif args.input and args.output and not (args.output.exists() and not args.output.is_file()):
        translation = _translation(args)
        translation.write_file(args.output, _made_by(args, translation.job))
    else:
        with whole_file(args.output) if args.output else nullcontext(sys.stdout) as output:
            _translation(args).write(output)
    return 0


def folders_and_rest(words: Sequence[str] | None) -> tuple[list[Path], list[str]]:
    """The checkpoints of --checkpoint, and the sentences that follow: all from the first word that is not a folder."""
    words = list(words or [])
    count = next((place for place, word in enumerate(words) if place and not os.path.isdir(word)), len(words))
    return list(map(Path, words[:count])), words[count:]


def _job(args: argparse.Namespace, **more: bool) -> Job:
    """The checkpoints, of which the default is the newest run, with the options of the flags and `more`."""
    from mt.checkpoint.steps import newest_run
    from mt.inference.job import Job
    from mt.inference.options import Options

    options = Options.of(vars(args), terms=args.glossary, **more)
    if args.engine:
        models = import_module("mt.interchange.translating")  # imports torch
        return Job(args.checkpoint, options, partial(models.load_models, engine=args.engine))
    if not args.checkpoint:
        args.checkpoint = [newest_run()]
        log.info("checkpoint: %s", args.checkpoint[0])
    return Job(args.checkpoint, options)


def _translation(args: argparse.Namespace) -> LineTranslation:
    """The job and the lines of the flags."""
    from mt.inference.document import document_of
    from mt.inference.files.table import format_by_ending
    from mt.inference.input_lines import Input
    from mt.inference.translate_lines import LineTranslation

    if args.input and (kind := format_by_ending(args.input)) not in (None, "txt"):
        log.warning("%s: every line of it is translated; --format %s translates only its texts", args.input, kind)
    job = _job(args)
    document = document_of(args.checkpoint[0]) if args.document else None
    if not job.is_on_cpu and args.workers not in (None, 1):
        raise ValueError(f"--workers ({args.workers}) is for the CPU: a GPU uses one process, --device cpu several")
    beside = {name: getattr(args, name) for name in ("trees", "images", "sounds")}
    given = Input(sentences=args.sentences, path=args.input, document=document, **beside)
    return LineTranslation(job, given, 1 if args.sentences else _num_workers(args, job))


def _num_workers(args: argparse.Namespace, job: Job) -> int:
    return args.workers or (num_threads() if job.is_on_cpu else 1)


def _made_by(args: argparse.Namespace, job: Job, *more: object) -> str:
    """The fingerprint of the translation of a file."""
    from mt.checkpoint.steps import find_step
    from mt.inference.translate_lines import fingerprint

    folders = job.checkpoints if args.engine else map(find_step, job.checkpoints)
    others = [find_step(args.rerank)] if args.rerank else []
    of_model = [file for folder in [*folders, *others] for file in sorted(folder.iterdir())]
    files = [path for path in (args.input, args.trees, args.images, args.sounds, args.terms) if path]
    return fingerprint(job.options, [*files, *of_model], args.document, *more)


def _translate_format(args: argparse.Namespace) -> None:
    """From file to file of a format, whose texts alone change."""
    from mt.checkpoint.folder import read_card
    from mt.checkpoint.steps import find_step
    from mt.inference.files.job import shown, translate_with
    from mt.inference.files.passage import FileSettings
    from mt.inference.files.table import file_format
    from mt.inference.files.translate_file import shown_report, translate_file

    for name in NOT_IN_FILES:
        if getattr(args, name) != parser().get_default(name) and getattr(args, name) != []:
            raise ValueError(f"--{name.replace('_', '-')} has no place in a file of --format ({args.format})")
    if not args.input or not args.output or (args.output.exists() and not args.output.is_file()):
        raise ValueError("--format needs files as --input and --output")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError("--format is for one process: --workers starts more on a CPU")
    file_format(args.format)  # a wrong name should not wait for the model
    job = _job(args, markup=True, by_sentence=True)
    card = read_card(find_step(job.checkpoints[0]))
    settings = FileSettings(
        source_language=args.source_language or card.source_language,
        target_language=args.target_language or card.target_language,
        replace=args.replace or "none",
        review=not args.no_review_mark,
    )
    report = translate_file(
        args.input,
        args.output,
        translate_with(job, _num_workers(args, job)),
        format=args.format,
        settings=settings,
        made_by=_made_by(args, job, args.format, settings),
        on_progress=shown(str(args.output)),
    )
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
    from mt.inference.translate_lines import parts_of
    from mt.training.distributed import Ranks

    ranks = Ranks.join("cpu")
    parts = parts_of(args.output, sum(1 for _ in scan_lines(args.input)), ranks.world_size)
    path, lines = parts[ranks.rank]
    args.device = str(ranks.device(choose_device(args.device)))
    translation = _translation(args)
    translation.write_file(path, _made_by(args, translation.job, str(lines)), lines, is_part=True)
    ranks.all_gather(0)  # all are done
    ranks.on_first_rank(lambda: joined([path for path, _ in parts], args.output))
    ranks.leave()


def cli() -> NoReturn:
    """The command, also as the script `translate`."""
    with leaving_at_once():
        run(main)


if __name__ == "__main__":
    cli()
