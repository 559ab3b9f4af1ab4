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
from pathlib import Path

from mt.interchange.evidence import Evidence

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import chromium, missing, static_host

ASK = """
const [line, done] = arguments;
import("./engine.js").then(async ({ languages, translate }) => {
  const [{ source, target }] = await languages();
  const answer = await translate({ source, target }, line);
  done(answer.lines[0].translations[0]);
}).catch((error) => done({ error: error.message }));
"""
SECONDS = 300


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
    with (
        tempfile.TemporaryDirectory() as profile,
        static_host(flags.folder) as (address, sent),
        chromium(Path(profile)) as driver,
    ):
        driver.set_script_timeout(SECONDS)
        begun = time.monotonic()
        driver.get(address)
        while driver.execute_script("return document.documentElement.dataset.loaded") != "true":
            if time.monotonic() - begun > SECONDS:
                print("the model was not loaded: " + driver.execute_script("return document.body.innerText"))
                return 1
            time.sleep(0.1)
        print(f"first visit: {sum(sent):,} bytes, {time.monotonic() - begun:.1f} s")
        same, times = 0, []
        for line, ids in list(zip(evidence.lines, evidence.found_ids, strict=True))[: flags.lines]:
            begun = time.monotonic()
            found = driver.execute_async_script(ASK, line)
            times.append(time.monotonic() - begun)
            same += found.get("ids") == ids
            if found.get("ids") != ids:
                print(json.dumps({"line": line, "page": found, "ours": ids}, ensure_ascii=False))
    print(f"{same} of {len(times)} lines have the same pieces; {1000 * sum(times) / len(times):.0f} ms a line")
    return 0 if same == len(times) else 1


if __name__ == "__main__":
    raise SystemExit(main())
