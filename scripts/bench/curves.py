"""What our training costs, against size: python scripts/bench/curves.py --corpora FOLDER --work FOLDER --output FOLDER

    model       target tokens a second against parameters
    length      … against the mean target tokens of a pair (sentences joined)
    batch       … against the tokens of a batch
    vocabulary  … against its pieces
    processes   … against the processes that torchrun starts, each with one thread, by the clock

One number changes, the others stay as in the table of training (`small`), in the precision that is faster on this
machine; batches of the lengths are larger. The size of the corpus is a matter of preparation.py. With one thread
(OMP_NUM_THREADS=1) seconds are those of the processor, except for processes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import environments
from corpus import data_overrides, lines, write_corpus
from processes import begin
from results import Results
from setting import BATCH_TOKENS, DEFAULT_WORK, SOURCE, TARGET, VOCAB_SIZE, Work, place
from training import Window, clock_of_threads, measure_ours

CURVES = ("model", "length", "batch", "vocabulary", "processes")
MODELS = (  # width, width of the feed-forward part, layers of encoder and decoder each, heads
    (128, 512, 2, 4),
    (256, 1024, 3, 4),
    (384, 1536, 4, 6),
    (512, 2048, 6, 8),
)
JOINED = (1, 4, 16, 64, 256, 512)  # sentences in a pair: up to 8,192 tokens of a side
LONG_BATCH = 20480  # padded tokens of both sides: one pair of the longest
LONGEST = 10240  # pieces of a side
BATCHES = (1024, 2048, 4096, 8192, 16384, 32768)  # padded tokens of both sides
VOCABULARIES = (1000, 2000, 4000, 8000, 16000)
PROCESSES = (1, 2)


def points(curve: str, corpora: Path, work: Work) -> Iterator[tuple[float, list[str], int]]:
    """The size (width for `model`), the settings of `mt.train`, and the padded tokens of a batch."""
    multi30k, usual = data_overrides(corpora, work), 2 * BATCH_TOKENS
    if curve == "model":
        for dim, feed_forward_dim, num_layers, num_heads in MODELS:
            size = [
                *(f"model.layer.dim={dim}", f"model.layer.feed_forward_dim={feed_forward_dim}"),
                *(f"model.layer.num_heads={num_heads}", f"model.encoder.num_layers={num_layers}"),
                f"model.decoder.num_layers={num_layers}",
            ]
            yield dim, [*multi30k, *size], usual
    elif curve == "length":
        for joined in JOINED:
            folder, mean_tokens = joined_corpus(joined, work)
            data = [
                *("data=text", f"data.folder={folder}", f"data.source_language={SOURCE}"),
                *(
                    f"data.target_language={TARGET}",
                    f"data.prepared={folder / 'prepared'}",
                    f"data.max_pieces={LONGEST}",
                ),
                *("data/cleaning=off", "tokenizer=bpe", f"tokenizer.vocab_size={VOCAB_SIZE}"),
            ]
            yield mean_tokens, data, LONG_BATCH
    elif curve == "batch":
        for max_tokens in BATCHES:
            yield max_tokens / 2, multi30k, max_tokens
    elif curve == "vocabulary":
        for pieces in VOCABULARIES:
            own = [f"data.prepared={work.folder / f'vocabulary-{pieces}'}", f"tokenizer.vocab_size={pieces}"]
            yield pieces, [*multi30k[:2], "tokenizer=bpe", *own], usual
    elif curve == "processes":
        for processes in PROCESSES:
            yield processes, multi30k, usual


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


def parameters(overrides: Sequence[str]) -> int:
    """Of the model of these settings."""
    from update_speed import begun

    from mt.model.seq2seq import parameter_counts

    return parameter_counts(begun(["model=small", *overrides])[1].model)["total"]


def run(curve: str, x: float, overrides: Sequence[str], max_tokens: int, window: Window, work: Work) -> dict:
    """One point. Raises Failure."""
    if curve == "processes":
        environment, window = {"OMP_NUM_THREADS": "1"}, replace(window, clock="seconds")
        return {
            "x": x,
            **measure_ours(
                "small", "auto", max_tokens, overrides, window, work, environment=environment, processes=int(x)
            ),
        }
    found = measure_ours("small", "auto", max_tokens, overrides, window, work)
    return {"x": parameters(overrides) if curve == "model" else x, **found}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--corpora", type=place, required=True, help="folder with multi30k/")
    flags.add_argument("--work", type=place, default=DEFAULT_WORK, help="where things are kept between the parts")
    flags.add_argument("--output", type=place, required=True, help="folder for the results")
    flags.add_argument("--curves", nargs="+", choices=CURVES, default=CURVES)
    flags.add_argument("--rounds", type=int, default=1, help="turns that every point has (default: 1)")
    flags.add_argument("--seconds", type=float, default=10, help="measured in each training (default: 10)")
    args = flags.parse_args()

    work, window = Work(args.work), Window(args.seconds, warmup_updates=3, warmup_seconds=3, clock=clock_of_threads())
    begin(work)
    write_corpus(args.corpora, work)
    results = Results(args.output / "curves.json", args, versions=environments.ready(["mt"], work)[0])
    for number in range(1, args.rounds + 1):
        for curve in args.curves:
            for x, overrides, max_tokens in points(curve, args.corpora, work):
                measured = partial(run, curve, x, overrides, max_tokens, window, work)
                results.measure(measured, number=number, curve=curve, size=x)
    results.finish()


if __name__ == "__main__":
    main()
