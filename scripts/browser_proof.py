"""Opens an exported page in Chromium and compares what it translates, piece by piece, with our own beam search.

    python scripts/browser_proof.py FOLDER [--lines 100] [--checkpoint CHECKPOINT]

FOLDER is what `python -m mt.export browser` wrote: its evidence.json has the lines and the pieces of our own search.
Prints how many lines have the same pieces, the bytes of the first visit, and the time a line. With the checkpoint that
it was made of, also how many lines are translated, linked and marked the same with a term (the longest word of the line
must become the longest one of another line's reference), with a tag around the longest word, and how many have the same
five alternatives to the second word.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mt.inference.alternatives import alternatives
from mt.inference.job import Job, load_models
from mt.inference.options import Options
from mt.inference.terms import Glossary
from mt.inference.window import Window
from mt.interchange.evidence import Evidence

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import chromium, missing, static_host

ASK = """
const [line, asked, prefix, number, done] = arguments;
import("./engine.js").then(async ({ alternatives, languages, translate }) => {
  const [{ source, target }] = await languages();
  const all = { source, target, ...asked };
  done(number > 1 ? await alternatives(all, line, prefix, number) : (await translate(all, line)).lines[0]);
}).catch((error) => done({ error: error.message }));
"""
SECONDS = 300
NUM_BEST = 5
COMPARED = ("text", "links", "omitted", "repeated", "terms")


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--lines", metavar="N", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--checkpoint", metavar="CHECKPOINT", help="compare terms, markup and alternatives, too")
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
            [found] = asked(driver, line)["translations"]
            times.append(time.monotonic() - begun)
            same += found["ids"] == ids
            if found["ids"] != ids:
                print(json.dumps({"line": line, "page": found, "ours": ids}, ensure_ascii=False))
        print(f"{same} of {len(times)} lines have the same pieces; {1000 * sum(times) / len(times):.0f} ms a line")
        if flags.checkpoint:
            compare(driver, flags.checkpoint, evidence, len(times))
    return 0 if same == len(times) else 1


def asked(
    driver: Any, line: str, how: dict[str, Any] | None = None, prefix: str = "", number: int = 1
) -> dict[str, Any]:
    """The page's record of a line."""
    found = driver.execute_async_script(ASK, line, how or {}, prefix, number)
    if "error" in found:
        raise SystemExit(f"{line}: {found['error']}")
    return found


def compare(driver: Any, checkpoint: str, evidence: Evidence, num_lines: int) -> None:
    """Prints how many lines have the same record with terms, with markup, and as alternatives."""
    options = Options(json=True, device="cpu", alignment=True, coverage=True)
    job, equal = Job([Path(checkpoint)], options, load_models), {"terms": 0, "markup": 0, "alternatives": 0}
    lines, references = evidence.lines[:num_lines], evidence.references or evidence.texts
    for number, line in enumerate(lines):
        word = longest(line)
        terms = {word: longest(references[(number + 1) % len(references)])}
        marked = line.replace(word, f"<b>{word}</b>", 1)
        prefix = evidence.texts[number].split(" ")[0]
        pairs = {
            "terms": (asked(driver, line, {"terms": terms}), ours(job, line, terms=Glossary(terms))),
            "markup": (asked(driver, marked, {"markup": True}), ours(job, marked, markup=True)),
            "alternatives": (
                asked(driver, line, prefix=prefix, number=NUM_BEST),
                alternatives(job.with_options(replace(job.options, prefix=prefix, n_best=NUM_BEST)), line),
            ),
        }
        for name, (theirs, own) in pairs.items():
            is_same = compared(theirs) == compared(own)
            equal[name] += is_same
            if not is_same:
                print(json.dumps({"line": line, name: compared(theirs), "ours": compared(own)}, ensure_ascii=False))
    for name, count in equal.items():
        print(f"{name}: {count} of {len(lines)} lines have the same record")


def ours(job: Job, line: str, **how: Any) -> dict[str, Any]:
    """Our record of a line."""
    return json.loads(job.with_options(replace(job.options, **how))(Window(0, [line])).text)


def compared(record: dict[str, Any]) -> list[dict[str, Any]]:
    """What is compared of each translation: numbers of left-out words may differ in the last digit."""
    found = [{name: one[name] for name in COMPARED if name in one} for one in record["translations"]]
    for one in found:
        one["omitted"] = [place["position"] for place in one["omitted"]]
    return found


def longest(text: str) -> str:
    """The longest word without its signs."""
    return max(re.findall(r"\w+", text), key=len)


if __name__ == "__main__":
    raise SystemExit(main())
