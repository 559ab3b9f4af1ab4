"""What every engine's decoding script does alike: read the lines, time, write what came out.

    SPECIFICATION.json: source (file), output (file), modes (as below), beam_size, length_penalty, max_length,
                        one_lines, started (monotonic clock), and what the engine needs
    output:             {"cold": {"seconds": …, "lines": […]}, "beam": …, "greedy": …,
                         "one_beam": {"seconds_each": […]}, "one_greedy": …}

`cold` is all lines with the beam, from the start of the process, and comes first. An engine is a function
translate(lines, beam_size) -> lines: from text to text, tokenization included.
"""

import json
import sys
import time
from pathlib import Path

WARMUP_LINES = 200  # of what is not warm yet


def specification():
    """What to do."""
    return json.loads(Path(sys.argv[1]).read_text("utf-8"))


def measure(spec, translate, translate_one):
    """Times the modes; `translate` is set up for many lines, `translate_one` for one at a time."""
    lines = Path(spec["source"]).read_text("utf-8").removesuffix("\n").split("\n")
    result = {}
    for mode in spec["modes"]:
        beam_size = 1 if mode.endswith("greedy") else spec["beam_size"]
        if mode.startswith("one"):
            one_by_one = lines[:: max(1, len(lines) // spec["one_lines"])][: spec["one_lines"]]
            translate_one(one_by_one[:1], beam_size)
            seconds_each = []
            for line in one_by_one:
                start = time.perf_counter()
                translate_one([line], beam_size)
                seconds_each.append(time.perf_counter() - start)
            result[mode] = {"seconds_each": seconds_each}
            continue
        if mode == "greedy":
            translate(lines[:WARMUP_LINES], beam_size)
        start = spec["started"] if mode == "cold" else time.monotonic()
        translated = translate(lines, beam_size)
        result[mode] = {"seconds": time.monotonic() - start, "lines": translated}
    Path(spec["output"]).write_text(json.dumps(result, ensure_ascii=False), "utf-8")
