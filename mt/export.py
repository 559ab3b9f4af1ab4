"""Writes a trained model for another engine, with a certificate: what was measured by running the exported files.

`what` prints what each target makes of a checkpoint's settings and writes nothing; `verify` measures an exported folder
again. An export that does not compute what the model computes is refused, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NoReturn

from mt.command_line import run
from mt.flags import Flags, add_checkpoint, add_tag
from mt.interchange.table import TARGETS, Row
from mt.number import Number

log = logging.getLogger("mt.export")

WHAT, VERIFY = "what", "verify"
NUM_LINES = 200  # to measure with


def parser() -> argparse.ArgumentParser:
    """The flags, a command for each target; nothing heavy is imported for them."""
    flags = Flags(prog="export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = flags.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, row in TARGETS.items():
        _add_target(commands.add_parser(name, help=row.about, description=row.about), row)
    about = "print what each target makes of a checkpoint's settings: exact, rounded, left out or refused, and why"
    add_checkpoint(commands.add_parser(WHAT, help=about, description=about))
    about = "measure an exported folder again, as its certificate was made; exit code 2 where it fails"
    commands.add_parser(VERIFY, help=about, description=about).add_argument("folder", metavar="FOLDER", type=Path)
    return flags


def _add_target(flags: argparse.ArgumentParser, row: Row) -> None:
    add_checkpoint(flags)
    flags.add_argument("--output", metavar="FOLDER", type=Path, required=True, help="folder to write")
    if row.quantizations:
        flags.add_argument("--quantization", choices=row.quantizations, help="rounds the weights (default: float32)")
    flags.add_argument(
        "--source",
        metavar="FILE",
        help="lines to measure with, a sentence a line (default: the run's validation set, where it is still there)",
    )
    flags.add_argument("--reference", metavar="FILE", help="their translations, for BLEU and chrF")
    flags.add_argument(
        "--limit",
        metavar="N",
        type=Number(int, least=1),
        default=NUM_LINES,
        help="lines to measure with: the first (default: %(default)s)",
    )
    add_tag(flags)
    flags.add_argument("--license", metavar="NAME", help="licence of the model, for its card: apache-2.0, cc-by-4.0, …")
    flags.add_argument(
        "--push", metavar="USER/MODEL", help="copy the finished folder to this repository of the Hugging Face Hub"
    )
    flags.add_argument(
        "--public", action="store_true", help="with --push: a new repository is public (default: private)"
    )
    for flag, how in row.flags.items():
        flags.add_argument(flag, **how)


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    if flags.command == VERIFY:
        from mt.interchange.certificate import summary
        from mt.interchange.export import verify

        print("\n".join(summary(verify(flags.folder))))
        return 0
    from mt.checkpoint.folder import load_checkpoint
    from mt.checkpoint.steps import newest_run

    checkpoint = flags.checkpoint or newest_run()
    if not flags.checkpoint:
        log.info("checkpoint: %s", checkpoint)
    if flags.command == WHAT:
        from mt.interchange.plan import plan_of
        from mt.interchange.target import what

        print(what(plan_of(load_checkpoint(checkpoint))))
        return 0
    _export(flags, checkpoint)
    return 0


def _export(flags: argparse.Namespace, checkpoint: str | Path) -> None:
    from mt.checkpoint.folder import load_checkpoint
    from mt.interchange.certificate import summary
    from mt.interchange.export import export
    from mt.interchange.lines import given_lines, lines_of_run
    from mt.interchange.push import check_repository, push

    if flags.public and not flags.push:
        raise ValueError("--public needs --push: the repository that is to be public")
    if flags.push:
        check_repository(flags.push)
    if flags.reference and not flags.source:
        raise ValueError("--reference needs --source: the lines that it translates")
    if flags.source:
        lines = given_lines(flags.source, flags.reference, flags.limit)
    else:
        lines = lines_of_run(load_checkpoint(checkpoint), flags.limit)
    own = [flag.removeprefix("--").replace("-", "_") for flag in TARGETS[flags.command].flags]
    body = export(
        flags.command,
        checkpoint,
        flags.output,
        lines,
        quantization=getattr(flags, "quantization", None),
        tag=flags.tag,
        licence=flags.license,
        **{name: getattr(flags, name) for name in own},
    )
    print("\n".join([*summary(body), f"written: {flags.output}"]))
    if flags.push:
        print(f"pushed: {push(flags.output, flags.push, is_public=flags.public)}")


def cli() -> NoReturn:
    """The command, also as the script `mt-export`."""
    run(main)


if __name__ == "__main__":
    cli()
