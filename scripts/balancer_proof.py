"""Proves the balancer: nginx with scripts/deploy/nginx.conf before two servers, one of which ends on the way.

Names of containers are replaced by addresses of this machine, since `resolve` needs the engine's resolver and nginx
1.27.3. While 16 clients ask, one server is told to end (SIGTERM) and, before it has, killed (SIGKILL): every request
must be answered with the same text as before. Then a file and events go through, and /metrics must not.

    python scripts/balancer_proof.py --checkpoint checkpoints/demo      # needs nginx
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from serving_load import Server, served

from mt.data.bundled.source import Bundled
from mt.serving.running import listening_socket

CONFIG = Path(__file__).parent / "deploy" / "nginx.conf"
CLIENTS = 16


def config(ports: list[int], port: int, folder: Path) -> Path:
    """The balancer's settings for servers on this machine."""
    text = CONFIG.read_text("utf-8").replace("listen 8080;", f"listen 127.0.0.1:{port};")
    text = re.sub(r" *resolver .*\n", "", text).replace("/tmp/nginx.pid", str(folder / "pid"))
    group = r"server server:5000 resolve(.*);"
    replaced, count = re.subn(group, "".join(rf"server 127.0.0.1:{port}\1;" for port in ports), text)
    assert count == 2, "the two groups of servers"
    path = folder / "nginx.conf"
    path.write_text(replaced, "utf-8")
    return path


async def proved(url: str, lines: list[str], disturb: list[tuple[int, str]], servers: list[Server]) -> Counter[str]:
    """Asks for all lines; at the numbers of `disturb` the first server gets a signal. Gives what came of it."""
    found: Counter[str] = Counter()
    left, at = iter(enumerate(lines)), dict(disturb)
    async with httpx.AsyncClient(base_url=url, timeout=60) as session:

        async def client() -> None:
            for number, line in left:
                if number in at:
                    getattr(servers[0].process, at[number])()
                    found[f"server told to {at[number]}"] += 1
                answer = await session.post("/hf", json={"inputs": line})
                found[f"{answer.status_code}"] += 1
                texts = known.setdefault(line, answer.text)
                found["other text"] += texts != answer.text

        known: dict[str, str] = {}
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        body = {"texts": lines[:3], "stream": True}
        events = (await session.post("/api/translate", json=body)).text.count("event: ")
        found[f"{events} events"] += 1
        sent = {"source": "en", "target": "de"}
        answer = await session.post("/translate_file", files={"file": ("a.txt", lines[0].encode())}, data=sent)
        place = answer.json()["translatedFileUrl"].partition("/download_file")[2]
        found[f"file {(await session.get('/download_file' + place)).status_code}"] += 1
        found[f"/metrics {(await session.get('/metrics')).status_code}"] += 1
    return found


def main() -> int:
    """Runs the proof."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", type=Path, required=True, help="of English source")
    flags.add_argument("--requests", type=int, default=400, help="(default: %(default)s)")
    args = flags.parse_args()
    if not (nginx := shutil.which("nginx")):
        flags.error("needs nginx (on Debian: apt-get install nginx)")
    lines = [pair.source for pair in Bundled(split="test", size=100)]
    lines = [lines[number % len(lines)] for number in range(args.requests)]
    servers = [Server(served(args.checkpoint, 1)) for _ in range(2)]
    balancer = None
    try:
        with tempfile.TemporaryDirectory() as folder, listening_socket("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
            free.close()
            path = config([server.port for server in servers], port, Path(folder))
            balancer = subprocess.Popen([nginx, "-c", str(path), "-g", "daemon off;", "-e", "stderr"])
            time.sleep(1)
            disturb = [(args.requests // 3, "terminate"), (args.requests // 2, "kill")]
            found = asyncio.run(proved(f"http://127.0.0.1:{port}", lines, disturb, servers))
            balancer.terminate()
            balancer.wait()
    finally:
        for process in filter(None, [*(server.process for server in servers), balancer]):
            if process.poll() is None:
                process.kill()
    for name, count in sorted(found.items()):
        print(f"{count:6,}  {name}")
    holds = found["200"] == args.requests and not found["other text"]
    print("held" if holds and found["/metrics 403"] and found["file 200"] else "wrong")
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
