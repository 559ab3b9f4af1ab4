"""Compares the server on an export for CTranslate2 with CTranslate2 behind a plain handler of FastAPI, by turns.

The plain handler is what one writes in ten lines: each request is translated alone, in one process, by
`translate_batch` with the export's beam size. Both get the same requests from 32 clients and from one, and both compute
on one thread. Numbers are medians of the rounds, ratios are of each round.

    python -m mt.export ctranslate2 --checkpoint checkpoints/demo --output exports/demo
    python scripts/serving_engines.py --checkpoint exports/demo
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from statistics import median

import ctranslate2
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentencepiece import SentencePieceProcessor
from serving_load import Load, Server, served, table

from mt.data.bundled.source import Bundled
from mt.serving.running import listening_socket, url_of

ENGINE = "ctranslate2"


class Inputs(BaseModel):
    """A line."""

    inputs: str


def plain_handler(folder: Path) -> None:
    """Serves an export for CTranslate2 by a plain handler, on a free port."""
    about = json.loads((folder / "export.json").read_text("utf-8"))
    source, target = (SentencePieceProcessor(str(folder / name)) for name in about["tokenizers"])
    model = ctranslate2.Translator(str(folder), inter_threads=1, intra_threads=1)
    size = about["search"]["size"]
    app = FastAPI()

    @app.post("/hf")
    def translate(body: Inputs) -> list[dict[str, str]]:
        pieces = source.encode(body.inputs, out_type=str)
        (found,) = model.translate_batch([pieces], beam_size=size)
        return [{"translation_text": target.decode(found.hypotheses[0])}]

    listening = listening_socket("127.0.0.1", 0)
    print(f"ready: {url_of(listening)}", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_level="error", access_log=False)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


async def measured(args: argparse.Namespace) -> None:
    """Prints the table."""
    lines = [pair.source for pair in Bundled(split="test", size=args.lines)]
    wait = ["--wait", str(args.wait), "--engine", ENGINE]
    servers = {
        "plain handler": Server([sys.executable, __file__, "--plain", str(args.checkpoint)]),
        "server": Server(served(args.checkpoint, args.workers, *wait)),
    }
    found: dict[tuple[str, int], list[Load]] = {}
    try:
        for server in servers.values():
            await server.load(lines[:64], 8)  # what is made at first use
        for number in range(args.rounds):
            for clients in args.clients:
                for name, server in servers.items():
                    load = await server.load(lines, clients)
                    found.setdefault((name, clients), []).append(load)
                    print(f"round {number + 1}: {name}, {clients} clients: {load.rate:.1f} a second", file=sys.stderr)
    finally:
        for server in servers.values():
            server.stop()
    print(
        f"{args.workers} workers, wait {args.wait:g} ms, {args.rounds} rounds, {args.lines} requests of one line each"
    )
    table(found)
    for clients in args.clients:
        pairs = list(zip(found["server", clients], found["plain handler", clients], strict=True))
        rates = [ours.rate / plain.rate for ours, plain in pairs]
        cpu = [(plain.cpu_server + plain.cpu_workers) / (ours.cpu_server + ours.cpu_workers) for ours, plain in pairs]
        print(
            f"{clients} clients, server / plain handler: {median(rates):.2f} times the requests "
            f"({min(rates):.2f} to {max(rates):.2f}); CPU a request, plain handler / server: {median(cpu):.2f}"
        )


def main() -> None:
    """Measures."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", type=Path, help="what mt.export ctranslate2 wrote, of English source")
    flags.add_argument("--plain", type=Path, metavar="FOLDER", help="only serves this export by the plain handler")
    flags.add_argument("--clients", type=int, nargs="+", default=[1, 32], help="(default: 1 32)")
    flags.add_argument("--workers", type=int, default=1, help="of the server (default: %(default)s)")
    flags.add_argument("--wait", type=float, default=3.0, metavar="MS", help="of the server (default: %(default)s)")
    flags.add_argument("--lines", type=int, default=500, help="requests of a round (default: %(default)s)")
    flags.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    args = flags.parse_args()
    if args.plain:
        plain_handler(args.plain)
    elif args.checkpoint:
        asyncio.run(measured(args))
    else:
        flags.error("--checkpoint is needed")


if __name__ == "__main__":
    main()
