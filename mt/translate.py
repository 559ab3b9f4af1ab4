"""Translate sentences with a trained model: from the command line, a file, or standard input to standard output."""

from __future__ import annotations

import argparse
import logging
import os
import queue
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TextIO

from mt.command_line import Flags, leaving_at_once, run
from mt.data.whole_folder import whole_file

if TYPE_CHECKING:
    from mt.inference.window import Window

log = logging.getLogger("mt.translate")

WINDOW = 2048  # lines sorted by length and translated together
PAUSE_SECONDS = 0.05  # of a writer, after which the lines so far are translated
ALL = range(sys.maxsize)  # lines of an input
NOT_IN_THE_LINES = {"input", "output", "checkpoint", "workers"}  # flags that change nothing in what is written


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
        "--checkpoint", type=Path, help="run or step folder (default: the newest finished run in checkpoints/)"
    )
    flags.add_argument("--input", type=Path, help="file to translate, a sentence a line (UTF-8)")
    flags.add_argument(
        "--output", type=Path, help="file to write, FILE.unfinished until it is whole; standard output if not given"
    )
    flags.add_argument(
        "--tag", help="goes before each line, for a model that was trained with tags: '<2de>' (default: none)"
    )
    flags.add_argument(
        "--trees",
        type=Path,
        help="file with a dependency tree a line, for a model with structured attention: the position of each word's "
        "head, 0 for a root ('2 3 0'); an empty line: none; of the line alone, with --document, too (default: "
        "sentences are translated without)",
    )
    flags.add_argument(
        "--beam-size", type=int, help="hypotheses kept for each sentence; 1 is greedy (default: the checkpoint's)"
    )
    flags.add_argument(
        "--length-penalty", type=float, help="0 none, more favours longer output (default: the checkpoint's)"
    )
    flags.add_argument("--max-length", type=int, help="most target pieces (default: twice the source and 20)")
    flags.add_argument("--min-length", type=int, help="fewest target pieces (default: 0)")
    flags.add_argument(
        "--no-repeat-ngram", type=int, help="no n-gram of that size twice in a translation (default: 0, off)"
    )
    flags.add_argument(
        "--n-best", type=int, default=1, help="translations for each line, each a line of its own (default: 1)"
    )
    flags.add_argument("--sample", action="store_true", help="draw from the model's distribution instead of searching")
    flags.add_argument("--temperature", type=float, default=1.0, help="of --sample: below 1 is tamer (default: 1)")
    flags.add_argument(
        "--top-k", type=int, default=0, help="of --sample: only the k most likely pieces (default: 0, all)"
    )
    flags.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        help="of --sample: only the likeliest pieces that hold this mass (default: 1)",
    )
    flags.add_argument("--seed", type=int, default=1, help="of --sample (default: 1)")
    flags.add_argument("--scores", action="store_true", help="a column with log-probability / length penalty")
    flags.add_argument("--alignment", action="store_true", help="a column with word links")
    flags.add_argument("--json", action="store_true", help="a JSON object a line, with all of it")
    flags.add_argument(
        "--coverage",
        action="store_true",
        help="in --json: source words that seem to be left out of a translation (hardly read by attention, or left "
        "over for its last step; position from 0), the share of the others, and target words repeated in a row",
    )
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
    flags.add_argument(
        "--batch-tokens",
        type=int,
        help="padded source pieces of a batch (default: 10240 by the size of the beam; GPU: 40960)",
    )
    flags.add_argument(
        "--max-pieces",
        type=int,
        help="longer lines are split at sentence ends, as a note says (default: data.max_pieces in training, or 200)",
    )
    flags.add_argument(
        "--workers",
        type=int,
        help="processes for many lines, each with one thread (default: one a core, or OMP_NUM_THREADS; 1 on a GPU)",
    )
    flags.add_argument(
        "--shortlist",
        action="store_true",
        help="look only at the target pieces that the checkpoint's shortlist has for a source (python -m mt.shortlist)",
    )
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    flags.add_argument(
        "--precision",
        default="float32",
        help="float32, bfloat16, on a CPU int8, or auto (default: float32, the same in any batch)",
    )
    for flag in ("--temperature", "--top-k", "--top-p", "--seed"):
        flags.refuse_idle(flag, "without --sample", lambda given: not given.sample)
    return flags


def main(argv: list[str] | None = None) -> int:
    """Reads, translates, writes; every line in has its line out."""
    flags = parser()
    args = flags.parse_args(argv)
    if args.sentences and args.input:
        raise ValueError("sentences and --input: give one of them, not both")
    for name in ("n_best", "batch_tokens", "max_pieces"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} ({getattr(args, name)}) must be at least 1")
    if args.sample and args.beam_size is not None:
        raise ValueError("--sample and --beam-size: give one of them, not both")
    for sentence in filter(os.path.isfile, args.sentences):
        log.warning("%s is a file, translated as a sentence; --input translates its lines", sentence)
    if args.coverage and not args.json:
        raise ValueError("--coverage needs --json, which has the place for it")
    if args.input and args.output and args.output.exists() and args.output.samefile(args.input):
        raise ValueError(f"--output ({args.output}) must be another file than --input: it would be emptied first")
    if args.workers is not None and args.workers < 1:
        raise ValueError(f"--workers ({args.workers}) must be at least 1")
    # files first: a wrong path should not wait for the model
    if args.trees:
        open(args.trees, "rb").close()
    stream = None if args.sentences else _open(args.input)
    if os.environ.get("WORLD_SIZE", "1") != "1":
        _translate_parts(args, stream)
    elif stream and args.input and args.output and not (args.output.exists() and not args.output.is_file()):
        _translate_file(args, stream, args.output)
    else:
        with whole_file(args.output) if args.output else nullcontext(sys.stdout) as output:
            _translate(args, stream, output)
    return 0


def _translate(args: argparse.Namespace, stream: BinaryIO | None, output: TextIO, lines: range = ALL) -> None:
    """Writes what the flags ask for; of a stream, of its `lines` alone."""
    from mt.checkpoint.folder import newest_run
    from mt.device import choose_device
    from mt.inference.document import document_of, in_documents, with_neighbours
    from mt.inference.job import Job
    from mt.inference.spread import in_order
    from mt.inference.window import Window

    job = Job(args.checkpoint or newest_run(), args)
    if args.checkpoint is None:
        log.info("checkpoint: %s", job.checkpoint)
    document = document_of(job.checkpoint) if args.document else None
    is_cpu = choose_device(args.device).type == "cpu"
    if not is_cpu and args.workers not in (None, 1):
        raise ValueError(f"--workers ({args.workers}) is for the CPU: a GPU is busy with one, --device cpu has cores")
    if stream is None or not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        job.load()  # while whoever writes prepares the first lines
    read = lines if document is None else with_neighbours(lines, document)
    found = _windows(stream, read) if stream else [(0, _arguments(args.sentences))]
    if document is None:
        windows: Iterable[Window] = (Window(first, window) for first, window in found)
    else:
        windows = in_documents(found, lines, document)
    if args.trees:
        windows = _with_trees(windows, args.trees, lines)
    num_workers = args.workers or (_num_threads() if is_cpu and stream else 1)
    for rows in in_order(job, windows, num_workers):
        for note in rows.notes:
            log.warning("%s", note)
        output.write(rows.text)
        output.flush()


def _with_trees(windows: Iterable[Window], path: Path, wanted: range) -> Iterator[Window]:
    """The windows of the `wanted` lines with their trees, line n of the file being that of line n."""
    from mt.data.formats.lines import read_lines

    trees = islice(read_lines(path), wanted.start, None)
    number = wanted.start
    for window in windows:
        of_lines = list(islice(trees, len(window.lines)))
        number = window.first + len(of_lines)
        if len(of_lines) < len(window.lines):
            raise ValueError(f"--trees ({path}) has {number} lines, fewer than there are sentences: one for each")
        yield replace(window, trees=of_lines)
    if wanted.stop == ALL.stop and next(trees, None) is not None:
        raise ValueError(f"--trees ({path}) has more than {number} lines, the sentences that there are: one for each")


def _num_threads() -> int:
    """What OMP_NUM_THREADS says, as torchrun lets it, else the cores."""
    from mt.data.prepare import available_cores

    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else available_cores()


def _translate_file(
    args: argparse.Namespace, stream: BinaryIO, path: Path, lines: range = ALL, *, is_part: bool = False
) -> None:
    """From file to file: what a kill left, made from the same by the same, is gone on from."""
    from mt.checkpoint.folder import find_step, newest_run
    from mt.data.fingerprint import file_stamp, fingerprint_of
    from mt.data.unfinished import Unfinished

    flags = {name: str(value) for name, value in vars(args).items() if name not in NOT_IN_THE_LINES}
    model = [file_stamp(file) for file in sorted(find_step(args.checkpoint or newest_run()).iterdir())]
    trees = [file_stamp(args.trees)] if args.trees else []
    made_by = fingerprint_of(file_stamp(args.input), model, flags, str(lines), *trees)
    unfinished = Unfinished(path, made_by, is_numbered=args.n_best > 1 and not args.json, is_part=is_part)
    if is_part and unfinished.is_whole():
        return
    with unfinished.open(lines.start) as (num_done, output):
        if num_done > lines.start:
            log.info("%s: goes on after line %d", path, num_done)
        _translate(args, stream, output, range(num_done, lines.stop))


def _translate_parts(args: argparse.Namespace, stream: BinaryIO | None) -> None:
    """Under torchrun: every process translates a part of the file, the first puts them together."""
    if stream is None or not args.input or not args.output:
        raise ValueError("several processes, as torchrun starts them, need --input and --output: each does a part")
    from mt.data.unfinished import joined
    from mt.device import choose_device
    from mt.training.distributed import Ranks

    ranks = Ranks.join("cpu")
    num_lines, count = sum(1 for _ in stream), ranks.world_size
    stream.seek(0)
    args.device = str(ranks.device(choose_device(args.device)))
    parts = [args.output.with_name(f"{args.output.name}.part{rank + 1}of{count}") for rank in range(count)]
    lines = range(num_lines * ranks.rank // count, num_lines * (ranks.rank + 1) // count)
    _translate_file(args, stream, parts[ranks.rank], lines, is_part=True)
    ranks.gathered(0)  # all are done
    ranks.first_alone(lambda: joined(parts, args.output))
    ranks.leave()


def _open(path: Path | None) -> BinaryIO:
    """The file, or standard input by a reader of our own: Python aborts at exit while a thread waits in sys.stdin."""
    return open(path or sys.stdin.fileno(), "rb", closefd=path is not None)


def _windows(stream: BinaryIO, wanted: range) -> Iterator[tuple[int, list[str]]]:
    """The `wanted` lines in windows that end when they are full or the writer pauses, so that a slow one is answered.

    With each goes the number of lines before it.
    """
    lines: queue.Queue[bytes | OSError | None] = queue.Queue(maxsize=2 * WINDOW)

    def read() -> None:
        try:
            with stream:
                for line in islice(stream, wanted.start, wanted.stop):
                    lines.put(line)
        except OSError as error:  # told by the thread that waits for lines
            lines.put(error)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    number, is_over = wanted.start, False
    while not is_over:
        window = [lines.get()]
        while window[-1] is not None and len(window) < WINDOW:
            try:
                window.append(lines.get(timeout=PAUSE_SECONDS))
            except queue.Empty:
                break
        is_over = window[-1] is None
        if failures := [item for item in window if isinstance(item, OSError)]:
            raise failures[0]
        decoded = [_decoded(raw, number + index) for index, raw in enumerate(window, start=1) if raw is not None]
        if decoded:
            yield number, decoded
        number += len(decoded)


def _arguments(sentences: list[str]) -> list[str]:
    """Sentences of the command line, each as one line. Python hides bytes that it could not decode in surrogates."""
    raw = [text.encode("utf-8", errors="surrogateescape") for text in sentences]
    return [_decoded(sentence, number).replace("\n", " ") for number, sentence in enumerate(raw, start=1)]


def _decoded(raw: bytes, number: int) -> str:
    """The line without its end; bytes that are no UTF-8 become U+FFFD, which is said, for every line must come out."""
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        log.warning("line %d: byte %d (0x%02x) is not UTF-8 and was replaced", number, error.start, line[error.start])
        return line.decode("utf-8", errors="replace")


def cli() -> NoReturn:
    """The command, also as the script `translate`."""
    with leaving_at_once():
        run(main)


if __name__ == "__main__":
    cli()
