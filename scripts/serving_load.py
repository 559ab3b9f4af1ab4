"""Measures the server: requests a second with batches and one by one, the time of one client, and the CPU it takes.

Two servers run by turns on the same model, each with as many workers: one translates every line alone
(`--batch-tokens 1 --wait 0`), one in batches. In each round both get the same requests, from 32 clients and from one;
beside it, lines are translated without a server. Numbers are medians of the rounds, ratios are of each round, and CPU
time is given beside the times: other load on the machine then changes little.

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
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from mt.data.bundled.source import Bundled

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What a number of clients measured: requests a second, times in milliseconds, CPU milliseconds a request."""

    rate: float
    median: float
    slow: float  # the 95th percentile
    cpu_server: float
    cpu_workers: float


class Server:
    """A server on a free port."""

    def __init__(self, command: list[str]):
        """Starts it; the command logs `ready: http://HOST:PORT` once it is."""
        self.log = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 (as long as the server)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=self.log, env=environment)
        while not (found := re.search(r"^ready: http://(\S+):(\d+)$", Path(self.log.name).read_text(), re.M)):
            if self.process.poll() is not None:
                raise SystemExit(Path(self.log.name).read_text())
            time.sleep(0.1)
        self.host, self.port = found[1], int(found[2])

    def stop(self) -> None:
        """Ends it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far, of the server and of its workers."""
        workers: set[str] = set()
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # a thread that has ended meanwhile
                workers |= set((task / "children").read_text().split())
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
        return Load(len(lines) / seconds, statistics.median(times), sorted(times)[int(0.95 * len(times))], *used)


def served(checkpoint: Path, workers: int, *flags: str) -> list[str]:
    """The command of a server."""
    command = [sys.executable, "-m", "mt.serve", "--checkpoint", str(checkpoint), "--port", "0", "--device", "cpu"]
    return [*command, "--workers", str(workers), *flags]


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


def alone(checkpoint: Path, lines: list[str]) -> float:
    """CPU milliseconds a line in a process without a server."""
    code = (
        "import json, sys, time\n"
        "from mt.inference.translator import Translator\n"
        "translator = Translator.load(sys.argv[1], device='cpu')\n"
        "list(translator.translate(['.']))\n"  # as the server's worker does before it is ready
        "start, lines = time.process_time(), json.load(sys.stdin)\n"
        "for line in lines:\n"
        "    list(translator.translate([line]))\n"
        "print(1000 * (time.process_time() - start) / len(lines))\n"
    )
    command = [sys.executable, "-c", code, str(checkpoint)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


async def measured(args: argparse.Namespace) -> None:
    """Prints the table."""
    lines = [pair.source for pair in Bundled(split="test", size=args.lines)]
    few = lines[: max(20, args.lines // 5)]
    wait = ["--wait", str(args.wait)]
    servers = {
        "one by one": Server(served(args.checkpoint, args.workers, "--batch-tokens", "1", "--wait", "0")),
        "batches": Server(served(args.checkpoint, args.workers, *wait)),
    }
    found: dict[tuple[str, int], list[Load]] = {}
    without: list[float] = []
    try:
        for number in range(args.rounds):
            for clients in args.clients:
                for name, server in servers.items():
                    load = await server.load(few if clients == 1 else lines, clients)
                    found.setdefault((name, clients), []).append(load)
                    print(f"round {number + 1}: {name}, {clients} clients: {load.rate:.1f} a second", file=sys.stderr)
            if 1 in args.clients:
                without.append(alone(args.checkpoint, few))
    finally:
        for server in servers.values():
            server.stop()
    report(found, without, args)


def table(found: dict[tuple[str, int], list[Load]]) -> None:
    """Prints the medians of the rounds."""
    print("server         clients  requests/s  median ms  95 % ms  CPU ms a request: server, workers")
    for (name, clients), loads in found.items():
        columns = list(map(statistics.median, zip(*map(astuple, loads), strict=True)))
        widths = (11, 10, 8, 13, 9)
        numbers = " ".join(f"{number:{width}.1f}" for number, width in zip(columns, widths, strict=True))
        print(f"{name:14} {clients:7} {numbers}")


def report(found: dict[tuple[str, int], list[Load]], without: list[float], args: argparse.Namespace) -> None:
    """The medians of the rounds, and what is promised of them."""
    middle = statistics.median
    print(
        f"{args.workers} workers, wait {args.wait:g} ms, {args.rounds} rounds, {args.lines} requests of one line each"
    )
    table(found)
    most = max(args.clients)
    pairs = list(zip(found["batches", most], found["one by one", most], strict=True))
    print(f"{most} clients, batches / one by one: {middle([a.rate / b.rate for a, b in pairs]):.1f} times the requests")
    cpu = [b.cpu_workers / a.cpu_workers for a, b in pairs]
    print(f"{most} clients, workers' CPU a request, one by one / batches: {middle(cpu):.1f}")
    if 1 not in args.clients:
        return
    loads = found["batches", 1]
    more = [load.cpu_server + load.cpu_workers - cpu for load, cpu in zip(loads, without, strict=True)]
    print(
        f"one client: {middle(without):.1f} CPU ms a line without a server, {middle(more):.1f} more with it, "
        f"and the wait of {args.wait:g} ms"
    )


def main() -> None:
    """Measures."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", type=Path, required=True, help="of English source")
    flags.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="(default: 1 8 32)")
    flags.add_argument("--workers", type=int, default=1, help="(default: %(default)s)")
    flags.add_argument("--wait", type=float, default=3.0, metavar="MS", help="(default: %(default)s)")
    flags.add_argument("--lines", type=int, default=300, help="requests of a round (default: %(default)s)")
    flags.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    asyncio.run(measured(flags.parse_args()))


if __name__ == "__main__":
    main()
