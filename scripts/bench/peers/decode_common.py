"""What every engine's decoding script does alike: read the lines, warm up, time, write what came out.

    SPECIFICATION.json: source (file), output (file), modes (of greedy, beam, one_greedy, one_beam), beam_size,
                        length_penalty, warmup_lines, one_lines, started (monotonic clock), and what the engine needs
    output:             {"start_seconds": …, mode: {"seconds": …, "lines": […]} or {"seconds_each": […]}, …}

An engine is a function translate(lines, beam_size) -> lines: from text to text, tokenization included.
"""

import json
import sys
import time
from pathlib import Path


def specification():
    """What to do."""
    return json.loads(Path(sys.argv[1]).read_text("utf-8"))


def measure(spec, translate, translate_one):
    """Times all modes; `translate` is set up for many lines, `translate_one` for one at a time."""
    result = {"start_seconds": time.monotonic() - spec["started"]}
    lines = Path(spec["source"]).read_text("utf-8").removesuffix("\n").split("\n")
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
        else:
            if spec["warmup_lines"]:
                translate(lines[: spec["warmup_lines"]], beam_size)
            start = time.perf_counter()
            translated = translate(lines, beam_size)
            result[mode] = {"seconds": time.perf_counter() - start, "lines": translated}
    Path(spec["output"]).write_text(json.dumps(result, ensure_ascii=False), "utf-8")
