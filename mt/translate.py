"""Translate sentences with a trained model: from the command line, a file, or standard input to standard output."""

from __future__ import annotations

import argparse
import json
import logging
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from mt.command_line import Flags, run
from mt.data.whole_folder import whole_file

if TYPE_CHECKING:
    from mt.inference.aligner import Aligner
    from mt.inference.translator import Translation
    from mt.search.search import Search

log = logging.getLogger("mt.translate")

WINDOW = 2048  # lines sorted by length and translated together
PAUSE_SECONDS = 0.05  # of a writer, after which the lines so far are translated


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(
        prog="translate",
        description=__doc__,
        epilog="As many lines come out as went in, in their order. With --n-best, --scores or --alignment a line has "
        "columns between tabs: line number, score, translation, word links (source-target, from 0).",
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
    flags.add_argument("--batch-tokens", type=int, default=4096, help="padded source pieces of a batch (default: 4096)")
    flags.add_argument(
        "--max-pieces", type=int, default=200, help="longer lines are split at sentence ends (default: 200)"
    )
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    flags.add_argument(
        "--precision", default="float32", help="float32, bfloat16 or auto (default: float32, the same in any batch)"
    )
    return flags


def main(argv: list[str] | None = None) -> int:
    """Reads, translates, writes; every line in has its line out."""
    flags = parser()
    args = flags.parse_args(argv)
    if args.sentences and args.input:
        raise ValueError("sentences and --input: give one of them, not both")
    for name in ("n_best", "batch_tokens", "max_pieces"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} ({getattr(args, name)}) must be at least 1")
    if args.sample and args.beam_size is not None:
        raise ValueError("--sample and --beam-size: give one of them, not both")
    if not args.sample and (args.temperature, args.top_k, args.top_p) != (1.0, 0, 1.0):
        raise ValueError("--temperature, --top-k and --top-p are settings of --sample, which is not given")
    if args.input and args.output and args.output.exists() and args.output.samefile(args.input):
        raise ValueError(f"--output ({args.output}) must be another file than --input: it would be emptied first")
    with ExitStack() as stack:
        # files first: a wrong path should not wait for the model
        stream = None if args.sentences else _open(args.input)
        output = stack.enter_context(whole_file(args.output)) if args.output else sys.stdout
        from mt.checkpoint.folder import newest_run
        from mt.inference.aligner import Aligner

        checkpoint = args.checkpoint or newest_run()
        aligner = Aligner.load(checkpoint, device=args.device, precision=args.precision)
        if args.checkpoint is None:
            log.info("checkpoint: %s", checkpoint)
        aligner.translator.check_tag(args.tag)
        search = _search(args, aligner.translator.search)
        number = 0
        windows = _windows(stream) if stream else [_arguments(args.sentences)]
        for window in windows:
            translations = aligner.translator.translate(
                window,
                search=search,
                batch_tokens=args.batch_tokens,
                max_pieces=args.max_pieces,
                seed=args.seed,
                first_line=number,
                tag=args.tag,
            )
            number = _write(list(translations), number, args, aligner, output)
    return 0


def _search(args: argparse.Namespace, default: Search) -> Search:
    """The search that the flags ask for, the checkpoint's own where they are silent."""
    from dataclasses import replace

    from mt.search.beam import adjusted
    from mt.search.sampling import Sampling

    names = ("max_length", "min_length", "no_repeat_ngram", "length_penalty", "n_best")
    wanted = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.sample:
        return Sampling(**wanted, temperature=args.temperature, top_k=args.top_k, top_p=args.top_p)
    size = args.beam_size
    if size is None and args.n_best > getattr(default, "size", 1) and not isinstance(default, Sampling):
        size = args.n_best
    # both at once: n_best may not exceed the size
    return replace(adjusted(default, beam_size=size, n_best=args.n_best), **wanted)


def _open(path: Path | None) -> BinaryIO:
    """The file, or standard input by a reader of our own: Python aborts at exit while a thread waits in sys.stdin."""
    return open(path or sys.stdin.fileno(), "rb", closefd=path is not None)


def _windows(stream: BinaryIO) -> Iterator[list[str]]:
    """Lines in windows that end when they are full or the writer pauses, so that a slow one is answered in time."""
    lines: queue.Queue[bytes | OSError | None] = queue.Queue(maxsize=2 * WINDOW)

    def read() -> None:
        try:
            with stream:
                for line in stream:
                    lines.put(line)
        except OSError as error:  # told by the thread that waits for lines
            lines.put(error)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    number, is_over = 0, False
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
        number += len(decoded)
        if decoded:
            yield decoded


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


def _write(
    translations: list[Translation], number: int, args: argparse.Namespace, aligner: Aligner, output: Any
) -> int:
    """Writes one window; gives the number of lines read so far."""
    ranks = range(args.n_best)
    links = [aligner.word_links(translations, rank) if args.alignment else None for rank in ranks]
    for index, translation in enumerate(translations):
        number += 1
        for note in translation.notes:
            log.warning("line %d: %s", number, note)
        rows = [
            {
                "text": candidate.text,
                "score": round(candidate.score, 4),
                "log_prob": round(candidate.log_prob, 4),
                **({"links": " ".join(f"{s}-{t}" for s, t in links[rank][index])} if links[rank] is not None else {}),
            }
            for rank, candidate in zip(ranks, translation.candidates, strict=False)
        ]
        if args.json:
            body = {"line": number, "source": translation.source, "translations": rows, "notes": translation.notes}
            output.write(json.dumps(body, ensure_ascii=False) + "\n")
            continue
        for row in rows:
            columns = [str(number)] if args.n_best > 1 else []
            columns += [f"{row['score']:.4f}"] if args.scores else []
            columns += [row["text"]]
            columns += [row["links"]] if args.alignment else []
            output.write("\t".join(columns) + "\n")
    output.flush()
    return number


def cli() -> NoReturn:
    """The command, also as the script `translate`."""
    run(main)


if __name__ == "__main__":
    cli()
