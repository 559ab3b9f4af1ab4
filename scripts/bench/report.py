"""Writes the results into a document: python scripts/bench/report.py RESULTS docs/benchmarks.md

Between the lines `<!-- bench:start -->` and `<!-- bench:end -->` come the machine, the targets, the tables, and a
picture, which goes to bench.png beside the document. A number is the median of its rounds; a ratio is the median of
the ratios of the rounds. A part that was stopped counts with the rounds that it has, and is named.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import plots
from targets import TARGETS, NotMeasured, fair_share, median, number, speed_path

PARTS = ("training", "training-base", "decoding", "start", "memory", "preparation", "busy", "curves")
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
NAMES = {
    "mt": "**mt**",
    "joeynmt": "JoeyNMT",
    "eole": "Eole",
    "transformers": "Hugging Face",
    "ctranslate2": "CTranslate2",
}
CPU_SPEED, SENTENCES = "target_tokens_per_cpu_second", "beam.sentences_per_second"
PACKAGES = ("torch", "joeynmt", "eole", "transformers", "ctranslate2")
COMMANDS = """\
```sh
scripts/bench/run.sh --corpora FOLDER                 # FOLDER/multi30k holds train.en, train.de, val.*, test2016.*
scripts/bench/run.sh --corpora FOLDER --only PART     # {parts}
python scripts/bench/report.py data/bench/results docs/benchmarks.md
```"""

Bodies = dict[str, dict]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def groups(runs: list[dict], *keys: str) -> dict[tuple, list[dict]]:
    """The runs by what they measure, in the order of the first round."""
    found: dict[tuple, list[dict]] = {}
    for run in runs:
        found.setdefault(tuple(run[key] for key in keys), []).append(run)
    return found


def ratio(ours: list[dict], theirs: list[dict], path: str, form: str = ".1f") -> str:
    """Median of ours / theirs, round by round, in brackets; nothing without a common round."""
    by_round = {run["round"]: number(run, path) for run in ours}
    shares = [by_round[run["round"]] / number(run, path) for run in theirs if run["round"] in by_round]
    return f" ({statistics.median(shares):{form}})" if shares else ""


def training(bodies: Bodies) -> list[str]:
    """A row a tool, a column a model, precision and allocator: target tokens a second, and how much faster we are."""
    runs = [run for name in ("training", "training-base") for run in bodies.get(name, {"runs": []})["runs"]]
    if not runs:
        return []
    paths = {name: speed_path(bodies[name]) for name in ("training", "training-base") if name in bodies}
    found = groups(runs, "tool", "model", "precision", "allocator")
    columns = sorted({key[1:] for key in found}, key=lambda key: (key[0] != "small", key[1] != "float32", key[2]))
    models = list(dict.fromkeys(model for model, *_ in columns))
    rows = []
    for (tool,) in groups(runs, "tool"):
        row = [NAMES[tool]]
        for column in columns:
            theirs, ours = found.get((tool, *column), []), found.get(("mt", *column), [])
            path = paths["training" if column[0] == "small" else f"training-{column[0]}"]
            row.append(f"{median(theirs, path):,.0f}" if theirs else "")
            row[-1] += ratio(ours, theirs, path, ".2f") if tool != "mt" else ""
        for model in models:
            peaks = [median(found[key], "peak_mib") for key in found if (*key[:2], key[3]) == (tool, model, "system")]
            row.append(f"{min(peaks):,.0f}" if peaks else "")
        rows.append(row)
    head = ["training, target tokens/s"]
    head += [f"`{model}` {name}{'' if malloc == 'system' else f', {malloc}'}" for model, name, malloc in columns]
    head += [f"`{model}`, least peak memory, MiB" for model in models]
    text = "Padding is not counted, start-up is left out. In brackets: how many times as fast mt is in the same column."
    if CPU_SPEED in paths.values():
        text += " With one thread, seconds are those of the processor."
    rates = bodies.get("training", {}).get("products", {})
    if rates:
        said = ", ".join(f"{rate / 1e12:.2f} in {name}" for name, rate in rates.items())
        text += f" Matrix products on this machine: {said} TFLOP/s."
    if any(column[2] != "system" for column in columns):
        text += " tcmalloc is preloaded for all tools."
    return [table(head, rows), text]


def decoding(bodies: Bodies) -> list[str]:
    runs = bodies.get("decoding", {"runs": []})["runs"]
    rows, found = [], groups(runs, "engine", "precision")
    for (engine, precision), of_engine in found.items():
        num_lines = round(number(of_engine[0], "beam.seconds") * number(of_engine[0], SENTENCES))
        by_reference = ratio(of_engine, found.get(("ctranslate2", "float32"), []), SENTENCES, ".2f")
        same = [run["beam"]["identical"] for run in of_engine if "identical" in run["beam"]]
        rows.append(
            [
                f"{NAMES[engine]}, {precision}",
                f"{median(of_engine, SENTENCES):,.0f}{by_reference}",
                f"{median(of_engine, 'beam.tokens_per_second'):,.0f}",
                f"{num_lines / median(of_engine, 'cold.seconds'):,.0f}",
                f"{median(of_engine, 'greedy.sentences_per_second'):,.0f}",
                f"{median(of_engine, 'greedy.tokens_per_second'):,.0f}",
                f"{median(of_engine, 'one_beam.median_ms'):.1f}",
                f"{median(of_engine, 'one_greedy.median_ms'):.1f}",
                f"{median(of_engine, 'peak_mib'):,.0f}",
                f"{median(of_engine, 'beam.bleu'):.2f}",
                f"{100 * statistics.median(same):.1f} %" if same else "",
            ]
        )
    if not rows:
        return []
    head = ["decoding test2016", "beam 5, sentences/s", "tokens/s", "sentences/s with start-up", "greedy, sentences/s"]
    head += ["tokens/s", "one at a time, beam 5, ms", "greedy, ms", "peak MiB", "BLEU, beam 5"]
    head += ["same text as CTranslate2 float32"]
    text = (
        "In brackets: divided by CTranslate2's speed in float32. All engines have the same weights, no length penalty,"
        " and the number of processes and threads that is best for each; times are from text to text. Only mt uses a"
        " shortlist here, so no target counts it."
        f" BLEU: `{runs[0]['beam']['signature']}`."
    )
    return [table(head, rows), text]


def busy(bodies: Bodies) -> list[str]:
    """A row a kind of work and tool: its speed beside 0, 1 and 2 busy processes, and its share of a fair part."""
    body = bodies.get("busy", {"runs": []})
    counts = sorted({run["busy"] for run in body["runs"]})
    rows = []
    for (kind, tool), runs in groups(body["runs"], "kind", "tool").items():
        row = [f"{kind}, {NAMES[tool]}"]
        for (count,), some in sorted(groups(runs, "busy").items()):
            shares = [fair_share(run, runs, body["machine"]["cores"]) for run in some]
            share = f" ({statistics.median(shares):.2f})" if count else ""
            row.append(f"{median(some, 'speed'):,.0f}{share}")
        rows.append([*row, *[""] * (1 + len(counts) - len(row))])
    if not rows:
        return []
    head = ["speed beside so many busy processes", *map(str, counts)]
    text = (
        "Target tokens, sentences or pairs a second, by the clock. In brackets: divided by what sharing the cores "
        "fairly leaves of the quiet speed, cores / (cores + busy processes)."
    )
    return [table(head, rows), text]


def the_rest(bodies: Bodies) -> list[str]:
    """A line for each of start-up, preparation and memory."""
    said = []
    starts = groups(bodies.get("start", {"runs": []})["runs"], "what", "who")
    for what in dict.fromkeys(what for what, _ in starts):
        each = [
            f"{NAMES.get(who, f'`{who}`')} {median(starts[what, who], 'seconds'):.2f}" for w, who in starts if w == what
        ]
        said.append(
            f"{'`--help`' if what == 'help' else what.capitalize()} from a cold start, seconds: {', '.join(each)}."
        )
    steps = {"mt": "**mt** (cleans, deduplicates, encodes, stores)", "eole": "Eole's `build_vocab` (tokenizes, counts)"}
    for (tool,), runs in groups(bodies.get("preparation", {"runs": []})["runs"], "tool").items():
        if tool not in steps:  # one core, which has targets of its own
            continue
        each = [
            f"{median(of_size, 'pairs_per_second'):,.0f} pairs/s for {count:,} pairs"
            f" ({median(of_size, 'peak_mib'):,.0f} MiB)"
            for (count,), of_size in groups(runs, "pairs").items()
        ]
        said.append(f"Preparation, {steps[tool]}: {', '.join(each)}.")
    each = [
        f"`{run['model']}` ({run['how']}) {run['peak_mib']:,.0f} MiB, {run['target_token_bytes']:,.0f} bytes of cache "
        f"for each target token of a hypothesis, {run['source_token_bytes']:,.0f} for each source token"
        for run in bodies.get("memory", {"runs": []})["runs"]
    ]
    said += [f"Translating with beam 5 takes: {'; '.join(each)}."] if each else []
    return ["  \n".join(said)] if said else []


def against_targets(bodies: Bodies) -> list[str]:
    rows = []
    for target in TARGETS:
        try:
            rows.append(target.row(bodies))
        except NotMeasured:
            continue
    return [table(["what", "target", "measured", "measured / target"], rows)]


def circumstances(bodies: Bodies) -> list[str]:
    """Where and when, in a line; with what, in a line; what is missing, in a line."""
    bare = ({name: value for name, value in body["machine"].items() if name != "threads"} for body in bodies.values())
    machines = {json.dumps(machine, sort_keys=True): machine for machine in bare}
    days = sorted(body["started"][:10] for body in bodies.values())
    loads = [run["load_average"] for body in bodies.values() for run in body["runs"]]
    places = [
        f"{machine['cores']} cores of {machine['processor']} ({', '.join(machine.get('instructions', []))}), "
        f"{machine.get('memory_gib', '?')} GiB, Python {machine['python']}"
        for machine in machines.values()
    ]
    rounds = ", ".join(f"{name} {max(run['round'] for run in body['runs'])}" for name, body in bodies.items())
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    lines = [f"Measured on {'; '.join(places)}; {when}, load average up to {max(loads):.1f}; rounds: {rounds}."]
    there = {
        name: version for body in bodies.values() for of in body["versions"].values() for name, version in of.items()
    }
    lines.append(", ".join(f"{name} {there[name]}" for name in PACKAGES if name in there))
    stopped = [f"{name} (stopped before its end)" for name, body in bodies.items() if not body["finished"]]
    missing = [f"{what} ({name}: {why})" for name, body in bodies.items() for what, why in body["left_out"].items()]
    lines += [f"Left out: {'; '.join([*stopped, *missing])}."] if stopped or missing else []
    return ["  \n".join(line for line in lines if line)]


def read(results: Path) -> Bodies:
    """What there is of the parts."""
    bodies = {}
    for name in PARTS:
        path = results / f"{name}.json"
        if not path.exists():
            continue
        try:
            body = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from None
        if not isinstance(body, dict) or "runs" not in body:
            raise ValueError(f"{path} is no file of results: it has no runs")
        if body["runs"]:
            bodies[name] = body
    if not bodies:
        raise ValueError(f"{results} holds no results: a part writes PART.json there")
    return bodies


def section(bodies: Bodies, image: Path) -> str:
    """Everything between the markers; its picture goes to `image`, which is beside the document."""
    plots.draw(bodies, image)
    texts = [*circumstances(bodies), *against_targets(bodies), *training(bodies), *decoding(bodies)]
    texts += [*busy(bodies), *the_rest(bodies)]
    texts.append(f"![Bars: speed of training and decoding, mt and others; curves: speed against size]({image.name})")
    return "\n\n".join([*texts, COMMANDS.format(parts=", ".join(PARTS))])


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("results", type=Path, help="folder with the JSON files of the parts")
    flags.add_argument("document", type=Path, help="file with the markers")
    args = flags.parse_args()
    try:
        text = args.document.read_text("utf-8")
        if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
            raise ValueError(f"{args.document} must have one line {START} and, below it, one line {END}")
        before, rest = text.split(START)
        written = section(read(args.results), args.document.with_name("bench.png"))
    except (OSError, ValueError) as error:
        flags.error(str(error))
    args.document.write_text(f"{before}{START}\n\n{written}\n\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
