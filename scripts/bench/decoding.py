"""How fast each engine translates test2016 with the same weights: python scripts/bench/decoding.py --corpora FOLDER …

The model is one of ours, trained by `python -m mt.train` the first time (10 minutes) or given with --checkpoint, and
converted (convert.py). Every run is a process of its own; the engines take turns. Times go from text to text, the
start of the process and the loading of the model counted apart. What came out is scored, and compared with our own
translations in float32; up to ten that differ are kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import environments
from convert import convert
from corpus import data_overrides, lines, write_corpus
from processes import Failure, done, empty, finished
from results import Results
from setting import BEAM_SIZE, DEFAULT_WORK, HERE, LENGTH_PENALTY, PROJECT, SOURCE, TARGET, Work, place

MODES = ("greedy", "beam", "one_greedy", "one_beam")
RUN_LIMIT = 1200  # seconds
MIN_IDENTICAL = 0.99  # of translations in float32, else the conversion is wrong
KEPT_DIFFERENCES = 10


@dataclass(frozen=True)
class Engine:
    """`batch_tokens`: padded source tokens of a batch, the best of 512, 1024, 2048 and 4096 on two cores."""

    name: str
    precision: str
    batch_tokens: int


ENGINES = (
    Engine("mt", "float32", 4096),
    Engine("mt", "bfloat16", 4096),
    Engine("ctranslate2", "float32", 1024),
    Engine("ctranslate2", "int8", 1024),
    Engine("ctranslate2", "bfloat16", 1024),
    Engine("transformers", "float32", 1024),
    Engine("transformers", "bfloat16", 1024),
)


def train_model(corpora: Path, work: Work, budget: str) -> None:
    """The model that decoding is measured with, unless it is there."""
    if (work.model / "scores.json").exists():
        return
    settings = [
        *(f"folder={work.model}", *data_overrides(corpora, work), "model=small", "model.layer.dropout=0.2"),
        *("schedule.peak=2e-3", "schedule.warmup_steps=300", "schedule.cooldown=0.4", "trainer.ema_decay=0.99"),
        *("trainer.max_steps=null", f"trainer.time_budget={budget}", "trainer.validate_every=200"),
    ]
    done([sys.executable, "-m", "mt.train", *settings])


def run(engine: Engine, checkpoint: Path, modes: Sequence[str], one_lines: int, work: Work) -> dict:
    """One measured process. Raises Failure."""
    empty(work.scratch)
    file, output = work.scratch / "specification.json", work.scratch / "output.json"
    specification = {
        "source": str(work.text / f"test.{SOURCE}"),
        "output": str(output),
        "modes": list(modes),
        "beam_size": BEAM_SIZE,
        "length_penalty": LENGTH_PENALTY,
        "warmup_lines": 50,
        "one_lines": one_lines,
        "started": time.monotonic(),
        "precision": engine.precision,
        "batch_tokens": engine.batch_tokens,
        "checkpoint": str(checkpoint),
        "model": str(work.converted),
    }
    file.write_text(json.dumps(specification, indent=1), "utf-8")
    command = [environments.python(engine.name, work), HERE / "peers" / f"decode_{engine.name}.py", file]
    environment = {"PYTHONPATH": str(PROJECT)} if engine.name == "mt" else {}
    ended = finished(command, log=work.scratch / "log.txt", environment=environment, limit=RUN_LIMIT)
    return {**json.loads(output.read_text("utf-8")), "peak_mib": ended["peak_mib"]}


class Scorer:
    """BLEU of translations, and how many tokens they have."""

    def __init__(self, work: Work) -> None:
        from sacrebleu.metrics import BLEU

        from mt.data.tokenizer import Tokenizer

        self.bleu, self.references = BLEU(), lines(work.text / f"test.{TARGET}")
        self.tokenizer = Tokenizer.load(work.text / "sentencepiece.model")

    def numbers(self, translated: list[str], seconds: float) -> dict:
        tokens = sum(len(ids) + 1 for ids in self.tokenizer.encode_many(translated))  # EOS
        bleu = self.bleu.corpus_score(translated, [self.references]).score
        return {
            "seconds": seconds,
            "sentences_per_second": len(translated) / seconds,
            "tokens_per_second": tokens / seconds,
            "bleu": bleu,
            "signature": str(self.bleu.get_signature()),
        }


def compared(expected: list[str], translated: list[str]) -> dict:
    """The share that is the same text, and some of what is not: [ours in float32, theirs]."""
    if not expected:
        return {}
    differing = [[ours, theirs] for ours, theirs in zip(expected, translated, strict=True) if ours != theirs]
    return {"identical": 1 - len(differing) / len(expected), "differing": differing[:KEPT_DIFFERENCES]}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--checkpoint", type=place, help="a run of ours to decode with, instead of training one")
    flags.add_argument("--budget", default="10m", help="time for training that one (default: 10m)")
    flags.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    flags.add_argument("--engines", nargs="+", choices=sorted({engine.name for engine in ENGINES}), default=None)
    flags.add_argument("--one-lines", type=int, default=100, help="sentences translated one at a time (default: 100)")
    flags.add_argument("--rounds", type=int, default=2, help="turns that every engine has (default: 2)")
    args = flags.parse_args()

    work = Work(args.work)
    results = Results(args.output / "decoding.json", args)
    write_corpus(args.corpora, work)
    if args.checkpoint is None:
        train_model(args.corpora, work, args.budget)
    checkpoint = args.checkpoint or work.model
    engines = [engine for engine in ENGINES if args.engines is None or engine.name in args.engines]
    for name in dict.fromkeys(engine.name for engine in engines):
        if name != "mt" and (reason := environments.make(name, work)):
            results.leave_out(name, f"it cannot be installed: {reason}")
            engines = [engine for engine in engines if engine.name != name]
        else:
            results.set_versions(name, environments.versions(name, work))
    convert(checkpoint, work)

    scorer, failed = Scorer(work), set()
    expected: dict[str, list[str]] = {}
    for number in range(args.rounds):
        for engine in engines:
            if engine in failed:
                continue
            try:
                found = run(engine, checkpoint, args.modes, args.one_lines, work)
            except Failure as failure:
                results.leave_out(f"{engine.name} {engine.precision}", str(failure))
                failed.add(engine)
                continue
            row = {"engine": engine.name, "precision": engine.precision, "round": number + 1}
            row |= {"batch_tokens": engine.batch_tokens}
            row |= {"start_seconds": found["start_seconds"], "peak_mib": found["peak_mib"]}
            for mode in args.modes:
                if mode.startswith("one"):
                    row[mode] = {"median_ms": 1000 * statistics.median(found[mode]["seconds_each"])}
                else:
                    row[mode] = scorer.numbers(found[mode]["lines"], found[mode]["seconds"])
            for mode in set(args.modes) & {"greedy", "beam"}:
                translated = found[mode]["lines"]
                if engine.name == "mt" and engine.precision == "float32":
                    expected[mode] = translated
                row[mode] |= compared(expected.get(mode, []), translated)
                if engine.precision == "float32" and row[mode].get("identical", 1.0) < MIN_IDENTICAL:
                    share = 100 * row[mode]["identical"]
                    results.leave_out(f"{engine.name} float32 {mode}", f"only {share:.1f} % of it is what we say")
            results.add(row)
            said = {mode: {k: v for k, v in row[mode].items() if k != "differing"} for mode in args.modes}
            print(f"round {number + 1}: {engine.name} {engine.precision}: {json.dumps(said)}", file=sys.stderr)
    results.finish()


if __name__ == "__main__":
    main()
