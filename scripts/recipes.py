"""Recipes on Multi30k at an equal number of updates, each beside the plain run of the same seed.

    scripts/recipes.py WORK [OVERRIDE ...] [--recipes plain r_drop …] [--seeds 1 2 3] [--updates 1000]

Of every recipe: greedy BLEU on the validation set, by which one chooses; BLEU on test2016 by the run's own search, mean
and range over the seeds, and the difference to the first recipe with p of a paired bootstrap over sentences (of all
seeds); CPU minutes of a run with its validations and tests; BLEU of the test in capitals; the least alignment error
(AER) of a head to links of the statistical aligner; expected calibration error of words and lines, on the validation
set and on the test.

WORK gets the runs; those that are finished there are not trained again. A recipe that continues another (`after`)
starts from that recipe's run of the same seed. `distilled` needs WORK/distilled.jsonl, as `mt.distill data` writes it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from aligners import lines_of  # noqa: E402 - found by the line above
from guided_links import DEFAULT_CORPORA, corpus_in, place, train  # noqa: E402

from mt.checkpoint.small_file import read_json  # noqa: E402
from mt.checkpoint.steps import find_step  # noqa: E402
from mt.comparison.quality import p_of  # noqa: E402
from mt.evaluation.model_test import ModelTest, alignment_error  # noqa: E402
from mt.evaluation.scores import score  # noqa: E402
from mt.inference.confidence import Calibration, calibration_error, right_words, word_probabilities  # noqa: E402
from mt.inference.request import requests  # noqa: E402
from mt.inference.translator import Translator  # noqa: E402

SETTINGS = [  # a model of 330,000 parameters that learns much in few updates; a head is guided by learned links
    *("data=multi30k", "model=tiny", "tokenizer=bpe", "tokenizer.vocab_size=2000", "trainer.max_epochs=null"),
    *("model.layer.dim=64", "model.layer.feed_forward_dim=128", "model.layer.dropout=0.1"),
    *("model.layer.positions=rotary", "model.layer.norm=rms", "model.layer.activation=swiglu"),
    *("batches.max_tokens=2000", "schedule.peak=8e-3", "schedule.warmup_steps=100", "++schedule.cooldown=0.6"),
    *("trainer.ema_decay=0.98", "trainer.precision=float32", "guidance.links=learned"),
    *("validation.attention_lines=0", "final.length_penalties=[]", "search.length_penalty=1.0"),
]
SMALL_LETTERS = ("tokenizer.joint=false", "tokenizer.source_normalization=nfkc_cf", "model.tie=target")
LARGER = (
    *("model.encoder.num_layers=3", "model.decoder.num_layers=3", "model.layer.dim=128", "model.layer.dropout=0.2"),
    *("model.layer.feed_forward_dim=384", "batches.max_tokens=4000", "schedule.peak=4e-3", "optimizer=muon"),
)
TAUGHT = (
    *("guidance.links=null", "tokenizer_from={work}/plain-1"),
    "objective.teacher.checkpoints={work}/teacher-1",
)


@dataclass(frozen=True)
class Recipe:
    """Settings of mt.train beside the plain ones, with places for {corpus} and {work}.

    `after`: starts from this recipe's run. `updates`: as many instead of --updates. `prepared`: folder of its text.
    """

    overrides: tuple[str, ...] = ()
    after: str | None = None
    updates: int | None = None
    prepared: str = "prepared"


def schedule_free(peak: str) -> Recipe:
    """Its rate stays after the warm-up, and it averages the weights itself."""
    schedule = ("schedule=constant", "~schedule.cooldown", f"schedule.peak={peak}")
    return Recipe(("optimizer=schedule_free", *schedule, "trainer.ema_decay=0"))


RECIPES = {
    "plain": Recipe(),
    "peak 4e-3": Recipe(("schedule.peak=4e-3",)),
    "peak 1.6e-2": Recipe(("schedule.peak=1.6e-2",)),
    "muon": Recipe(("optimizer=muon",)),
    "muon, peak 1.6e-2": Recipe(("optimizer=muon", "schedule.peak=1.6e-2")),
    "peak 3.2e-2": Recipe(("schedule.peak=3.2e-2",)),
    "muon, peak 3.2e-2": Recipe(("optimizer=muon", "schedule.peak=3.2e-2")),
    "muon, small letters": Recipe(
        (*SMALL_LETTERS, "optimizer=muon", "schedule.peak=1.6e-2"), prepared="prepared_small_letters"
    ),
    "schedule_free 4e-3": schedule_free("4e-3"),
    "schedule_free 8e-3": schedule_free("8e-3"),
    "schedule_free 1.6e-2": schedule_free("1.6e-2"),
    "schedule_free 3.2e-2": schedule_free("3.2e-2"),
    "r_drop": Recipe(("objective=r_drop",)),
    "simcut": Recipe(("objective=simcut",)),
    "cut_off": Recipe(("objective=cut_off",)),
    "noise": Recipe(("batches.noise.capitals=0.05", "batches.noise.no_end=0.1", "batches.noise.typing=0.1")),
    "two vocabularies": Recipe(("tokenizer.joint=false", "model.tie=target"), prepared="prepared_two"),
    "small letters": Recipe(SMALL_LETTERS, prepared="prepared_small_letters"),
    "no guidance": Recipe(("guidance.links=null",)),
    "distilled": Recipe(
        (
            *("data=distilled", "data.source_language=en", "data.target_language=de", "data.train.made.path={made}"),
            *("data.valid.source={corpus}/val.en", "data.valid.target={corpus}/val.de"),
            *("data.tests.test.source={corpus}/test2016.en", "data.tests.test.target={corpus}/test2016.de"),
            *("batches.mixture.weights={{real: 0}}", "tokenizer_from={work}/plain-1"),
        ),
        prepared="prepared_distilled",
    ),
    # a larger model that teaches; its students, and those beside them, have no links
    "teacher": Recipe((*LARGER, "tokenizer_from={work}/plain-1"), updates=1200, prepared="prepared_taught"),
    "words taught": Recipe((*TAUGHT, "objective=distillation"), prepared="prepared_taught"),
    "attention taught": Recipe((*TAUGHT, "objective=attention_distillation"), prepared="prepared_taught"),
    "relations taught": Recipe((*TAUGHT, "objective=hidden_distillation"), prepared="prepared_taught"),
    "states taught": Recipe((*TAUGHT, "objective=projected_distillation"), prepared="prepared_taught"),
    "more": Recipe(("schedule.peak=5e-4", "schedule.warmup_steps=20"), after="plain", updates=100),
    "minimum_risk": Recipe(
        ("objective=minimum_risk", "schedule.peak=5e-4", "schedule.warmup_steps=20"), after="plain", updates=100
    ),
}


@dataclass
class Found:
    """What the runs of a recipe gave, one entry a seed; errors of calibration as (words, lines)."""

    translations: list[list[str]] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)  # greedy BLEU
    minutes: list[float] = field(default_factory=list)
    capitals: list[float] = field(default_factory=list)  # BLEU
    errors: list[float] = field(default_factory=list)  # of alignments, to links of the statistical aligner, in %
    valid_errors: list[tuple[float, float]] = field(default_factory=list)
    test_errors: list[tuple[float, float]] = field(default_factory=list)


def main() -> int:
    """Trains what is not there, and prints the tables."""
    flags = parser().parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work, corpus = flags.work, corpus_in(flags.corpora, "multi30k")
    test = lines_of(corpus / "test2016.en"), lines_of(corpus / "test2016.de")
    files = [str(corpus / f"test2016.{language}") for language in ("en", "de")]
    links = None if flags.train_only else ModelTest.of(*files, target_language="de")
    found: dict[str, Found] = {name: Found() for name in flags.recipes}
    for seed in flags.seeds:
        for name in flags.recipes:
            run = made(work, corpus, name, seed, flags.overrides, flags.updates)
            if links is None:
                continue
            read(run, test, found[name], links)
            print(line_of(name, seed, found[name], test[1]), flush=True)
    if not flags.train_only:
        print("\n".join(rows(found, test[1])))
    return 0


def made(work: Path, corpus: Path, name: str, seed: int, overrides: list[str], updates: int) -> Path:
    """The finished run of a recipe and a seed."""
    recipe = RECIPES[name]
    run = work / f"{name.replace(',', '').replace(' ', '_')}-{seed}"
    steps = recipe.updates or updates
    how = [f"trainer.max_steps={steps}", f"trainer.validate_every={steps}", f"data.prepared={work / recipe.prepared}"]
    if recipe.after is not None:
        how.append(f"start_from={made(work, corpus, recipe.after, seed, overrides, updates)}")
    places = {"corpus": corpus, "work": work, "made": work / "distilled.jsonl"}
    own = [one.format(**places) for one in recipe.overrides]
    train(run, [*SETTINGS, f"data.folder={corpus}", *own, *how, f"trainer.seed={seed}", *overrides])
    return run


def read(run: Path, test: tuple[list[str], list[str]], found: Found, links: ModelTest) -> None:
    """Adds what a run gave."""
    sources, references = test
    translator = Translator.load(run)
    calibration = Calibration.load(find_step(run))
    words, lines = [], []
    for one, reference in zip(translator.translate(requests(sources)), references, strict=True):
        right = right_words(one.text, reference)
        of_words = word_probabilities(one.candidates[0], translator.tokenizers.target)
        if calibration is not None and right:
            words += zip(calibration.words(of_words), right, strict=True)
            lines.append((calibration.whole(of_words), sum(right) / len(right)))
    found.translations.append(lines_of(run / "translations" / "test.txt"))
    capitals = [one.text for one in translator.translate(requests(line.upper() for line in sources))]
    found.capitals.append(bleu_of(capitals, references))
    error = alignment_error(run, links)
    found.errors.append(float("nan") if error is None else 100 * error)
    found.valid.append(read_json(find_step(run) / "scores.json")["bleu"])
    found.minutes.append(float(Path(f"{run}.seconds").read_text("utf-8")) / 60)
    if calibration is not None:
        found.valid_errors.append((calibration.word_error, calibration.line_error))
        found.test_errors.append((calibration_error(words), calibration_error(lines)))


def bleu_of(translations: list[str], references: list[str]) -> float:
    return score(translations, [references], metrics=("bleu",)).bleu


def line_of(name: str, seed: int, found: Found, references: list[str]) -> str:
    """The last run of a recipe."""
    bleu = bleu_of(found.translations[-1], references)
    return (
        f"{name}, seed {seed}: validation {found.valid[-1]:.2f}, test {bleu:.2f}, in capitals {found.capitals[-1]:.2f},"
        f" AER {found.errors[-1]:.1f} %,"
        f" {found.minutes[-1]:.1f} CPU minutes"
    )


def rows(found: Mapping[str, Found], references: list[str]) -> Iterator[str]:
    """The table, as Markdown."""
    heads = ["recipe", "validation, greedy", "BLEU", "seeds", "difference", "p", "CPU minutes", "in capitals"]
    heads += ["AER", "calibration error, validation: words, lines", "test"]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    (base, *_) = found.values()
    for name, one in found.items():
        bleu = [bleu_of(texts, references) for texts in one.translations]
        difference = mean(bleu) - mean(bleu_of(texts, references) for texts in base.translations)
        p = p_of(base.translations, one.translations, references)["bleu"] if one is not base else None
        cells = [name, f"{mean(one.valid):.2f}", f"{mean(bleu):.2f}", f"{min(bleu):.2f} to {max(bleu):.2f}"]
        cells += ["" if p is None else f"{difference:+.2f}", "" if p is None else f"{p:.3f}"]
        cells += [f"{mean(one.minutes):.1f}", f"{mean(one.capitals):.2f}"]
        cells.append(f"{mean(one.errors):.1f}")
        for errors in (one.valid_errors, one.test_errors):
            cells.append(", ".join(f"{mean(of):.3f}" for of in zip(*errors, strict=True)))
        yield f"| {' | '.join(cells)} |"


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("work", type=place, metavar="WORK", help="folder for the runs")
    flags.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="of mt.train, for all runs")
    flags.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), metavar="NAME")
    flags.add_argument("--corpora", metavar="FOLDER", type=place, default=DEFAULT_CORPORA)
    flags.add_argument("--seeds", nargs="+", type=int, metavar="SEED", default=[1, 2, 3], help="(default: 1 2 3)")
    flags.add_argument("--updates", type=int, default=1000, help="of every run (default: %(default)s)")
    flags.add_argument("--train-only", action="store_true", help="leaves out tables, which cost a decoding or two")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
