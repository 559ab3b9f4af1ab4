"""The quality of a finished run: scores, alignment error rate and statistics of its maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.metrics.base import Metric

from mt.alignment.alignment import RawAttention
from mt.alignment.choice import FILE_NAME
from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import from_lines
from mt.alignment.map_statistics import map_statistics
from mt.alignment.words import by_words
from mt.checkpoint.changes import read_settings
from mt.checkpoint.rebuild import build
from mt.checkpoint.small_file import read_json
from mt.data.held_out import HeldOut
from mt.data.prepare import prepare
from mt.data.sources import target_languages
from mt.evaluation.scores import metric
from mt.evaluation.significance import p_values
from mt.evaluation.tokenization import Tokenization
from mt.inference.aligner import Aligner

LINES = 200  # of a test set, for the statistics of maps
METRICS = ("bleu", "chrf")


def quality_of(run: Path) -> dict[str, Any]:
    """Numbers of a run folder that is finished, as plain values.

    tests         each with BLEU and chrF (0 to 100)
    signatures    of these, by test
    alignment     error rate in percent, `set` and `measured_on`: of the first test set with gold links, or else the
                  rate on the validation set when layer and heads were chosen
    maps          entropy (nats), sparsity, sink_mass and coverage of cross-attention, means over layers and heads
    parameters, updates, peak_memory_mib of the whole process
    """
    scores = read_json(run / "scores.json")
    settings = read_settings(run)
    prepared = prepare(build(settings["data"]), build(settings["tokenizer"]))
    aligner = Aligner.load(run, device=settings["trainer"]["device"], precision=settings["trainer"]["precision"])
    sets = list(prepared.tests.values()) or [prepared.valid]
    training = scores["training"]
    return {
        "tests": {name: {one: of_test[one] for one in METRICS} for name, of_test in scores["tests"].items()},
        "signatures": {
            name: {one: of_test["signatures"][one] for one in METRICS} for name, of_test in scores["tests"].items()
        },
        "alignment": _alignment(aligner, sets),
        "maps": _maps(aligner, sets[0]),
        "parameters": training["parameters"],
        "updates": training["step"],
        "peak_memory_mib": training["peak_memory_mib"],
    }


def paired(baseline: Sequence[Path], other: Sequence[Path], test: str) -> dict[str, float]:
    """`p_of` the translations of a test set by runs of both, with the same seeds in the same order."""
    first, second = ([_lines(run / "translations" / f"{test}.txt") for run in runs] for runs in (baseline, other))
    references, tokenization = _test_of(baseline[0], test)
    return p_of(first, second, references, tokenization)


def p_of(
    baseline: Sequence[Sequence[str]],
    other: Sequence[Sequence[str]],
    references: Sequence[str],
    tokenization: Tokenization = Tokenization(),  # noqa: B008 - frozen
) -> dict[str, float]:
    """p values of a paired bootstrap for "bleu" and "chrf" (Koehn 2004, as in sacrebleu).

    Sentences of a test set are resampled, each with its translations by all runs (one run per seed), so more seeds do
    not count as more sentences. The chance of training is not in p.
    """
    base, others = list(zip(*baseline, strict=True)), {"other": list(zip(*other, strict=True))}
    metrics = {name: _Joint(metric(name, tokenization, [references])) for name in METRICS}
    return {name: p_values(one, base, others)["other"] for name, one in metrics.items()}


class _Joint:
    """A metric over tuples of translations of a sentence by several runs: their statistics are summed."""

    def __init__(self, metric: Metric):
        self._metric = metric

    def _aggregate_and_compute(self, statistics: list[Any]) -> Any:
        return self._metric._aggregate_and_compute(statistics)

    def _compute_score_from_stats(self, statistics: Any) -> Any:
        return self._metric._compute_score_from_stats(statistics)

    def _extract_corpus_statistics(self, hypotheses: Sequence[Sequence[str]], references: None) -> list[Any]:
        of_one = self._metric._extract_corpus_statistics
        return np.sum([of_one(lines, references) for lines in zip(*hypotheses, strict=True)], axis=0).tolist()


@cache
def _test_of(run: Path, test: str) -> tuple[list[str], Tokenization]:
    """References and how they are scored; cached, since each variant needs those of the baseline's run."""
    settings = read_settings(run)
    data = build(settings["data"])
    languages = target_languages(data.tests[test], data.target_language)
    tokenization = build(settings["scores"]).fitting(*languages).tokenization
    return prepare(data, build(settings["tokenizer"])).tests[test].targets, tokenization


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")[:-1]


def _alignment(aligner: Aligner, sets: Sequence[HeldOut]) -> dict[str, Any] | None:
    with_gold = [one for one in sets if one.links is not None]
    if not with_gold:
        chosen = aligner.folder / FILE_NAME if aligner.folder else None
        if chosen is None or not chosen.is_file() or aligner.choice.error_rate is None:
            return None
        return {
            "set": "valid",
            "measured_on": aligner.choice.measured_on,
            "error_rate": 100 * aligner.choice.error_rate,
        }
    test, choice = with_gold[0], aligner.choice
    rate = ErrorRate()
    gold = from_lines(test.links or [], len(test))
    alignments = aligner.align(test.sources, test.targets, trees=test.trees)
    for alignment, source, target, of_line in zip(alignments, test.sources, test.targets, gold, strict=True):
        words = by_words(alignment, source, target)
        rate += ErrorRate.of(set(choice.links(words.weights_TS)), of_line)
    return {"set": test.name, "measured_on": "gold links", "error_rate": 100 * rate.aer}


def _maps(aligner: Aligner, test: HeldOut) -> dict[str, float]:
    trees = test.trees and test.trees[:LINES]
    raws: list[RawAttention] = aligner.attention(test.sources[:LINES], test.targets[:LINES], trees=trees)
    return {name: float(np.mean(values)) for name, values in map_statistics(raws).items()}
