"""What text that a model has made is worth: half of a corpus's pairs, with and without back-translated other half.

    scripts/back_translation.py WORK [OVERRIDE ...] --corpora FOLDER [--corpus multi30k] [--seeds 1 2 3]

The odd lines of the training text are pairs; of the even ones only the German side is used. A model of the reverse
direction, trained on the pairs (seed 1), translates these, by sampling and by beam search. Then each seed is trained
on the pairs alone, on the pairs with each kind of made text, and on all true pairs, which is the most that can be hoped
for; all have the same number of updates. WORK gets the corpora and runs; what is finished there is not made again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from aligners import lines_of  # noqa: E402 - found by the line above
from guided_links import DEFAULT_CORPORA, corpus_in, place, train, write_lines  # noqa: E402
from recipes import SETTINGS, Found, line_of, read, rows  # noqa: E402

from mt.evaluation.model_test import ModelTest  # noqa: E402

CORPORA = {  # names of the files without their languages: train, valid, test
    "multi30k": ("multi30k", ("train", "val", "test2016")),
    "tatoeba": ("tatoeba-de-en", ("train", "dev", "test-odd")),
}
SAMPLED, BEAM = "sampled", "beam"
HOW = {SAMPLED: ["--sample"], BEAM: ["--beam-size", "5"]}
KINDS = ("half", SAMPLED, BEAM, "all")


def main() -> int:
    """Makes what is not there, and prints the table."""
    flags = parser().parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work = flags.work
    name, files = CORPORA[flags.corpus]
    half, whole = write_corpora(corpus_in(flags.corpora, name), files, work)
    updates = [f"trainer.max_steps={flags.updates}", f"trainer.validate_every={flags.updates}", *flags.overrides]
    text = ["data=text", "data.source_language=en", "data.target_language=de"]
    reverse = work / "reverse"
    turned = ["data=text", "data.source_language=de", "data.target_language=en", f"data.folder={half}"]
    train(reverse, [*SETTINGS, *turned, f"data.prepared={work / 'prepared_reverse'}", *updates, "trainer.seed=1"])
    found: dict[str, Found] = {kind: Found() for kind in flags.kinds}
    test = lines_of(half / "test.en"), lines_of(half / "test.de")
    links = ModelTest.of(str(half / "test.en"), str(half / "test.de"), target_language="de")
    for seed in flags.seeds:
        for kind in flags.kinds:
            run = work / f"{kind}-{seed}"
            if kind in HOW:
                made = back_translated(reverse, half, kind)
                own = ["data=back_translated", *text[1:], f"data.folder={half}", f"data.train.made.corpus.path={made}"]
            else:
                own = [*text, f"data.folder={half if kind == 'half' else whole}"]
            own += [f"data.prepared={work / f'prepared_{kind}'}", f"trainer.seed={seed}"]
            train(run, [*SETTINGS, *own, *updates])
            read(run, test, found[kind], links)
            print(line_of(kind, seed, found[kind], test[1]), flush=True)
    print("\n".join(rows(found, test[1])))
    return 0


def write_corpora(corpus: Path, files: Sequence[str], work: Path) -> tuple[Path, Path]:
    """Folders with the pairs of one half, and with all pairs; mono.de of the first is the other half's German."""
    half, whole = work / "half", work / "whole"
    for folder in (half, whole):
        folder.mkdir(parents=True, exist_ok=True)
    for part, file in zip(("train", "valid", "test"), files, strict=True):
        for language in ("en", "de"):
            packed = corpus / f"{file}.{language}.gz"
            lines = lines_of(packed if packed.is_file() else corpus / f"{file}.{language}")
            write_lines(whole / f"{part}.{language}", lines)
            write_lines(half / f"{part}.{language}", lines[::2] if part == "train" else lines)
            if (part, language) == ("train", "de"):
                write_lines(half / "mono.de", lines[1::2])
    return half, whole


def back_translated(reverse: Path, half: Path, kind: str) -> Path:
    """The held-back German with English that the reverse model made; goes on where it was stopped."""
    made = half / f"made-{kind}.jsonl"
    if made.is_file():  # whole: until then it has another name
        return made
    command = [sys.executable, "-m", "mt.back_translate", "--checkpoint", reverse, "--input", half / "mono.de"]
    subprocess.run([*map(str, command), "--output", str(made), *HOW[kind]], cwd=ROOT, check=True)
    return made


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("work", type=place, metavar="WORK", help="folder for the corpora and runs")
    flags.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="of mt.train, for all runs")
    flags.add_argument("--corpora", metavar="FOLDER", type=place, default=DEFAULT_CORPORA)
    flags.add_argument("--corpus", choices=CORPORA, default="multi30k")
    flags.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help="the first is compared to"
    )
    flags.add_argument("--seeds", nargs="+", type=int, metavar="SEED", default=[1, 2, 3], help="(default: 1 2 3)")
    flags.add_argument("--updates", type=int, default=1500, help="of every run (default: %(default)s)")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
