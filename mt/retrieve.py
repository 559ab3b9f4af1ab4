"""Finds pictures or sounds for a text, and texts for them, by a checkpoint that has learned it (objective=contrastive).

The nearest vectors of an index come first; then the decoder orders them anew by what a picture adds to the
log-probability of the text, in nats. A line has that gain, the cosine and the name, between tabs; of two pictures, or
two texts, the cosine alone counts.

More commands, each with its own --help: `retrieve index` makes an index, `retrieve evaluate` says how much is found.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from mt.command_line import command_name, run
from mt.flags import Flags, add_candidates, add_checkpoint, add_device, add_precision
from mt.number import Number

if TYPE_CHECKING:
    from mt.inference.retriever import Found, Query, Retriever

MOST = 10_000  # things that are printed


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    flags = Flags(prog=command_name(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("text", metavar="TEXT", nargs="?", help="what is looked for: two red stars")
    flags.add_argument("--image", metavar="FILE", help="a picture that is looked for, in place of a text")
    flags.add_argument("--sound", metavar="FILE", help="a sound that is looked for, in place of a text")
    flags.add_argument("--index", metavar="FOLDER", required=True, help="made by `retrieve index`")
    add_checkpoint(flags, is_searched=False)
    flags.add_argument(
        "--best",
        metavar="N",
        type=Number(int, least=1, most=MOST),
        default=10,
        help="how many are printed (default: %(default)s)",
    )
    add_candidates(flags)
    flags.add_argument(
        "--language",
        metavar="CODE",
        help="of the text, where the model knows several: de (default: the one in which it is likeliest)",
    )
    flags.add_argument("--json", action="store_true", help="a line of JSON each: name, cosine, gain_nats")
    add_device(flags)
    add_precision(flags)
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["index"], ["evaluate"]):
        return import_module(f"mt.retrieve_{arguments[0]}").main(arguments[1:])
    flags = parser().parse_args(arguments)
    given = [name for name in ("text", "image", "sound") if getattr(flags, name) is not None]
    if len(given) != 1:
        raise ValueError("one thing to look for is needed: a text, --image or --sound")
    if flags.language and given != ["text"]:
        raise ValueError("--language has no effect without a text to look for")
    from mt.checkpoint.steps import newest_run
    from mt.inference.retriever import Retriever
    from mt.inference.vector_index import VectorIndex

    index = VectorIndex.load(flags.index)
    checkpoint = flags.checkpoint or str(newest_run())
    retriever = Retriever.load(checkpoint, device=flags.device, precision=flags.precision)
    query = query_of(retriever, given[0], getattr(flags, given[0]))
    found = retriever.find(index, query, best=flags.best, candidates=flags.candidates, language=flags.language)
    sys.stdout.write("".join(f"{written(one, is_json=flags.json)}\n" for one in found))
    return 0


def query_of(retriever: Retriever, kind: str, given: str) -> Query:
    """A text, or the picture or sound in a file."""
    from mt.inference.retriever import Query

    if kind == "text":
        return Query(kind, given)
    return Query(kind, values=retriever.reader(kind, None)(given).values)


def written(one: Found, *, is_json: bool) -> str:
    """A line of the output."""
    if is_json:
        gain = None if one.gain_nats is None else round(one.gain_nats, 4)
        return json.dumps({"name": one.name, "cosine": round(one.cosine, 4), "gain_nats": gain}, ensure_ascii=False)
    from mt.inference.records import in_column

    gain_column = [] if one.gain_nats is None else [f"{one.gain_nats:.2f}"]
    return "\t".join([*gain_column, f"{one.cosine:.4f}", in_column(one.name)])


def cli() -> NoReturn:
    """The command, also as the script `mt-retrieve`."""
    run(main)


if __name__ == "__main__":
    cli()
