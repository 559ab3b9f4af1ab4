"""Translate over HTTP: serves finished models by the APIs of LibreTranslate, DeepL and Hugging Face, and by our own."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import NoReturn

from mt.command_line import leaving_at_once, run
from mt.cores import available_cores
from mt.flags import Flags, add_device, add_engine, add_precision
from mt.number import Number
from mt.serving.settings import Limits, Settings

log = logging.getLogger("mt.serve")

ENGINE_OPTIONS = ("device", "precision", "shortlist")  # those of `translate` that hold for all requests


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = Flags(
        prog="serve",
        description=__doc__,
        epilog="SIGTERM and Ctrl-C: accepted requests are answered, then it ends. SIGHUP: models are loaded anew, such "
        "as a new best. The APIs are described at /docs.",
    )
    flags.add_argument(
        "--checkpoint",
        nargs="+",
        metavar="FOLDER",
        type=Path,
        help="run or step folders, each with languages of its own (default: the newest finished run in checkpoints/)",
    )
    flags.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all (default: %(default)s)")
    flags.add_argument(
        "--port", type=Number(int, least=0, most=65535), default=5000, help="0: any free one (default: %(default)s)"
    )
    flags.add_argument(
        "--workers",
        metavar="N",
        type=Number(int, least=1, most=512),
        help="processes that translate, each with one thread (default: one a core; 1 on a GPU)",
    )
    flags.add_argument(
        "--wait",
        metavar="MS",
        type=Number(float, least=0, most=1000),
        default=3.0,
        help="milliseconds that a line waits for others to be translated with it (default: 3)",
    )
    flags.add_argument(
        "--batch-tokens",
        metavar="N",
        type=Number(int, least=1),
        default=4096,
        help="padded source pieces in a batch, divided by the beam size (default: %(default)s)",
    )
    flags.add_argument("--shortlist", action="store_true", help="as in translate --shortlist")
    flags.add_argument("--keys", metavar="FILE", type=Path, help="API keys with quotas (default: no key is needed)")
    flags.add_argument(
        "--state", metavar="FOLDER", type=Path, help="keeps usage and glossaries over restarts (default: they are lost)"
    )
    flags.add_argument(
        "--cors",
        metavar="ORIGIN",
        nargs="+",
        default=[],
        help="sites whose pages may call the server from a browser: https://example.org (default: none)",
    )
    add_device(flags)
    add_precision(flags)
    add_engine(flags)
    _add_limits(flags)
    return flags


def _add_limits(flags: argparse.ArgumentParser) -> None:
    group, limits = flags.add_argument_group("limits; what is beyond is refused by name"), Limits()

    def add(flag: str, kind: Number, metavar: str, what: str) -> None:
        default = getattr(limits, flag.removeprefix("--").replace("-", "_"))
        group.add_argument(flag, metavar=metavar, type=kind, default=default, help=f"{what} (default: {default})")

    for flag, what in (
        ("--max-body", "bytes of a request"),
        ("--max-texts", "texts of a request"),
        ("--max-characters", "characters of a request"),
        ("--max-pieces", "pieces of the tokenizer in a line"),
        ("--max-n-best", "translations of a line"),
        ("--max-beam", "hypotheses of a search"),
        ("--max-queue", "lines that wait; then 503 with Retry-After"),
        ("--max-requests", "requests at the same time; then 503 with Retry-After"),
    ):
        add(flag, Number(int, least=1), "N", what)
    for flag, what in (
        ("--deadline", "seconds until a request's answer; then 504"),
        ("--body-deadline", "seconds for a request to arrive"),
    ):
        add(flag, Number(float, above=0, most=86_400), "S", what)


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings by the flags. Raises ValueError, naming the flag."""
    for origin in args.cors:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            raise ValueError(f"--cors ({origin}) must be an origin such as https://example.org, or *")
    return Settings(
        checkpoints=tuple(args.checkpoint or [_newest_run()]),
        engine=args.engine,
        options={name: getattr(args, name) for name in ENGINE_OPTIONS},
        workers=_num_workers(args),
        wait=args.wait / 1000,
        batch_tokens=args.batch_tokens,
        keys=args.keys,
        state=args.state,
        cors=tuple(args.cors),
        limits=Limits.of(vars(args)),
    )


def _newest_run() -> Path:
    from mt.checkpoint.steps import newest_run

    return newest_run()


def _num_workers(args: argparse.Namespace) -> int:
    is_cpu = args.device == "cpu"
    if args.device == "auto":
        from mt.device import choose_device

        is_cpu = choose_device(args.device).type == "cpu"
    if not is_cpu and args.workers not in (None, 1):
        raise ValueError(f"--workers ({args.workers}) is for the CPU: a GPU uses one process, --device cpu several")
    return args.workers or (available_cores() if is_cpu else 1)


def main(argv: list[str] | None = None) -> int:
    """Serves until it is told to end."""
    args = parser().parse_args(argv)
    settings = settings_of(args)
    try:
        from mt.serving import running
        from mt.serving.service import Service
    except ModuleNotFoundError as error:
        raise ValueError(
            f"serving needs a package that is missing ({error.name}): pip install 'mt-trainer[serve]'"
        ) from None
    listening = running.listening_socket(args.host, args.port)
    service = Service(settings)
    log.info("loading in %d processes", settings.workers)
    asyncio.run(running.run(service, listening))
    return 0


def cli() -> NoReturn:
    """The command, also as the script `mt-serve`."""
    with leaving_at_once():
        run(main)


if __name__ == "__main__":
    cli()
