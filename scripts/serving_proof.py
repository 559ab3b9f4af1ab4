"""Proves that the server holds: every accepted request is answered rightly, or refused with a code, whatever happens.

Clients send requests of all APIs to a server on this machine, while its workers are killed, models are loaded anew,
and other clients are slow, leave, send too much, or send what is no request. Each translation must be the text that
`translate` gives for that line. Then SIGTERM comes while requests are being computed: all must be answered, and the
server must end with 0.

    python scripts/serving_proof.py                       # 10,000 requests, 32 clients, requests made from the OpenAPI
    python scripts/serving_proof.py --requests 1000 --fuzz 0
    python scripts/serving_proof.py --requests 100000 --fuzz 0 --memory      # its memory must stay flat
    python scripts/serving_proof.py --requests 100000 --fuzz 0 --memory --minutes 20
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from serving_clients import BODY_SECONDS, KINDS, MAX_BODY, Server, Tally, ask

from mt.data.bundled.source import Bundled

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    "data.train.size=1000",
    "data.valid.size=40",
    "data.tests.test.size=20",
    "~data.tests.test_compositional",
    "tokenizer.vocab_size=400",
    "model=tiny",
    "model.layer.dim=32",
    "model.layer.feed_forward_dim=32",
    "batches.max_tokens=1024",
    "trainer.max_steps=8",
    "trainer.validate_every=8",
    "trainer.device=cpu",
    "validation.sample_lines=0",
    "+validation.search.max_length=8",
    "search.max_length=8",
]
SAMPLED = 1000  # most requests between two samples of the memory
NUM_LINES = 400  # different lines
LEAST_GROWTH, MOST_GROWTH = 8 << 20, 0.05  # of memory in the second half: bytes and share that are noise


def main() -> int:
    """Runs the proof and prints what was counted."""
    args = parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="serving-proof-"))
    server: Server | None = None
    try:
        checkpoint = args.checkpoint or trained(folder)
        expected = translations(checkpoint, folder)
        server = start(checkpoint, folder, args.workers)
        tally = Tally(expected)
        memory = asyncio.run(soak(server, tally, args))
        if args.fuzz:
            tally.wrong += fuzz(server, args.fuzz)
        asyncio.run(drain(server, tally))
        if not is_flat(memory, args):
            tally.wrong.append("memory grew")
        report(tally)
        return 1 if tally.wrong else 0
    finally:
        if server is not None and server.process.poll() is None:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", type=Path, help="of English source (default: a tiny one is trained first)")
    flags.add_argument("--requests", type=int, default=10_000, help="(default: %(default)s)")
    flags.add_argument("--clients", type=int, default=32, help="at the same time (default: %(default)s)")
    flags.add_argument("--workers", type=int, default=2, help="of the server (default: %(default)s)")
    flags.add_argument("--kill-every", type=float, default=5.0, metavar="S", help="a worker; 0: none (default: 5)")
    flags.add_argument("--reload-every", type=float, default=30.0, metavar="S", help="SIGHUP; 0: none (default: 30)")
    flags.add_argument(
        "--fuzz", type=int, default=30, help="schemathesis: examples of each call; 0: none (default: 30)"
    )
    flags.add_argument("--minutes", type=float, help="at most so long: then the requests are those made until then")
    flags.add_argument("--memory", action="store_true", help="memory must stay flat (without kills and reloads)")
    flags.add_argument("--seed", type=int, default=1)
    return flags


def trained(folder: Path) -> Path:
    """A tiny model, whose translations are wrong, but always the same."""
    run = folder / "run"
    command = [sys.executable, "-m", "mt.train", "experiment=demo", f"folder={run}", f"data.prepared={folder}/data"]
    subprocess.run([*command, *TINY], cwd=ROOT, check=True, capture_output=True)
    return run


def translations(checkpoint: Path, folder: Path) -> dict[str, str]:
    """What `translate` makes of each line."""
    lines = list(dict.fromkeys(pair.source for pair in Bundled(split="test", size=NUM_LINES)))
    (folder / "lines.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command = [sys.executable, "-m", "mt.translate", "--checkpoint", str(checkpoint), "--workers", "1"]
    command += ["--input", str(folder / "lines.txt"), "--output", str(folder / "translated.txt"), "--device", "cpu"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found = (folder / "translated.txt").read_text("utf-8").split("\n")[:-1]
    return dict(zip(lines, found, strict=True))


def start(checkpoint: Path, folder: Path, workers: int) -> Server:
    """The server, once it is ready."""
    log = folder / "log"
    command = [sys.executable, "-m", "mt.serve", "--checkpoint", str(checkpoint), "--port", "0", "--device", "cpu"]
    command += ["--workers", str(workers), "--max-body", str(MAX_BODY), "--body-deadline", str(BODY_SECONDS)]
    command += ["--max-queue", "64", "--deadline", "20"]
    with open(log, "w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, stderr=stderr, text=True)
    while not (found := re.search(r"^ready: (\S+)$", log.read_text(), re.M)):
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.1)
    return Server(found[1], process, log)


async def soak(server: Server, tally: Tally, args: argparse.Namespace) -> list[dict[str, int]]:
    """All requests, with everything that disturbs; gives samples of the memory."""
    rng, memory = random.Random(args.seed), []
    lines, begun = list(tally.expected), time.monotonic()
    left = _numbers(args, begun)
    done = 0
    disturbing = (
        [] if args.memory else [_kill(server, args.kill_every, tally), _reload(server, args.reload_every, tally)]
    )
    tasks = [asyncio.create_task(one) for one in disturbing]

    async def client(session: httpx.AsyncClient) -> None:
        nonlocal done
        for number in left:
            await _request(session, server, tally, rng, lines)
            done += 1
            if number % min(SAMPLED, max(1, args.requests // 20)) == 0:
                memory.append(server.memory())
                print(f"{number} requests, {time.monotonic() - begun:.0f} s, {memory[-1]}", file=sys.stderr, flush=True)

    limits = httpx.Limits(max_connections=args.clients)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as session:
        await asyncio.gather(*(client(session) for _ in range(args.clients)))
    for task in tasks:
        task.cancel()
    print(f"{done:,} requests in {time.monotonic() - begun:.0f} s")
    return memory


def _numbers(args: argparse.Namespace, begun: float) -> Iterator[int]:
    """Of the requests, until there are enough or the time is over."""
    for number in range(args.requests):
        if args.minutes is not None and time.monotonic() - begun > 60 * args.minutes:
            return
        yield number


async def _request(
    session: httpx.AsyncClient, server: Server, tally: Tally, rng: random.Random, lines: list[str]
) -> None:
    kind = rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
    texts = rng.sample(lines, rng.choice((1, 1, 1, 2, 3)))
    try:
        await KINDS[kind][1](session, server, tally, texts)
    except (httpx.HTTPError, OSError, asyncio.IncompleteReadError, ValueError) as error:
        tally.wrong.append(f"{kind}: {type(error).__name__} {error}")


async def _kill(server: Server, every: float, tally: Tally) -> None:
    while every:
        await asyncio.sleep(every)
        if workers := server.workers():
            os.kill(random.choice(workers), signal.SIGKILL)
            tally.codes["workers killed"] += 1


async def _reload(server: Server, every: float, tally: Tally) -> None:
    while every:
        await asyncio.sleep(every)
        server.process.send_signal(signal.SIGHUP)
        tally.codes["models loaded anew"] += 1


def fuzz(server: Server, examples: int) -> list[str]:
    """Requests that schemathesis makes from the description of the API; what it finds wrong."""
    config = server.log.with_name("schemathesis.toml")
    # a deadline of a millisecond is kept by a 504, and that is no failure
    config.write_text('[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", "503", "504"]\n')
    command = [sys.executable, "-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"]
    command += [
        "--config-file",
        str(config),
        "run",
        f"{server.url}/openapi.json",
        "--max-examples",
        str(examples),
        "--no-color",
    ]
    checks = "not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance"
    command += ["--phases", "examples,coverage,fuzzing", "--checks", checks, "--request-timeout", "30"]
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True)
    print("\n".join(done.stdout.strip().splitlines()[-12:]))
    return [] if done.returncode == 0 else [f"schemathesis: {done.stdout[-3000:]}"]


async def drain(server: Server, tally: Tally) -> None:
    """SIGTERM while requests are being computed: each is answered, and the exit code is 0."""
    lines = list(tally.expected)[:48]
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as session:
        asked = [asyncio.create_task(ask(session, server, tally, [line])) for line in lines]
        await asyncio.sleep(0.15)
        server.process.send_signal(signal.SIGTERM)
        for error in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(error, httpx.ConnectError):
                tally.codes["came after SIGTERM"] += 1  # the socket was closed: nothing was accepted
            elif error is not None:
                tally.wrong.append(f"drain: {type(error).__name__} {error}")
    code = await asyncio.to_thread(server.process.wait, 60)
    tally.codes[f"SIGTERM ended the server with {code}"] += 1
    if code:
        tally.wrong.append(f"exit code {code}")
    said = server.log.read_text()
    if leaked := [line for line in tally.expected if line in said]:
        tally.wrong.append(f"{len(leaked)} texts stand in the log")
    if errors := [line for line in said.splitlines() if "failed" in line or "Traceback" in line]:
        tally.wrong.append(f"log: {errors[:3]}")


def is_flat(memory: list[dict[str, int]], args: argparse.Namespace) -> bool:
    """Whether memory did not grow in the second half."""
    if not args.memory:
        return True
    half = len(memory) // 2
    for name in ("server", "workers"):
        before, after = (max(one[name] for one in part) for part in (memory[half // 2 : half], memory[half:]))
        growth = after - before
        print(f"memory of the {name}: {before / 2**20:.1f} MiB in the second quarter, then {after / 2**20:.1f} MiB")
        if growth > max(LEAST_GROWTH, MOST_GROWTH * before):
            return False
    return True


def report(tally: Tally) -> None:
    """Prints what was counted."""
    for name, count in sorted(tally.codes.items()):
        print(f"{count:8,}  {name}")
    for wrong in tally.wrong[:20]:
        print(f"WRONG: {wrong}")
    print("held" if not tally.wrong else f"{len(tally.wrong)} wrong")


if __name__ == "__main__":
    raise SystemExit(main())
