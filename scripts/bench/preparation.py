"""How fast a corpus is prepared: python scripts/bench/preparation.py --work FOLDER --output FOLDER

Ours is the command `python -m mt.prepare` on a corpus that make_corpus.py writes: every pair is cleaned (deduplicated,
too), the vocabulary trained, every pair encoded and stored. No peer has the same step. Eole has `build_vocab`, which
reads and tokenizes every pair, with a vocabulary model that it is given, and counts pieces; the encoding is done anew
in every training. JoeyNMT and transformers have none: they tokenize while they train, or leave it to the user.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import environments
from processes import Failure, done, empty, finished
from results import Results
from setting import DEFAULT_WORK, HERE, PROJECT, SOURCE, TARGET, VOCAB_SIZE, Work, place

LIMIT = 3600  # seconds
STAGE = re.compile(r"(cleaned|encoded) \d+ pairs in ([\d.]+) s")


def made_corpus(pairs: int, work: Work) -> Path:
    """A folder with so many pairs, unless it is there."""
    folder = work.folder / f"made-{pairs}"
    if not (folder / "done").exists():
        done([sys.executable, HERE / "make_corpus.py", folder, "--pairs", str(pairs)])
        (folder / "done").touch()
    return folder


def our_command(corpus: Path, prepared: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "mt.prepare", "data=text", f"data.folder={corpus}", f"data.prepared={prepared}"),
        *(f"data.source_language={SOURCE}", f"data.target_language={TARGET}"),
        *("tokenizer=bpe", f"tokenizer.vocab_size={VOCAB_SIZE}"),
    ]


def prepare(corpus: Path, pairs: int, work: Work) -> dict:
    """One measured preparation by us. Raises Failure."""
    prepared = work.scratch / "prepared"
    empty(work.scratch)
    log = work.scratch / "log.txt"
    ended = finished(our_command(corpus, prepared), log=log, environment={"PYTHONPATH": str(PROJECT)}, limit=LIMIT)
    stages = {name: float(seconds) for name, seconds in STAGE.findall(log.read_text("utf-8"))}
    return {"pairs": pairs, "pairs_per_second": pairs / ended["seconds"], **ended, "stage_seconds": stages}


def eole_build_vocab(corpus: Path, pairs: int, model: Path, work: Work) -> dict:
    """One measured `eole build_vocab`. Raises Failure."""
    empty(work.scratch)
    settings = {
        "save_data": str(work.scratch / "eole"),
        "overwrite": True,
        "n_sample": -1,
        "num_threads": 2,
        "share_vocab": True,
        "src_vocab": str(work.scratch / "vocabulary.txt"),
        "tgt_vocab": str(work.scratch / "vocabulary.txt"),
        "transforms": ["sentencepiece"],
        "transforms_configs": {"sentencepiece": {"src_subword_model": str(model), "tgt_subword_model": str(model)}},
        "data": {"corpus": {"path_src": str(corpus / f"train.{SOURCE}"), "path_tgt": str(corpus / f"train.{TARGET}")}},
    }
    file = work.scratch / "eole.yaml"  # JSON is YAML
    file.write_text(json.dumps(settings, indent=1), "utf-8")
    command = [environments.python("eole", work).parent / "eole", "build_vocab", "--config", file]
    ended = finished(command, log=work.scratch / "log.txt", limit=LIMIT)
    return {"pairs": pairs, "pairs_per_second": pairs / ended["seconds"], **ended}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, help="not read; every part takes it")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--pairs", type=int, default=300_000, help="of the corpus (default: 300000)")
    flags.add_argument("--rounds", type=int, default=2, help="turns that every tool has (default: 2)")
    args = flags.parse_args()

    work = Work(args.work)
    results = Results(args.output / "preparation.json", args)
    corpus = made_corpus(args.pairs, work)
    if reason := environments.make("eole", work):
        results.leave_out("eole", f"it cannot be installed: {reason}")
    else:
        results.set_versions("eole", environments.versions("eole", work))
    results.leave_out("joeynmt", "it has no such step: it tokenizes while it trains")
    results.leave_out("transformers", "it has no such step of its own")
    model = work.folder / f"made-{args.pairs}.model"  # of ours, for Eole
    failed = bool(reason)
    for number in range(args.rounds):
        results.add({"tool": "mt", "round": number + 1, **prepare(corpus, args.pairs, work)})
        shutil.copy(work.scratch / "prepared" / "tokenizer" / "tokenizer.model", model)
        if failed:
            continue
        try:
            results.add({"tool": "eole", "round": number + 1, **eole_build_vocab(corpus, args.pairs, model, work)})
        except Failure as failure:
            results.leave_out("eole", str(failure))
            failed = True
    results.finish()


if __name__ == "__main__":
    main()
