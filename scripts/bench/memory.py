"""What translating takes of memory, and a token of its caches: python scripts/bench/memory.py --corpora FOLDER …

The model has random weights, so that translations are as long as they may be: more memory is never needed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import environments
from corpus import data_overrides, lines, write_corpus
from processes import begin, done, empty, finished
from results import Results
from setting import BEAM_SIZE, DEFAULT_WORK, MODELS, PROJECT, SOURCE, Work, place

LIMIT = 600  # seconds
SETTINGS = {"defaults": [], "lean": ["--precision", "int8", "--batch-tokens", "128"]}
SOURCE_LENGTH, TARGET_LENGTH = 20, 10  # of the caches that are weighed


def untrained(model_name: str, corpora: Path, work: Work) -> Path:
    """A run folder after one update, unless it is there."""
    run = work.folder / f"untrained-{model_name}"
    if not (run / "scores.json").exists():
        settings = [
            *(f"folder={run}", *data_overrides(corpora, work), f"model={model_name}", "~data.tests.test"),
            *("trainer.max_steps=1", "trainer.validate_every=1", "batches.max_tokens=1024"),
            *("validation.sample_lines=0", "+validation.search.max_length=2"),
        ]
        done([sys.executable, "-m", "mt.train", *settings])
    return run


def cache_bytes(run: Path) -> dict[str, float]:
    """Of a source token, and of a target token of one hypothesis, in all layers together."""
    import torch

    from mt.data.source import Text
    from mt.inference.translator import Translator

    model = Translator.load(run, device="cpu").model
    with torch.inference_mode():
        state = model.start(Text(torch.full((1, SOURCE_LENGTH), 5)))
        for _ in range(TARGET_LENGTH):
            _, state = model.step(torch.tensor([5]), state)
    return {
        "source_token_bytes": nbytes(state.summaries) / SOURCE_LENGTH,
        "target_token_bytes": nbytes(state.pasts) / TARGET_LENGTH,
    }


def nbytes(value: Any) -> int:
    """Of the tensors of a value; memory that several look at counts once."""
    import torch

    storages: dict[int, int] = {}
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor):
            storages[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
        elif isinstance(item, (list, tuple)):
            waiting += item
        elif is_dataclass(item):
            waiting += [getattr(item, field.name) for field in fields(item)]
    return sum(storages.values())


def translated(model_name: str, how: str, num_lines: int, corpora: Path, work: Work) -> dict:
    """The command on so many lines. Raises Failure."""
    run = untrained(model_name, corpora, work)
    empty(work.scratch)
    source = work.scratch / "source.txt"
    source.write_text("".join(f"{line}\n" for line in lines(work.text / f"test.{SOURCE}")[:num_lines]), "utf-8")
    command = [
        *(sys.executable, "-m", "mt.translate", "--checkpoint", run, "--beam-size", str(BEAM_SIZE)),
        *("--input", source, "--output", work.scratch / "target.txt", *SETTINGS[how]),
    ]
    log, environment = work.scratch / "log.txt", {"PYTHONPATH": str(PROJECT)}
    return {**finished(command, log=log, environment=environment, limit=LIMIT), **cache_bytes(run)}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--lines", type=int, default=200, help="to translate (default: 200)")
    args = flags.parse_args()

    work = Work(args.work)
    begin(work)
    write_corpus(args.corpora, work)
    results = Results(args.output / "memory.json", args, versions=environments.ready(["mt"], work)[0])
    for name in MODELS:
        for how in SETTINGS:
            results.measure(
                partial(translated, name, how, args.lines, args.corpora, work), number=1, model=name, how=how
            )
    results.finish()


if __name__ == "__main__":
    main()
