"""How fast each engine translates test2016 with the same weights: python scripts/bench/decoding.py --corpora FOLDER …

The model is one of ours, trained by `python -m mt.train` the first time (10 minutes) or given with --checkpoint, and
converted (convert.py). Every run is a process of its own; the engines take turns. Times go from text to text: `cold`
from the start of the process, `beam` and `greedy` again when all is loaded, `one_…` a sentence at a time. What came out
is scored, and compared with what CTranslate2 says in float32; what differs is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import environments
from convert import convert
from corpus import data_overrides, lines, write_corpus
from processes import begin, done, empty, finished
from results import Results
from setting import DEFAULT_WORK, HERE, PROJECT, SEARCH, SHORTLIST, SOURCE, TARGET, Work, place

MODES = ("cold", "beam", "greedy", "one_beam", "one_greedy")
RUN_LIMIT = 1200  # seconds


@dataclass(frozen=True)
class Engine:
    """`batch_tokens`: padded source tokens of a batch, the best of 512, 1024, 2048 and 4096; None: ours to choose."""

    engine: str
    precision: str
    batch_tokens: int | None = None
    shortlist: bool = False

    @property
    def kind(self) -> str:
        """What the results call it beside its name."""
        return f"{self.precision}, {SHORTLIST}" if self.shortlist else self.precision


ENGINES = (
    Engine("ctranslate2", "float32", 1024),  # first: the others are compared with it
    Engine("mt", "float32"),
    Engine("mt", "bfloat16"),
    Engine("mt", "int8"),
    Engine("mt", "float32", shortlist=True),
    Engine("mt", "int8", shortlist=True),
    Engine("ctranslate2", "int8", 1024),
    Engine("transformers", "float32", 1024),
    Engine("transformers", "bfloat16", 1024),
)
REFERENCE = ENGINES[0]
NAMES = list(dict.fromkeys(engine.engine for engine in ENGINES))


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


def run(engine: Engine, checkpoint: Path, one_lines: int, work: Work, scorer: Scorer) -> dict:
    """One measured process. Raises Failure."""
    empty(work.scratch)
    file, output = work.scratch / "specification.json", work.scratch / "output.json"
    specification = {
        **SEARCH,
        **asdict(engine),
        "source": str(work.text / f"test.{SOURCE}"),
        "output": str(output),
        "modes": MODES,
        "one_lines": one_lines,
        "started": time.monotonic(),
        "checkpoint": str(checkpoint),
        "model": str(work.converted),
    }
    file.write_text(json.dumps(specification, indent=1), "utf-8")
    command = [environments.python(engine.engine, work), HERE / "peers" / f"decode_{engine.engine}.py", file]
    environment = {"PYTHONPATH": str(PROJECT)} if engine.engine == "mt" else {}
    ended = finished(command, log=work.scratch / "log.txt", environment=environment, limit=RUN_LIMIT)
    found = json.loads(output.read_text("utf-8"))
    return {
        "peak_mib": ended["peak_mib"],
        "cold": {"seconds": found["cold"]["seconds"]},
        **{mode: scorer.numbers(engine, mode, **found[mode]) for mode in ("beam", "greedy")},
        **{mode: {"median_ms": 1000 * median(found[mode]["seconds_each"])} for mode in ("one_beam", "one_greedy")},
    }


class Scorer:
    """Speed and BLEU of translations, which are kept as files, and how they differ from the reference's."""

    def __init__(self, work: Work) -> None:
        from sacrebleu.metrics import BLEU

        from mt.data.tokenizer import Tokenizer

        self.bleu, self.references = BLEU(), lines(work.text / f"test.{TARGET}")
        self.tokenizer = Tokenizer.load(work.text / "sentencepiece.model")
        self.folder = work.folder / "translated"

    def numbers(self, engine: Engine, mode: str, lines: list[str], seconds: float) -> dict:
        self._file(engine, mode).write_text(json.dumps(lines, ensure_ascii=False, indent=0), "utf-8")
        tokens = sum(len(ids) + 1 for ids in self.tokenizer.encode_many(lines))  # EOS
        return {
            "seconds": seconds,
            "sentences_per_second": len(lines) / seconds,
            "tokens_per_second": tokens / seconds,
            "bleu": self.bleu.corpus_score(lines, [self.references]).score,
            "signature": str(self.bleu.get_signature()),
            **self._compared(mode, lines),
        }

    def _compared(self, mode: str, lines: list[str]) -> dict:
        """The share that is the reference's text, and what is not: [number, the reference's, this]."""
        if not self._file(REFERENCE, mode).exists():
            return {}
        expected = json.loads(self._file(REFERENCE, mode).read_text("utf-8"))
        both = enumerate(zip(expected, lines, strict=True), start=1)
        differing = [[number, first, second] for number, (first, second) in both if first != second]
        return {"identical": 1 - len(differing) / len(lines), "differing": differing}

    def _file(self, engine: Engine, mode: str) -> Path:
        return self.folder / f"{engine.engine}-{engine.kind}-{mode}.json"


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--checkpoint", type=place, help="a run of ours to decode with, instead of training one")
    flags.add_argument("--budget", default="10m", help="time for training that one (default: 10m)")
    flags.add_argument("--engines", nargs="+", choices=NAMES, default=NAMES, help="default: all")
    flags.add_argument("--one-lines", type=int, default=100, help="sentences translated one at a time (default: 100)")
    flags.add_argument("--rounds", type=int, default=2, help="turns that every engine has (default: 2)")
    args = flags.parse_args()

    work = Work(args.work)
    begin(work)
    write_corpus(args.corpora, work)
    if args.checkpoint is None:
        train_model(args.corpora, work, args.budget)
    checkpoint = args.checkpoint or work.model
    versions, left_out = environments.ready(args.engines, work)
    results = Results(args.output / "decoding.json", args, versions=versions, left_out=left_out)
    convert(checkpoint, work, [name for name in versions if name != "mt"])
    texts = (f"--source={work.text / f'train.{SOURCE}'}", f"--target={work.text / f'train.{TARGET}'}")
    done([sys.executable, "-m", "mt.shortlist", f"--checkpoint={checkpoint}", *texts])
    scorer = Scorer(work)
    if results.is_new:
        empty(scorer.folder)
    for number in range(1, args.rounds + 1):
        for engine in ENGINES:
            if engine.engine in versions:
                results.measure(
                    partial(run, engine, checkpoint, args.one_lines, work, scorer),
                    number=number,
                    engine=engine.engine,
                    precision=engine.kind,
                )
    results.finish()


if __name__ == "__main__":
    main()
