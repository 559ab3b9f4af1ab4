"""What a busy machine leaves: python scripts/bench/busy.py --corpora FOLDER --work FOLDER --output FOLDER

Training, translating with beam 5 and preparation, ours and each peer's, as they are installed (a thread for every
core), beside 0, 1 and 2 processes that each keep a core busy. With n of them, a tool that shares the cores fairly keeps
cores / (cores + n) of its quiet speed: `share` is its speed by that. All numbers are by the clock, so nothing else may
run. The model of translating is that of decoding.py, or --checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import environments
from convert import convert
from corpus import lines, write_corpus
from decoding import RUN_LIMIT, Engine, train_model
from preparation import eole_build_vocab, made_corpus, prepare
from processes import begin, beside, empty, finished
from results import Results
from setting import DEFAULT_WORK, HERE, PROJECT, SEARCH, SOURCE, Work, place
from training import SPEED, TOOLS, Window
from training import run as train

BUSY = (0, 1, 2)  # processes
PAIRS = 100_000  # to prepare
LINES = {"mt": 4000, "ctranslate2": 4000, "transformers": 300}  # to translate: some ten seconds on a quiet machine
BATCH_TOKENS = {"mt": None, "ctranslate2": 1024, "transformers": 1024}  # as in decoding.py
KINDS = ("training", "translating", "preparation")


def translate(name: str, checkpoint: Path, work: Work) -> dict:
    """Sentences a second in float32, once everything is loaded. Raises Failure."""
    empty(work.scratch)
    file, source, output = (work.scratch / name for name in ("specification.json", "source.txt", "output.json"))
    test = lines(work.text / f"test.{SOURCE}")
    count = LINES[name]
    source.write_text("".join(f"{test[number % len(test)]}\n" for number in range(count)), "utf-8")
    specification = {
        **SEARCH,
        **asdict(Engine(name, "float32", BATCH_TOKENS[name])),
        **{"source": str(source), "output": str(output), "modes": ["cold", "beam"], "one_lines": 0},
        **{"started": time.monotonic(), "checkpoint": str(checkpoint), "model": str(work.converted)},
    }
    file.write_text(json.dumps(specification, indent=1), "utf-8")
    command = [environments.python(name, work), HERE / "peers" / f"decode_{name}.py", file]
    environment = {"PYTHONPATH": str(PROJECT)} if name == "mt" else {}
    ended = finished(command, log=work.scratch / "log.txt", environment=environment, limit=RUN_LIMIT)
    seconds = json.loads(output.read_text("utf-8"))["beam"]["seconds"]
    return {"speed": count / seconds, "peak_mib": ended["peak_mib"]}


def train_one(name: str, window: Window, corpora: Path, work: Work) -> dict:
    """Target tokens a second of `small`, in bfloat16 where the tool has it. Raises Failure."""
    tool = TOOLS[name]
    found = train(tool, "small", tool.precisions[-1], window, corpora, work, {})
    return {"speed": found[SPEED], "peak_mib": found["peak_mib"]}


def prepare_one(name: str, work: Work) -> dict:
    """Pairs a second of the whole command. Raises Failure."""
    found = {"mt": prepare, "eole": eole_build_vocab}[name](PAIRS, work)
    return {"speed": found["pairs_per_second"], "peak_mib": found["peak_mib"]}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["mt", *environments.REQUIREMENTS]
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--checkpoint", type=place, help="a run of ours to translate with, instead of training one")
    flags.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of work (default: all)")
    flags.add_argument("--tools", nargs="+", choices=names, default=names, help="default: all")
    flags.add_argument("--rounds", type=int, default=1, help="turns of each (default: 1)")
    flags.add_argument("--seconds", type=float, default=10, help="measured in each training (default: 10)")
    args = flags.parse_args()

    work, window = Work(args.work), Window(args.seconds, warmup_updates=3, warmup_seconds=3)
    begin(work)
    write_corpus(args.corpora, work)
    versions, left_out = environments.ready(args.tools, work)
    results = Results(args.output / "busy.json", args, versions=versions, left_out=left_out)
    todo = []
    if "training" in args.kinds:
        todo += [("training", name, partial(train_one, name, window, args.corpora, work)) for name in TOOLS]
    if "translating" in args.kinds:
        if args.checkpoint is None:
            train_model(args.corpora, work, "10m")
        checkpoint = args.checkpoint or work.model
        convert(checkpoint, work, [name for name in LINES if name != "mt"])
        todo += [("translating", name, partial(translate, name, checkpoint, work)) for name in LINES]
    if "preparation" in args.kinds:
        made_corpus(PAIRS, work)
        todo += [("preparation", name, partial(prepare_one, name, work)) for name in ("mt", "eole")]
    for number in range(1, args.rounds + 1):
        for kind, name, run in todo:
            for count in BUSY if name in versions else ():
                with beside(count):
                    results.measure(run, number=number, kind=kind, tool=name, busy=count)
    results.finish()


if __name__ == "__main__":
    main()
