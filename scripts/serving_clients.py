"""The clients of the proof of the server (`scripts/serving_proof.py`): those that behave, and those that do not."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

MAX_BODY = 20_000  # bytes that the server takes
BODY_SECONDS = 5.0  # that a request may take to arrive
REFUSALS = (503, 504)  # that a server under load may give


@dataclass
class Server:
    """A server that runs: where, its process, and what it has said."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def workers(self) -> list[int]:
        """The processes that translate."""
        found: set[int] = set()
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # a thread that has ended meanwhile
                found |= set(map(int, (task / "children").read_text().split()))
        return sorted(found)

    def memory(self) -> dict[str, int]:
        """Resident bytes of the server itself, and of its workers together."""
        return {"server": _resident(self.process.pid), "workers": sum(map(_resident, self.workers()))}


@dataclass
class Tally:
    """What came of the requests."""

    expected: dict[str, str]
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def judge(self, kind: str, response: httpx.Response, texts: list[str], found: Callable[[], list[str]]) -> None:
        """Counts an answer: right texts, or a refusal."""
        self.codes[f"{kind} {response.status_code}"] += 1
        if response.status_code in REFUSALS:
            if response.status_code == 503 and "retry-after" not in response.headers:
                self.wrong.append(f"{kind}: 503 without Retry-After")
        elif response.status_code != 200:
            self.wrong.append(f"{kind}: {response.status_code} {response.text[:200]}")
        elif found() != [self.expected[text] for text in texts]:
            self.wrong.append(f"{kind}: {texts} became {found()}")

    def expect(self, kind: str, code: int, *allowed: int) -> None:
        """Counts an answer that must have one of these codes."""
        self.codes[f"{kind} {code}"] += 1
        if code not in allowed:
            self.wrong.append(f"{kind}: {code}, must be one of {allowed}")


async def ask(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    response = await session.post("/api/translate", json={"texts": texts, "alignment": len(texts) > 1})
    tally.judge("own", response, texts, lambda: [one["text"] for one in response.json()["translations"]])


async def _libretranslate(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    response = await session.post("/translate", json={"q": texts, "source": "en", "target": "de"})
    tally.judge("libretranslate", response, texts, lambda: response.json()["translatedText"])


async def _deepl(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    response = await session.post("/v2/translate", data={"text": texts, "target_lang": "DE", "split_sentences": "0"})
    tally.judge("deepl", response, texts, lambda: [one["text"] for one in response.json()["translations"]])


async def _hugging_face(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    response = await session.post("/hf", json={"inputs": texts})
    tally.judge("hugging face", response, texts, lambda: [one["translation_text"] for one in response.json()])


async def _stream(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    async with session.stream("POST", "/api/translate", json={"texts": texts, "stream": True}) as response:
        events = (await response.aread()).decode().strip().split("\n\n")
    if response.status_code != 200:
        tally.judge("stream", response, texts, list)
        return
    names = [re.match("event: (.*)", event)[1] for event in events]  # type: ignore[index]
    if names[-1] == "error":
        data = json.loads(events[-1].partition("data: ")[2])
        tally.expect("stream", data["status"], *REFUSALS)
    else:
        data = json.loads(events[-1].partition("data: ")[2])
        tally.judge("stream", response, texts, lambda: [one["text"] for one in data["translations"]])


async def _leave(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    """Sends a request and goes."""
    _, writer = await asyncio.open_connection(*server.address)
    writer.write(_raw({"texts": texts, "n_best": 4}))
    await writer.drain()
    await asyncio.sleep(0.001 * len(texts[0]) % 0.02)
    writer.close()
    tally.codes["left"] += 1


async def _slow(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    """Sends a request in pieces, within the time."""
    raw = _raw({"texts": texts})
    pieces = [raw[:20], raw[20:-10], raw[-10:-5], raw[-5:]]
    reader, writer = await asyncio.open_connection(*server.address)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(BODY_SECONDS / 25)
    tally.expect("slow", await _code(reader, writer), 200, *REFUSALS)


async def _too_slow(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    """Never sends the end of its request."""
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(_raw({"texts": texts})[:-5])
    await writer.drain()
    tally.expect("too slow", await _code(reader, writer), 408)


async def _too_large(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    response = await session.post("/api/translate", json={"texts": ["x" * MAX_BODY]})
    tally.expect("too large", response.status_code, 413)


async def _malformed(session: httpx.AsyncClient, server: Server, tally: Tally, texts: list[str]) -> None:
    """No JSON, no UTF-8, half a character, a field that there is not, too deep, and no HTTP."""
    bodies = [
        b'{"texts": [',
        b'{"texts": ["\xff"]}',
        b'{"texts": ["\\ud800"]}',
        b'{"texts": ["a"], "x": 1}',
        b"[" * 5000,
    ]
    for body in bodies:
        response = await session.post("/api/translate", content=body, headers={"content-type": "application/json"})
        tally.expect("malformed", response.status_code, 400)
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n")
    await writer.drain()
    tally.expect("malformed", await _code(reader, writer), 400)


KINDS: dict[str, tuple[int, Callable[..., Awaitable[None]]]] = {
    "own": (25, ask),
    "libretranslate": (20, _libretranslate),
    "deepl": (20, _deepl),
    "hugging face": (15, _hugging_face),
    "stream": (5, _stream),
    "leave": (5, _leave),
    "slow": (3, _slow),
    "too slow": (1, _too_slow),
    "too large": (3, _too_large),
    "malformed": (3, _malformed),
}


def _raw(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = "POST /api/translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content


async def _code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    line = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    return int(line.split()[1]) if line else 0


def _resident(pid: int) -> int:
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0
