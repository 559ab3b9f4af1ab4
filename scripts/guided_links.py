"""What learned word links do to a training on few pairs: runs that they guide, and runs without (`guidance.links`).

    scripts/guided_links.py WORK [OVERRIDE ...] [--rows bundled de-en] [--corpora FOLDER] [--seeds 1 2 3]

Both kinds of runs have the same pairs, settings, seeds and number of updates. Shown are BLEU on the test sets and the
alignment error rate (AER) of the attention, read where each run has chosen to read it. Then come the differences: their
mean over the seeds, and the chance (p) or the interval of a paired bootstrap over sentences, each with what all seeds
made of it.

  bundled  4,000 pairs; both test sets, whose links are known. The place to read attention is chosen on gold links.
  de-en    FOLDER/{align,tatoeba}-de-en: the 50 sentences with gold links (Europarl) and Tatoeba, tokenised, 4,000 pairs
           in all; BLEU is of Tatoeba's test. The place to read attention is chosen by links of the statistical aligner.

WORK gets the runs; those that are finished there are not trained again.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_CORPORA = Path(os.environ.get("MT_CORPORA", ROOT / "data" / "corpora")).absolute()
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from aligners import lines_of, tokens  # noqa: E402 - found by the line above

from mt.alignment.error_rate import ErrorRate  # noqa: E402
from mt.alignment.gold import Gold, from_lines  # noqa: E402
from mt.alignment.words import by_words  # noqa: E402
from mt.comparison.quality import p_of  # noqa: E402
from mt.data.bundled.source import Bundled  # noqa: E402
from mt.evaluation.scores import score  # noqa: E402
from mt.inference.aligner import Aligner  # noqa: E402

PAIRS = 4000
KINDS = {"no links": "null", "learned links": "learned"}
SAMPLES = 1000
SETTINGS = [  # those of the demo, with dropout, and a tokenizer that fits so little text
    *("experiment=demo", "tokenizer.vocab_size=1500", "model.layer.dropout=0.1"),
    *("trainer.max_steps=400", "trainer.validate_every=200", "guidance.weight=0.05"),
]


@dataclass
class Row:
    """A corpus: `overrides` of mt.train; test sets as (sources, references); gold: (sources, targets, links)."""

    overrides: list[str]
    tests: dict[str, tuple[list[str], list[str]]]
    gold: dict[str, tuple[list[str], list[str], list[Gold]]]


@dataclass
class Found:
    """What the runs of one kind gave, one entry a seed; AER as the counts of every sentence."""

    translations: dict[str, list[list[str]]] = field(default_factory=dict)
    rates: dict[str, list[list[ErrorRate]]] = field(default_factory=dict)


def main() -> int:
    """Trains what is not there, and prints the tables."""
    flags = parser().parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work = flags.work
    for name in flags.rows:
        row = ROWS[name](work / name, flags.corpora)
        kinds = {kind: Found() for kind in KINDS}
        for seed in flags.seeds:
            for kind, links in KINDS.items():
                run = work / name / f"{links}-{seed}"
                how = [f"guidance.links={links}", f"trainer.seed={seed}", *flags.overrides]
                train(run, [*SETTINGS, *row.overrides, *how])
                read(run, row, kinds[kind])
                print(line_of(name, kind, seed, row, kinds[kind]), flush=True)
        for line in differences(name, row, *kinds.values()):
            print(line, flush=True)
    return 0


def train(run: Path, overrides: Sequence[str]) -> None:
    """Trains a run, unless it is finished; RUN.log, RUN.settings and RUN.seconds (CPU seconds) stand beside its folder.

    Ends the process with one line where a finished run had other settings.
    """
    settings, asked = Path(f"{run}.settings"), "".join(f"{one}\n" for one in overrides)
    if (run / "scores.json").is_file():
        had = settings.read_text("utf-8") if settings.is_file() else asked
        if had != asked:
            other = ", ".join(sorted({*had.splitlines()} ^ {*asked.splitlines()}))
            print(f"error: {run} was trained with other settings ({other}): name another WORK", file=sys.stderr)
            raise SystemExit(2)
        return
    command = [sys.executable, "-m", "mt.train", f"folder={run}", *overrides]
    run.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(asked, "utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(f"{run}.log", "w") as log:
        code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log).returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    times = Path(f"{run}.seconds")
    seconds += float(times.read_text("utf-8")) if times.is_file() else 0.0  # of a run that was stopped
    times.write_text(f"{seconds:.0f}\n", "utf-8")
    is_done = (run / "scores.json").is_file()  # a run that is stopped in order ends without an error
    if code or not is_done:
        raise SystemExit(f"a training did not finish; the last of {log.name}:\n" + Path(log.name).read_text()[-500:])
    print(f"{run}: {seconds:.0f} CPU seconds", file=sys.stderr)


def read(run: Path, row: Row, found: Found) -> None:
    """Adds what a run gave."""
    for test in row.tests:
        found.translations.setdefault(test, []).append(lines_of(run / "translations" / f"{test}.txt"))
    aligner = Aligner.load(run)
    for test, (sources, targets, gold) in row.gold.items():
        words = zip(aligner.align(sources, targets), sources, targets, gold, strict=True)
        found.rates.setdefault(test, []).append(
            [
                ErrorRate.of(set(aligner.choice.links(by_words(alignment, source, target).weights_TS)), links)
                for alignment, source, target, links in words
            ]
        )


def line_of(name: str, kind: str, seed: int, row: Row, found: Found) -> str:
    """The last run of a kind."""
    bleu = ", ".join(f"BLEU {test} {bleu_of(found.translations[test][-1], row, test):.2f}" for test in row.tests)
    aer = ", ".join(f"AER {test} {100 * sum(of[-1], ErrorRate()).aer:.1f}" for test, of in found.rates.items())
    return f"{name}, seed {seed}, {kind}: {bleu}; {aer}"


def differences(name: str, row: Row, base: Found, other: Found) -> list[str]:
    """Lines: means and spreads of both kinds, and their difference."""
    lines = []
    for test, (_, references) in row.tests.items():
        sides = [[bleu_of(one, row, test) for one in found.translations[test]] for found in (base, other)]
        p = p_of(base.translations[test], other.translations[test], references)["bleu"]
        lines.append(f"{name}, BLEU {test}: {compared(*sides)}, p {p:.3f}")
    for test in row.gold:
        sides = [[100 * sum(one, ErrorRate()).aer for one in found.rates[test]] for found in (base, other)]
        low, high = interval(base.rates[test], other.rates[test])
        lines.append(f"{name}, AER {test}: {compared(*sides)}, 95 % of samples from {low:+.1f} to {high:+.1f}")
    return lines


def compared(base: Sequence[float], other: Sequence[float]) -> str:
    sides = " -> ".join(f"{np.mean(side):.2f} (seeds {min(side):.2f} to {max(side):.2f})" for side in (base, other))
    return f"{sides}, difference {np.mean(other) - np.mean(base):+.2f}"


def bleu_of(translations: list[str], row: Row, test: str) -> float:
    return score(translations, [row.tests[test][1]], metrics=("bleu",)).bleu


def interval(base: list[list[ErrorRate]], other: list[list[ErrorRate]]) -> tuple[float, float]:
    """The AER's difference, in points: from, to, for 95 % of the sets of sentences that are drawn with replacement."""
    counts = [np.array([[vars_of(rate) for rate in one] for one in side]) for side in (base, other)]
    sums = [side.sum(axis=0) for side in counts]  # of all seeds, for every sentence
    random, found = np.random.default_rng(1), []
    for _ in range(SAMPLES):
        drawn = random.integers(len(sums[0]), size=len(sums[0]))
        found.append(np.subtract(*(100 * ErrorRate(*side[drawn].sum(axis=0)).aer for side in sums[::-1])))
    return tuple(np.percentile(found, (2.5, 97.5)))


def vars_of(rate: ErrorRate) -> tuple[int, ...]:
    return rate.num_links, rate.num_sure, rate.num_in_sure, rate.num_in_possible


def bundled(work: Path, _: Path) -> Row:
    tests = {name: list(Bundled(name)) for name in ("test", "test_compositional")}
    sides = {name: ([p.source for p in pairs], [p.target for p in pairs]) for name, pairs in tests.items()}
    gold = {
        name: (*sides[name], from_lines([p.links or "" for p in pairs], len(pairs))) for name, pairs in tests.items()
    }
    return Row([f"data.train.size={PAIRS}", f"data.prepared={work / 'prepared'}"], sides, gold)


def german(work: Path, corpora: Path) -> Row:
    own, more = corpus_in(corpora, "align-de-en"), corpus_in(corpora, "tatoeba-de-en")
    gold = from_lines(lines_of(own / "test-odd.wa"), len(lines_of(own / "test-odd.wa")))
    sides = {}
    work.mkdir(parents=True, exist_ok=True)
    for of in ("de", "en"):
        aligned = lines_of(own / f"test-odd.{of}")
        parts = {
            "train": aligned + tokens(lines_of(more / f"train.{of}.gz")[: PAIRS - len(aligned)]),
            "valid": tokens(lines_of(more / f"dev.{of}")[:500]),
            "test": tokens(lines_of(more / f"test-odd.{of}")[:1000]),
        }
        for part, lines in parts.items():
            write_lines(work / f"{part}.{of}", lines)
        sides[of] = aligned, parts["test"]
    where = ["data=text", f"data.folder={work}", "data.source_language=de", "data.target_language=en"]
    tests = {"test": (sides["de"][1], sides["en"][1])}
    return Row([*where, f"data.prepared={work / 'prepared'}"], tests, {"test": (sides["de"][0], sides["en"][0], gold)})


ROWS = {"bundled": bundled, "de-en": german}


def corpus_in(corpora: Path, name: str) -> Path:
    """The folder of a corpus; ends the process with one line where it is missing."""
    if not (corpora / name).is_dir():
        print(f"error: --corpora ({corpora}) must be a folder that holds {name}", file=sys.stderr)
        raise SystemExit(2)
    return corpora / name


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Writes a file, unless it has these lines: a training that resumes looks at when its corpus was changed."""
    content = "".join(f"{line}\n" for line in lines).encode()
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)


def place(text: str) -> Path:
    """A path that stays the same in another folder, where trainings run."""
    return Path(text).absolute()


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("work", type=place, metavar="WORK", help="folder for the runs")
    flags.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="of mt.train, for all runs: trainer.max_steps=900"
    )
    flags.add_argument("--rows", nargs="+", choices=ROWS, default=["bundled"], help="(default: bundled)")
    flags.add_argument("--corpora", metavar="FOLDER", type=place, default=DEFAULT_CORPORA)
    flags.add_argument("--seeds", nargs="+", type=int, metavar="SEED", default=[1, 2, 3], help="(default: 1 2 3)")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
