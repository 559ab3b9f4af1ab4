"""Opens an exported page in Chromium and compares what it translates, piece by piece, with our own beam search.

    python scripts/browser_proof.py FOLDER [--lines 100]

FOLDER is what `python -m mt.export browser` wrote: its evidence.json has the lines and the pieces of our own search.
Prints how many lines have the same pieces, the bytes of the first visit, and the time a line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from mt.interchange.evidence import Evidence

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import chromium, missing

ASK = """
const [line, done] = arguments;
const { languages, translate } = await import("./engine.js");
const [{ source, target }] = await languages();
const found = [];
translate({ source, target }, line, { onLine: (_, record) => found.push(record) }).then(
  () => done(found[0].translations[0]), (error) => done({ error: error.message }));
"""
SECONDS = 300


class Files(SimpleHTTPRequestHandler):
    """A static host that counts what it sends."""

    sent = 0

    def log_message(self, format: str, *values: Any) -> None:
        """Quiet."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        data = source.read()
        Files.sent += len(data)
        outputfile.write(data)


@contextmanager
def host(folder: Path) -> Iterator[str]:
    """The address of a static host of this folder, on this machine alone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--lines", metavar="N", type=int, default=100, help="(default: %(default)s)")
    flags = parser.parse_args()
    if lacks := missing():
        print(lacks)
        return 2
    evidence = Evidence.read(flags.folder)
    with tempfile.TemporaryDirectory() as profile, host(flags.folder) as address, chromium(Path(profile)) as driver:
        driver.set_script_timeout(SECONDS)
        begun = time.monotonic()
        driver.get(address)
        while driver.execute_script("return document.documentElement.dataset.loaded") != "true":
            if time.monotonic() - begun > SECONDS:
                print("the model was not loaded: " + driver.execute_script("return document.body.innerText"))
                return 1
            time.sleep(0.1)
        print(f"first visit: {Files.sent:,} bytes, {time.monotonic() - begun:.1f} s")
        same, times = 0, []
        for line, ids in list(zip(evidence.lines, evidence.found_ids, strict=True))[: flags.lines]:
            begun = time.monotonic()
            found = driver.execute_async_script(f"(async () => {{{ASK}}}).apply(null, arguments)", line)
            times.append(time.monotonic() - begun)
            same += found.get("ids") == ids
            if found.get("ids") != ids:
                print(json.dumps({"line": line, "page": found, "ours": ids}, ensure_ascii=False))
    print(f"{same} of {len(times)} lines have the same pieces; {1000 * sum(times) / len(times):.0f} ms a line")
    return 0 if same == len(times) else 1


if __name__ == "__main__":
    raise SystemExit(main())
