"""Decoding on one core, ours and CTranslate2's in turns, by the time of the processor: busy machines, too, give ratios.

python scripts/bench/one_core.py CHECKPOINT --lines FILE [--random small base] [--output FILE]

The checkpoint's lines go from text to text by the same weights, beam and length penalty. `--random`: models of these
sizes with random weights, 8,000 pieces, and 16 tokens for each source, whose text means nothing. Cold starts and memory
are those of whole processes. Needs CTranslate2: pip install ctranslate2

python scripts/bench/one_core.py --write docs/benchmarks.md FILE.json …   writes the numbers of runs into that page
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from convert import convert
from setting import BEAM_SIZE, HERE, MODELS, PROJECT, VOCAB_SIZE, Model, Work

SENTENCE = "A man in a blue shirt is standing on a ladder."
PRECISIONS = ("float32", "bfloat16", "int8")
MODES = {"beam 5": BEAM_SIZE, "greedy": 1, "one at a time": BEAM_SIZE}
START_MARK, END_MARK = "<!-- one-core:start -->", "<!-- one-core:end -->"
TOKENS, RANDOM_LINES, RANDOM_LENGTH = 1024, {"small": 200, "base": 60}, 16
Translate = Callable[[Sequence[Any]], Any]


def of_peer_too() -> dict[str, str | None]:
    """Our precisions, and the same one of CTranslate2 where it has that on this processor."""
    import ctranslate2

    known = ctranslate2.get_supported_compute_types("cpu")
    return {precision: precision if precision in known else None for precision in PRECISIONS}


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Of this thread and the others of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turns(ours: Translate, theirs: Translate | None, lines: Sequence[Any], mode: str, rounds: int) -> dict:
    """Milliseconds of processor a line, the median of the rounds, and the ratio of their speed to ours in each."""
    groups = [[line] for line in lines[:: max(1, len(lines) // 100)]] if mode == "one at a time" else [lines]
    count = sum(map(len, groups))
    engines = [ours] if theirs is None else [ours, theirs]
    for engine in engines:
        engine(groups[0][:50])  # what is made at first use
    found = [[cpu_seconds(lambda: [engine(group) for group in groups]) for engine in engines] for _ in range(rounds)]  # noqa: B023
    row = {"ours_ms": median(1000 * each[0] / count for each in found)}
    if theirs is not None:
        row |= {"theirs_ms": median(1000 * each[1] / count for each in found)}
        row["speed_ratio"] = median(each[1] / each[0] for each in found)
    return row


def of_checkpoint(checkpoint: Path, lines: list[str], rounds: int, work: Work) -> list[dict]:
    """From text to text, and the share of lines whose text is the same."""
    import ctranslate2
    import sentencepiece

    from mt.inference.native import NativeTranslator
    from mt.inference.options import Options

    processor = sentencepiece.SentencePieceProcessor(model_file=str(work.converted / "sentencepiece.model"))
    rows = []
    for precision, of_peer in of_peer_too().items():
        engine = of_peer and ctranslate2.Translator(
            str(work.converted / "ctranslate2"), compute_type=of_peer, inter_threads=1, intra_threads=1
        )
        for mode, size in MODES.items():
            options = Options(device="cpu", precision=precision, beam_size=size, length_penalty=0.0)
            native = NativeTranslator.load([checkpoint], options)
            if native is None:
                sys.exit(f"{checkpoint} cannot be translated in native code here, in {precision}")

            def ours(some: Sequence[str], native: Any = native) -> list[str]:
                return [found.text for found in native.translate(some)]

            def theirs(some: Sequence[str], engine: Any = engine, size: int = size) -> list[str]:
                pieces = processor.encode(list(some), out_type=str)
                how = {"beam_size": size, "length_penalty": 0, "disable_unk": True, "max_decoding_length": 400}
                batch = {"max_batch_size": TOKENS, "batch_type": "tokens"}
                return processor.decode([one.hypotheses[0] for one in engine.translate_batch(pieces, **how, **batch)])

            row = in_turns(ours, theirs if engine else None, lines, mode, rounds)
            if engine and mode != "one at a time":
                row["same"] = float(np.mean([a == b for a, b in zip(ours(lines), theirs(lines), strict=True)]))
            rows.append({"model": checkpoint.name.partition("-")[0], "precision": precision, "mode": mode, **row})
            print(rows[-1], file=sys.stderr)
    return rows


def of_random(model: Model, rounds: int, folder: Path) -> list[dict]:
    """From pieces to pieces, a fixed number of them."""
    import ctranslate2

    from mt.kernels.decoding import DenseModel, Plan
    from mt.kernels.dense_sizes import DenseSizes, alike

    same = {"num_heads": model.num_heads, "num_kv_heads": model.num_heads, "feed_forward_dim": model.feed_forward_dim}
    sizes = DenseSizes(
        **{"dim": model.dim, "head_size": model.dim // model.num_heads},
        **{"activation": "relu", "norm": "layer", "norm_position": "pre", "positions": "sinusoidal"},
        **{"max_positions": 1024, "source_size": VOCAB_SIZE, "target_size": VOCAB_SIZE},
        encoder=alike(model.num_layers, attentions=1, **same),
        decoder=alike(model.num_layers, attentions=2, **same),
    )
    random = np.random.default_rng(1)
    weights = {
        name: (random.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32)
        for name, shape in sizes.weights().items()
    }
    for tied in ("target_embedding.tokens.weight", "output.weight"):
        weights[tied] = weights["source_embedding.tokens.weight"]
    names = ["<pad>", "<unk>", "<s>", "</s>", *map(str, range(4, VOCAB_SIZE))]
    about = {"dim": model.dim, "feed_forward_dim": model.feed_forward_dim, "num_heads": model.num_heads}
    about |= {"encoder_layers": model.num_layers, "decoder_layers": model.num_layers, "pieces": names}
    about |= {"activation": "relu", "norm": "layer", "norm_position": "pre", "positions": "sinusoidal"}
    np.savez(folder / "weights.npz", **weights)
    (folder / "model.json").write_text(json.dumps(about), "utf-8")
    subprocess.run([sys.executable, HERE / "peers" / "convert_ctranslate2.py", folder], check=True)
    lengths = random.integers(6, 24, RANDOM_LINES[model.name])
    sources = [random.integers(4, VOCAB_SIZE, length).tolist() for length in lengths]
    rows = []
    for precision, of_peer in of_peer_too().items():
        native = DenseModel(sizes, weights, precision)
        engine = of_peer and ctranslate2.Translator(
            str(folder / "ctranslate2"), compute_type=of_peer, inter_threads=1, intra_threads=1
        )
        for mode, size in MODES.items():
            fixed = {"n_best": 1, "length_penalty": 0.0, "min_length": RANDOM_LENGTH, "max_length": None}
            plan = Plan(size=size, bos=2, eos=3, banned=(0, 1, 2), **fixed)

            def ours(some: Sequence[list[int]], native: Any = native, plan: Plan = plan) -> Any:
                limits = [RANDOM_LENGTH] * len(some)
                return native.search([[*ids, 3] for ids in some], limits, plan, most_pieces=10_240 // plan.size)

            def theirs(some: Sequence[list[int]], engine: Any = engine, size: int = size) -> Any:
                how = {"beam_size": size, "length_penalty": 0, "min_decoding_length": RANDOM_LENGTH}
                how |= {"max_decoding_length": RANDOM_LENGTH, "max_batch_size": TOKENS, "batch_type": "tokens"}
                return engine.translate_batch([[names[id_] for id_ in ids] for ids in some], **how)

            row = in_turns(ours, theirs if engine else None, sources, mode, rounds)
            rows.append({"model": model.name, "precision": precision, "mode": mode, **row})
            print(rows[-1], file=sys.stderr)
    return rows


# Linux counts the memory of who starts a process as that of the process: a small one starts it.
START = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
sys.exit(done.returncode)
"""


def process_costs(command: Sequence[Any], stdin: str = "") -> tuple[float, float]:
    """Seconds of processor and MiB at most of a whole process with one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    started = [sys.executable, "-c", START, *map(str, command)]
    done = subprocess.run(started, input=stdin, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds, mib = json.loads(done.stdout)
    return seconds, mib


def whole_processes(checkpoint: Path, lines: list[str], rounds: int, work: Work) -> dict:
    """Cold starts of one sentence, and the memory of all lines."""
    peer = [sys.executable, __file__, "--peer", work.converted]
    ours = [sys.executable, "-m", "mt.translate", "--checkpoint", checkpoint, "--beam-size", BEAM_SIZE, "--workers", 1]
    text, one = "\n".join(lines), f"{SENTENCE}\n"
    process_costs([*ours, SENTENCE])  # compiles
    cold = [(process_costs([*ours, SENTENCE])[0], process_costs(peer, one)[0]) for _ in range(rounds)]
    return {
        "cold_ours_s": median(each[0] for each in cold),
        "cold_theirs_s": median(each[1] for each in cold),
        "lines_ours_mib": process_costs(ours, text)[1],
        "lines_theirs_mib": process_costs(peer, text)[1],
    }


def translate_as_peer(folder: Path) -> None:
    """Standard input to standard output by CTranslate2, as a short script would."""
    import ctranslate2
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.model"))
    engine = ctranslate2.Translator(str(folder / "ctranslate2"), inter_threads=1, intra_threads=1)
    pieces = processor.encode(sys.stdin.read().splitlines(), out_type=str)
    found = engine.translate_batch(pieces, beam_size=BEAM_SIZE, max_batch_size=TOKENS, batch_type="tokens")
    print("\n".join(processor.decode([one.hypotheses[0] for one in found])))


def page_of(found: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    lines = [
        f"Measured on one core of {found['processor']}; {found['date']}, ctranslate2 {found['ctranslate2']}.",
        "",
        "| model, precision, search | target | measured | ms a sentence: mt, CTranslate2 | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        name = f"`{row['model']}`, {row['precision']}, {row['mode']}"
        if "speed_ratio" not in row:
            lines.append(f"| {name} | | | {row['ours_ms']:.2f}, - | |")
            continue
        ratio = row["speed_ratio"]
        least = 1 / 1.5 if row["mode"] == "one at a time" and row["model"] == "demo" else 1.0
        said = "met" if ratio >= least else "missed"
        lines.append(
            f"| {name} | ≥ {least:.2f} | {ratio:.2f} | {row['ours_ms']:.2f}, {row['theirs_ms']:.2f} | {said} |"
        )
    if "cold_ours_s" in found:
        ours, theirs = found["lines_ours_mib"], found["lines_theirs_mib"]
        same = [row["same"] for row in found["rows"] if row["precision"] == "float32" and "same" in row]
        cold = f"{found['cold_ours_s']:.2f} s, {found['cold_theirs_s']:.2f} s | {_met(found['cold_ours_s'], 0.6)}"
        lines += [
            "",
            "| `demo`, float32, beam 5 | target | mt, CTranslate2 | |",
            "| --- | --- | --- | --- |",
            f"| one sentence from a cold start, processor time | ≤ 0.6 s | {cold} |",
            f"| memory at most, all lines | ≤ 2 x | {ours:.0f} MiB, {theirs:.0f} MiB | {_met(ours, 2 * theirs)} |",
            "",
            f"The same text as CTranslate2 in float32: {100 * same[0]:.1f} % of the lines with the beam, "
            f"{100 * same[1]:.1f} % greedily.",
        ]
    return "\n".join(lines)


def _met(value: float, most: float) -> str:
    return "met" if value <= most else "missed"


def write(page: Path, parts: Sequence[Path]) -> None:
    """Puts the numbers of several runs between the marks of the page."""
    found: dict[str, Any] = {"rows": []}
    for part in parts:
        body = json.loads(part.read_text("utf-8"))
        found = {**found, **body, "rows": [*found["rows"], *body["rows"]]}
    before, _, rest = page.read_text("utf-8").partition(START_MARK)
    after = rest.partition(END_MARK)[2]
    page.write_text(f"{before}{START_MARK}\n\n{page_of(found)}\n\n{END_MARK}{after}", "utf-8")


def about() -> dict[str, str]:
    """Where and when, with what."""
    from mt.device import processor
    from mt.kernels.compiling import choose_level, processor_flags

    level = choose_level("auto", processor_flags()).name
    versions = {"ctranslate2": importlib.metadata.version("ctranslate2")}
    return {"processor": f"{processor()} ({level})", "date": time.strftime("%Y-%m-%d"), **versions}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("checkpoint", type=Path, nargs="?", help="run or step folder")
    flags.add_argument("--lines", type=Path, help="file to translate, a sentence a line")
    flags.add_argument("--random", nargs="*", choices=list(RANDOM_LINES), default=[], help="models with random weights")
    flags.add_argument("--rounds", type=int, default=3, help="turns of each engine (default: 3)")
    flags.add_argument("--output", type=Path, help="file for the numbers (JSON)")
    flags.add_argument("--write", nargs="+", type=Path, metavar="FILE", help="a page, and the runs to write into it")
    flags.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    args = flags.parse_args()
    if args.peer:
        translate_as_peer(args.peer)
        return
    if args.write:
        write(args.write[0], args.write[1:])
        return
    found: dict[str, Any] = {"rows": [], **about()}
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder))
        if args.checkpoint:
            lines = args.lines.read_text("utf-8").splitlines()
            convert(args.checkpoint, work, ["ctranslate2"], python=lambda name, work: Path(sys.executable))
            found["rows"] += of_checkpoint(args.checkpoint, lines, args.rounds, work)
            found |= whole_processes(args.checkpoint, lines, args.rounds, work)
        for name in args.random:
            (Path(folder) / name).mkdir()
            found["rows"] += of_random(MODELS[name], args.rounds, Path(folder) / name)
    text = json.dumps(found, indent=1)
    print(text)
    if args.output:
        args.output.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
