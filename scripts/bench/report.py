"""Writes the results into README.md: python scripts/bench/report.py RESULTS README.md

Between the lines `<!-- bench:start -->` and `<!-- bench:end -->` come the targets, a table of every finished part in
the folder RESULTS, and its pictures, which go to docs/ beside the README. A number is the median of its rounds; a ratio
is the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import plots
from targets import TARGETS

SPEED = "target_tokens_per_second"
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
NAMES = {
    "mt": "**mt**",
    "joeynmt": "JoeyNMT",
    "eole": "Eole",
    "transformers": "transformers (Marian, own loop)",
    "transformers-trainer": "transformers (Marian, Trainer)",
    "ctranslate2": "CTranslate2",
}
PACKAGES = {"mt": "torch", "joeynmt": "joeynmt", "eole": "eole", "transformers": "transformers"}
PACKAGES |= {"ctranslate2": "ctranslate2"}


def median(runs: Iterable[dict], *keys: str) -> float:
    """Of a number in the runs, under a key or a key in a key."""
    values = []
    for run in runs:
        for key in keys:
            run = run[key]
        values.append(run)
    return statistics.median(values)


def groups(runs: list[dict], *keys: str) -> dict[tuple, list[dict]]:
    """The runs by what they measure, in the order of the first round."""
    found: dict[tuple, list[dict]] = {}
    for run in runs:
        found.setdefault(tuple(run[key] for key in keys), []).append(run)
    return found


def ratio(ours: list[dict], theirs: list[dict], key: str) -> float:
    """Median of ours / theirs, round by round."""
    by_round = {run["round"]: run[key] for run in ours}
    return statistics.median(by_round[run["round"]] / run[key] for run in theirs if run["round"] in by_round)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def training(body: dict) -> str:
    """A row a tool and model, a column a precision and allocator: target tokens a second, and ours by theirs."""
    found = groups(body["runs"], "tool", "precision", "allocator")
    columns = sorted({key[1:] for key in found}, key=lambda key: (key[0] != "float32", key[1] != "system"))
    rows = []
    for (tool,), runs in groups(body["runs"], "tool").items():
        row = [NAMES[tool]]
        for column in columns:
            theirs, ours = found.get((tool, *column)), found.get(("mt", *column))
            row.append("" if theirs is None else f"{median(theirs, SPEED):,.0f}")
            if theirs and ours and tool != "mt":
                row[-1] += f" ({ratio(ours, theirs, SPEED):.1f})"
        least = min(median(found[key], "peak_mib") for key in found if key[0] == tool and key[2] == "system")
        rows.append([*row, f"{least:,.0f}", f"{median(runs, 'target_tokens_per_update'):,.0f}"])
    model = body["runs"][0]["model"]
    head = [f"training `{model}`", *(name if malloc == "system" else f"{name}, {malloc}" for name, malloc in columns)]
    head += ["peak MiB, least", "target tokens an update"]
    rates = ", ".join(f"{rate / 1e12:.2f} in {name}" for name, rate in body["products"].items())
    text = (
        "Target tokens a second (pieces of the targets with one end of sentence each, no padding); in brackets, how"
        f" many times as fast mt is in the same column. This machine multiplies {rates} TFLOP/s."
    )
    return f"{table(head, rows)}\n\n{text}"


def decoding(body: dict) -> str:
    rows = []
    for (engine, precision), runs in groups(body["runs"], "engine", "precision").items():

        def number(*keys: str, form: str = ",.0f", runs: list[dict] = runs) -> str:
            return format(median(runs, *keys), form) if keys[0] in runs[0] else ""

        rows.append(
            [
                f"{NAMES[engine].partition(' (')[0]}, {precision}",
                number("beam", "sentences_per_second"),
                number("greedy", "sentences_per_second"),
                number("beam", "tokens_per_second"),
                number("one_beam", "median_ms", form=".1f"),
                number("one_greedy", "median_ms", form=".1f"),
                number("beam", "bleu", form=".2f"),
                number("beam", "identical", form=".1%"),
                number("start_seconds", form=".1f"),
                number("peak_mib"),
            ]
        )
    head = ["decoding test2016", "beam 5, sentences/s", "greedy", "beam 5, tokens/s"]
    head += ["one at a time, beam 5, ms", "greedy, ms", "BLEU", "same text as mt float32", "start, s", "peak MiB"]
    signature = next((run["beam"]["signature"] for run in body["runs"] if "beam" in run), "")
    text = f"All engines have the same weights. BLEU: `{signature}`."
    return f"{table(head, rows)}\n\n{text}"


def memory(body: dict) -> str:
    rows = [
        [
            f"`{run['model']}`",
            f"{run['peak_mib']:,.0f}",
            f"{run['target_token_bytes']:,.0f}",
            f"{run['source_token_bytes']:,.0f}",
        ]
        for run in body["runs"]
    ]
    return table(
        ["translating, beam 5", "peak MiB", "cache, bytes a target token of a hypothesis", "a source token"], rows
    )


def preparation(body: dict) -> str:
    rows = []
    steps = {"mt": "clean, deduplicate, train the vocabulary, encode, store", "eole": "`build_vocab`: tokenize, count"}
    for (tool,), runs in groups(body["runs"], "tool").items():
        numbers = [
            f"{runs[0]['pairs']:,}",
            f"{median(runs, 'pairs_per_second'):,.0f}",
            f"{median(runs, 'peak_mib'):,.0f}",
        ]
        rows.append([NAMES[tool], steps[tool], *numbers])
    return table(["preparation", "what it does", "pairs", "pairs/s", "peak memory, MiB"], rows)


def start(body: dict) -> str:
    rows = []
    for (what, who), runs in groups(body["runs"], "what", "who").items():
        rows.append([f"{NAMES.get(who, who).partition(' (')[0]}, {what}", f"{median(runs, 'seconds'):.2f}"])
    return table(["command, from cold", "seconds"], rows)


def curves(body: dict) -> str:
    return "Cost curves: one size changes, the others are those of the table of training (`small`, bfloat16)."


def against_targets(bodies: dict[str, dict]) -> str:
    rows = [row for target in TARGETS if (row := target.row(bodies))]
    return table(["target", "set", "measured", "measured / set"], rows)


PARTS: dict[str, tuple[Callable[[dict], str], Callable[[dict, Path], None] | None]] = {
    "training": (training, plots.training),
    "training-base": (training, None),
    "decoding": (decoding, plots.decoding),
    "preparation": (preparation, None),
    "start": (start, None),
    "memory": (memory, None),
    "curves": (curves, plots.curves),
}


def footnotes(name: str, body: dict) -> str:
    """Where and when, with what, and what is missing."""
    machine = body["machine"]
    notes = [
        f"{machine['cores']} cores of {machine['processor']}, {body['started'][:10]}, "
        f"part {name}, rounds: {max(run['round'] for run in body['runs'])}, load up to "
        f"{max(run['load_average'] for run in body['runs']):.1f}"
    ]
    versions = [
        f"{PACKAGES[tool]} {packages[PACKAGES[tool]]}"
        for tool, packages in body["versions"].items()
        if PACKAGES.get(tool) in packages
    ]
    notes += [", ".join(versions)] if versions else []
    notes += [f"Left out: {what}: {why}." for what, why in body["left_out"].items()]
    return "  \n".join(f"<sub>{note}</sub>" for note in notes)


def section(results: Path, readme: Path) -> str:
    """Everything between the markers."""
    bodies = {}
    for path in (results / f"{name}.json" for name in PARTS):
        body = json.loads(path.read_text("utf-8")) if path.exists() else {"finished": False}
        if body["finished"] and body["runs"]:
            bodies[path.stem] = body
        elif path.exists():
            print(f"{path} is not finished and is left out")
    texts = [against_targets(bodies)] if bodies else []
    for name, body in bodies.items():
        write, draw = PARTS[name]
        if draw is not None:
            image = readme.parent / "docs" / f"bench_{name}.png"
            image.parent.mkdir(exist_ok=True)
            draw(body, image)
            texts.append(f"![{name}]({image.relative_to(readme.parent).as_posix()})")
        texts += [text for text in (write(body), footnotes(name, body)) if text]
    return "\n\n".join(texts)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("results", type=Path, help="folder with the JSON files of the parts")
    flags.add_argument("readme", type=Path, help="file with the markers")
    args = flags.parse_args()
    text = args.readme.read_text("utf-8")
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        flags.error(f"{args.readme} must have one line {START} and, below it, one line {END}")
    before, rest = text.split(START)
    behind, written = rest.split(END)[1], section(args.results, args.readme)
    if not written:
        flags.error(f"{args.results} holds no finished part")
    args.readme.write_text(f"{before}{START}\n\n{written}\n\n{END}{behind}", "utf-8")


if __name__ == "__main__":
    main()
