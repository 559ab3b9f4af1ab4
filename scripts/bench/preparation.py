"""How fast corpora of several sizes are prepared: python scripts/bench/preparation.py --work FOLDER --output FOLDER

Ours is the command `python -m mt.prepare` on a corpus that make_corpus.py writes: every pair is cleaned (deduplicated,
too), the vocabulary trained, every pair encoded and stored. No peer has the same step. Eole has `build_vocab`, which
reads and tokenizes every pair, with a vocabulary model that it is given, and counts pieces; the encoding is done anew
in every training. JoeyNMT and transformers have none: they tokenize while they train, or leave it to the user. Beside
the commands, cleaning and encoding are measured in one process, by the time of the processor.
`--pairs 10000 100000 1000000 10000000` goes to ten million: some 20 minutes a round, and 5 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from functools import partial
from pathlib import Path

import environments
from processes import begin, done, empty, finished
from results import Results
from setting import DEFAULT_WORK, HERE, PROJECT, SOURCE, TARGET, VOCAB_SIZE, Work, place

PAIRS, EOLE_PAIRS = (10_000, 100_000, 1_000_000), 100_000
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


def prepare(pairs: int, work: Work) -> dict:
    """One measured preparation by us. Raises Failure."""
    command = our_command(made_corpus(pairs, work), work.scratch / "prepared")
    empty(work.scratch)
    log = work.scratch / "log.txt"
    ended = finished(command, log=log, environment={"PYTHONPATH": str(PROJECT)}, limit=LIMIT)
    stages = {name: float(seconds) for name, seconds in STAGE.findall(log.read_text("utf-8"))}
    return {"pairs_per_second": pairs / ended["seconds"], **ended, "stage_seconds": stages}


def on_one_core(pairs: int, work: Work) -> dict:
    """Pairs a second of the processor, of cleaning and of encoding, in one process; also of encoding by lines alone."""
    from mt.data.cleaning.clean import HeldOutPairs, clean_corpus
    from mt.data.encode import Encoder
    from mt.data.formats.text_files import TextFiles
    from mt.data.held_out import HeldOut
    from mt.data.settings import DataSettings
    from mt.data.sources import Source
    from mt.data.text_store import TextStore
    from mt.data.tokenizer import TokenizerPair

    folder, ours = made_corpus(pairs, work), work.folder / f"made-{pairs}-prepared"
    done(our_command(folder, ours))  # nothing, if it was done
    tokenizers = TokenizerPair.load(ours / "tokenizer")
    empty(work.scratch)
    train, valid = (
        TextFiles(source=str(folder / f"{part}.{SOURCE}"), target=str(folder / f"{part}.{TARGET}"))
        for part in ("train", "valid")
    )
    languages = {"source_language": SOURCE, "target_language": TARGET}
    data = DataSettings(name="made", **languages, train=train, valid=valid, prepared=str(work.scratch))
    held_out = HeldOutPairs([HeldOut.read("valid", valid)], data)
    start = time.process_time()
    clean_corpus(
        Source(corpus=train), data.cleaning, languages=(SOURCE, TARGET), held_out=held_out, folder=work.scratch
    )
    cleaned = time.process_time()
    text, encoder = TextStore(work.scratch), Encoder(tokenizers, data.max_pieces)
    for block in text.blocks(range(len(text))):
        encoder(block)
    encoded = time.process_time()
    for block in text.blocks(range(len(text))):
        for side, tokenizer in (("source", tokenizers.source), ("target", tokenizers.target)):
            tokenizer.encode_many(block.lines(side))
    alone = time.process_time()
    return {
        "cleaned_per_cpu_second": pairs / (cleaned - start),
        "encoded_per_cpu_second": len(text) / (encoded - cleaned),
        "encoded_by_sentencepiece_per_cpu_second": len(text) / (alone - encoded),
    }


def eole_build_vocab(pairs: int, work: Work) -> dict:
    """One measured `eole build_vocab`, with our vocabulary of the corpus. Raises Failure."""
    corpus, ours = made_corpus(pairs, work), work.folder / f"made-{pairs}-prepared"
    done(our_command(corpus, ours))  # nothing, if it was done
    model = ours / "tokenizer" / "tokenizer.model"
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
    return {"pairs_per_second": pairs / ended["seconds"], **ended}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--pairs", nargs="*", type=int, default=PAIRS, help="of the corpora that we prepare")
    flags.add_argument("--eole-pairs", type=int, default=EOLE_PAIRS, help=f"of Eole's (default: {EOLE_PAIRS})")
    flags.add_argument("--core-pairs", type=int, default=100_000, help="for one core alone (default: 100000)")
    flags.add_argument("--rounds", type=int, default=2, help="turns that every tool has (default: 2)")
    args = flags.parse_args()

    work = Work(args.work)
    begin(work)
    versions, left_out = environments.ready(["mt", "eole"], work)
    left_out |= {"joeynmt": "it tokenizes while it trains", "transformers": "it has no such step of its own"}
    results = Results(args.output / "preparation.json", args, versions=versions, left_out=left_out)
    for pairs in filter(None, [*args.pairs, args.core_pairs, args.eole_pairs]):
        made_corpus(pairs, work)
    for number in range(1, args.rounds + 1):
        for pairs in args.pairs:
            results.measure(partial(prepare, pairs, work), number=number, tool="mt", pairs=pairs)
        pairs = args.core_pairs
        results.measure(partial(on_one_core, pairs, work), number=number, tool="one core", pairs=pairs)
        if "eole" in versions and args.eole_pairs:
            pairs = args.eole_pairs
            results.measure(partial(eole_build_vocab, pairs, work), number=number, tool="eole", pairs=pairs)
    results.finish()


if __name__ == "__main__":
    main()
