"""What our training and preparation cost, against size: python scripts/bench/curves.py --corpora FOLDER --output FOLDER

    model       target tokens a second against parameters
    length      … against the mean target tokens of a pair (sentences joined)
    batch       … against the tokens of a batch
    vocabulary  … against its pieces
    corpus      pairs prepared a second against their number; 10 million take some 30 minutes and 5 GB of disk

One number changes, the others stay as in the table of training (model small, bfloat16 or what --precision says).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from corpus import data_overrides, lines, write_corpus
from preparation import made_corpus, prepare
from processes import Failure
from results import Results
from setting import BATCH_TOKENS, DEFAULT_WORK, PRECISIONS, SOURCE, TARGET, VOCAB_SIZE, Work, place
from training import Window, measure_ours

CURVES = ("model", "length", "batch", "vocabulary", "corpus")
MODELS = {  # width, width of the feed-forward part, layers of encoder and decoder each, heads
    "128": (128, 512, 2, 4),
    "256": (256, 1024, 3, 4),
    "384": (384, 1536, 4, 6),
    "512": (512, 2048, 6, 8),
}
JOINED = (1, 2, 4, 8, 16)  # sentences in a pair
BATCHES = (1024, 2048, 4096, 8192, 16384, 32768)  # padded tokens of both sides
VOCABULARIES = (1000, 2000, 4000, 8000, 16000)
CORPORA = (10_000, 100_000, 1_000_000)  # pairs
PARAMETERS = re.compile(r"total ([\d,]+)")


def points(curve: str, corpora: Path, work: Work) -> Iterator[tuple[float | None, dict]]:
    """The value on the axis (None: it is read from the log or the run) and what `measure_ours` is told."""
    multi30k = data_overrides(corpora, work)
    if curve == "model":
        for dim, feed_forward_dim, num_layers, num_heads in MODELS.values():
            size = [
                *(f"model.layer.dim={dim}", f"model.layer.feed_forward_dim={feed_forward_dim}"),
                *(f"model.layer.num_heads={num_heads}", f"model.encoder.num_layers={num_layers}"),
                f"model.decoder.num_layers={num_layers}",
            ]
            yield None, {"overrides": [*multi30k, *size]}
    elif curve == "length":
        for joined in JOINED:
            folder, mean_tokens = joined_corpus(joined, work)
            data = [
                *("data=text", f"data.folder={folder}", f"data.source_language={SOURCE}"),
                *(f"data.target_language={TARGET}", f"data.prepared={folder / 'prepared'}", "data.max_pieces=1024"),
                *("data/cleaning=off", "tokenizer=bpe", f"tokenizer.vocab_size={VOCAB_SIZE}"),
            ]
            yield mean_tokens, {"overrides": data}
    elif curve == "batch":
        for max_tokens in BATCHES:
            yield max_tokens / 2, {"overrides": multi30k, "max_tokens": max_tokens}
    elif curve == "vocabulary":
        for size in VOCABULARIES:
            prepared = work.folder / f"vocabulary-{size}"
            own = [f"data.prepared={prepared}", f"tokenizer.vocab_size={size}"]
            yield size, {"overrides": [*multi30k[:2], "tokenizer=bpe", *own]}


def joined_corpus(joined: int, work: Work) -> tuple[Path, float]:
    """The corpus with so many sentences a line, and the mean of target tokens (by the common vocabulary) of a line."""
    from mt.data.tokenizer import Tokenizer

    folder = work.folder / f"joined-{joined}"
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer.load(work.text / "sentencepiece.model")
    mean_tokens = 0.0
    for part in ("train", "valid", "test"):
        for language in (SOURCE, TARGET):
            rows = lines(work.text / f"{part}.{language}")
            rows = [" ".join(rows[start : start + joined]) for start in range(0, len(rows), joined)]
            file, text = folder / f"{part}.{language}", "".join(f"{row}\n" for row in rows)
            if not file.exists() or file.read_text("utf-8") != text:
                file.write_text(text, "utf-8", newline="\n")
            if (part, language) == ("train", TARGET):
                mean_tokens = sum(len(ids) + 1 for ids in tokenizer.encode_many(rows)) / len(rows)
    return folder, mean_tokens


def parameters(log: Path) -> int:
    """Of the model, as `mt.train` says them."""
    found = PARAMETERS.search(log.read_text("utf-8"))
    if found is None:
        raise Failure("the log does not say how many parameters there are")
    return int(found[1].replace(",", ""))


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--curves", nargs="+", choices=CURVES, default=CURVES)
    flags.add_argument("--precision", choices=PRECISIONS, default="bfloat16")
    flags.add_argument("--pairs", nargs="+", type=int, default=CORPORA, help="of the curve `corpus`")
    flags.add_argument("--rounds", type=int, default=2, help="turns that every point has (default: 2)")
    flags.add_argument("--seconds", type=float, default=10, help="measured in each training (default: 10)")
    args = flags.parse_args()

    work, window = Work(args.work), Window(args.seconds, warmup_updates=3, warmup_seconds=3)
    results = Results(args.output / "curves.json", args)
    write_corpus(args.corpora, work)

    def record(curve: str, x: float, number: int, y: float, found: dict) -> None:
        results.add({"curve": curve, "x": x, "y": y, "round": number + 1, **found})
        print(f"round {number + 1}: {curve} {x:,.0f}: {y:,.0f} a second, {found['peak_mib']:,.0f} MiB", file=sys.stderr)

    for number in range(args.rounds):
        for curve in args.curves:
            for x, how in points(curve, args.corpora, work) if curve != "corpus" else ():
                max_tokens = how.get("max_tokens", 2 * BATCH_TOKENS)
                try:
                    found = measure_ours("small", args.precision, max_tokens, how["overrides"], window, work)
                    x = parameters(work.scratch / "log.txt") if x is None else x
                except Failure as failure:
                    results.leave_out(f"{curve} {x or ''}".strip(), str(failure))
                    continue
                record(curve, x, number, found["target_tokens_per_second"], found)
            for pairs in args.pairs if curve == "corpus" else ():
                try:
                    found = prepare(made_corpus(pairs, work), pairs, work)
                except Failure as failure:
                    results.leave_out(f"corpus {pairs}", str(failure))
                    continue
                record(curve, pairs, number, found["pairs_per_second"], found)
    results.finish()


if __name__ == "__main__":
    main()
