"""Measures the server: requests a second with batches and one by one, the time of one client, and the CPU it takes.

Two servers run by turns on the same model, each with as many workers: one translates every line alone
(`--batch-tokens 1 --wait 0`), one in batches. In each round both get the same requests, from 32 clients and from one;
beside it, lines are translated in this process without a server. Numbers are medians of the rounds, and ratios are
those of each round: other load on the machine then changes little.

    python scripts/serving_load.py --checkpoint checkpoints/demo
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mt.data.bundled.source import Bundled

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 8, 32)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What a number of clients measured: requests a second, times in milliseconds, CPU milliseconds a request."""

    rate: float
    median: float
    slow: float  # the 95th percentile
    cpu_server: float
    cpu_workers: float
    times: tuple[float, ...]  # of each request, in the order of the answers


NUMBERS = ("rate", "median", "slow", "cpu_server", "cpu_workers")


class Server:
    """A server on a free port."""

    def __init__(self, checkpoint: Path, workers: int, *flags: str):
        self.log = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 (as long as the server)
        command = [sys.executable, "-m", "mt.serve", "--checkpoint", str(checkpoint), "--port", "0", "--device", "cpu"]
        self.process = subprocess.Popen([*command, "--workers", str(workers), *flags], cwd=ROOT, stderr=self.log)
        while not (found := re.search(r"^ready: http://(\S+):(\d+)$", Path(self.log.name).read_text(), re.M)):
            if self.process.poll() is not None:
                raise SystemExit(Path(self.log.name).read_text())
            time.sleep(0.1)
        self.host, self.port = found[1], int(found[2])

    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far, of the server and of its workers."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        workers = {pid for task in tasks for pid in (task / "children").read_text().split()}
        return _cpu(str(self.process.pid)), sum(map(_cpu, workers))

    async def load(self, lines: list[str], clients: int) -> Load:
        """So many clients send the lines, each as soon as it has its answer."""
        left, times, before, begun = iter(lines), [], self.cpu(), time.perf_counter()

        async def client() -> None:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            for line in left:
                start = time.perf_counter()
                await _ask(reader, writer, line)
                times.append(1000 * (time.perf_counter() - start))
            writer.close()

        await asyncio.gather(*(client() for _ in range(clients)))
        seconds, after = time.perf_counter() - begun, self.cpu()
        used = [1000 * (new - old) / len(lines) for new, old in zip(after, before, strict=True)]
        return Load(
            len(lines) / seconds, statistics.median(times), sorted(times)[int(0.95 * len(times))], *used, tuple(times)
        )


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> str:
    body = json.dumps({"inputs": line}).encode()
    head = f"POST /hf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", answer)
    assert length and answer.startswith(b"HTTP/1.1 200"), answer
    return json.loads(await reader.readexactly(int(length[1])))[0]["translation_text"]


def _cpu(pid: str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def alone(checkpoint: Path, lines: list[str]) -> list[float]:
    """Milliseconds of each line in a process without a server."""
    code = (
        "import json, sys, time\n"
        "from mt.inference.translator import Translator\n"
        "translator = Translator.load(sys.argv[1], device='cpu')\n"
        "for line in json.load(sys.stdin):\n"
        "    start = time.perf_counter()\n"
        "    list(translator.translate([line]))\n"
        "    print(1000 * (time.perf_counter() - start))\n"
    )
    command = [sys.executable, "-c", code, str(checkpoint)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, check=True, env=environment)
    return list(map(float, done.stdout.split()))


async def measured(args: argparse.Namespace) -> None:
    """Prints the table."""
    lines = [pair.source for pair in Bundled(split="test", size=args.lines)]
    few = lines[: max(20, args.lines // 5)]
    wait = ["--wait", str(args.wait)]
    servers = {
        "one by one": Server(args.checkpoint, args.workers, "--batch-tokens", "1", "--wait", "0"),
        "batches": Server(args.checkpoint, args.workers, *wait),
    }
    found: dict[tuple[str, int], list[Load]] = {}
    without: list[list[float]] = []
    for number in range(args.rounds):
        for clients in CLIENTS:
            for name, server in servers.items():
                load = await server.load(few if clients == 1 else lines, clients)
                found.setdefault((name, clients), []).append(load)
                print(
                    f"round {number + 1}: {name}, {clients} clients: {load.rate:.1f} a second",
                    file=sys.stderr,
                    flush=True,
                )
        without.append(alone(args.checkpoint, few))
    for server in servers.values():
        server.process.send_signal(signal.SIGTERM)
        server.process.wait()
    report(found, without, args)


def report(found: dict[tuple[str, int], list[Load]], without: list[list[float]], args: argparse.Namespace) -> None:
    """The medians of the rounds, and what is promised of them."""
    middle = statistics.median
    print(
        f"{args.workers} workers, wait {args.wait:g} ms, {args.rounds} rounds, {args.lines} requests of one line each"
    )
    print("server      clients  requests/s  median ms  95 % ms  CPU ms a request: server, workers")
    for (name, clients), loads in found.items():
        columns = [middle([getattr(load, field) for load in loads]) for field in NUMBERS]
        widths = (11, 10, 8, 13, 9)
        numbers = " ".join(f"{number:{width}.1f}" for number, width in zip(columns, widths, strict=True))
        print(f"{name:11} {clients:7} {numbers}")
    most = max(CLIENTS)
    pairs = list(zip(found["batches", most], found["one by one", most], strict=True))
    print(f"{most} clients, batches / one by one: {middle([a.rate / b.rate for a, b in pairs]):.1f} times the requests")
    cpu = [b.cpu_workers / a.cpu_workers for a, b in pairs]
    print(f"{most} clients, workers' CPU a request, one by one / batches: {middle(cpu):.1f}")
    # of each line the fastest of all rounds: other programs only make a line slower
    server = [min(times) for times in zip(*(load.times for load in found["batches", 1]), strict=True)]
    direct = [min(times) for times in zip(*without, strict=True)]
    more = [slow - fast for slow, fast in zip(server, direct, strict=True)]
    print(f"one client: {middle(direct):.1f} ms a line without a server, {middle(more):.1f} ms more with it")


def main() -> None:
    """Measures."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", type=Path, required=True, help="of English source")
    flags.add_argument("--workers", type=int, default=1, help="(default: %(default)s)")
    flags.add_argument("--wait", type=float, default=3.0, metavar="MS", help="(default: %(default)s)")
    flags.add_argument("--lines", type=int, default=300, help="requests of a round (default: %(default)s)")
    flags.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    asyncio.run(measured(flags.parse_args()))


if __name__ == "__main__":
    main()
