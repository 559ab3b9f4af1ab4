"""Scores of one or more systems on the same lines, with confidence intervals and tests of their differences."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mt.data.canonical import composed
from mt.evaluation import significance
from mt.evaluation.comet import Comet, check_comet, comet_scores
from mt.evaluation.scores import (
    COMET,
    METRICS,
    Scores,
    check_lines,
    check_names,
    metric,
    score,
    ter_without_moves,
    zero_bleu,
)
from mt.evaluation.significance import SAMPLES, SEED, TESTS, Interval
from mt.evaluation.tokenization import Tokenization, is_special

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What to compute for systems. Raises ValueError for options that cannot be fulfilled.

    confidence     95 % intervals of every score, by bootstrap
    paired         one of `significance.TESTS`, of each system against the first; None: no test
    samples        of the bootstrap or trials of the test; None: sacrebleu's numbers
    comet_model    folder of a COMET model; comet_python: a Python that has the package unbabel-comet
    """

    metrics: Sequence[str]
    confidence: bool = False
    paired: str | None = None
    samples: int | None = None
    seed: int = SEED
    comet_model: Path | None = None
    comet_python: str = sys.executable

    def __post_init__(self) -> None:
        check_names(self.metrics, (*METRICS, COMET))
        if self.paired is not None and self.paired not in TESTS:
            raise ValueError(f"paired ({self.paired}) must be one of {', '.join(TESTS)}")
        significance.check_resampling(self.samples or SAMPLES["bootstrap"], self.seed)
        if COMET in self.metrics:
            if self.comet_model is None:
                raise ValueError("metrics (comet) needs --comet-model FOLDER: a COMET model that was downloaded")
            check_comet(self.comet_model, self.comet_python)

    @property
    def bootstrap_samples(self) -> int:
        """Samples of the intervals. Trials of a randomization are counted separately."""
        default = SAMPLES["bootstrap"]
        return default if self.paired == "randomization" else self.samples or default


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Scores by system; their confidence intervals and p against the first system, by system and metric."""

    scores: Mapping[str, Scores]
    intervals: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    p: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def ask(
    question: Question,
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    tokenization: Tokenization,
    sources: Sequence[str] | None = None,
) -> Answer:
    """The answer for systems by name, the first of which is the baseline. COMET needs `sources`.

    Warns of a misleading BLEU of 0, and of lines too long for TER's moves. Raises ValueError
    for files with different numbers of lines, and where COMET cannot be run.
    """
    for lines in systems.values():
        check_lines(lines, references)
    # intervals and tests also use texts in NFC (`score`)
    systems = {name: list(map(composed, lines)) for name, lines in systems.items()}
    references = [list(map(composed, lines)) for lines in references]
    from_lines = [name for name in question.metrics if name != COMET]
    tokenize, ter = tokenization.tokenize, tokenization.ter
    scores = {
        name: score(lines, references, metrics=from_lines or ["bleu"], tokenize=tokenize, ter=ter)
        for name, lines in systems.items()
    }
    for name, of_system in scores.items():
        for warning in filter(None, (zero_bleu(of_system), ter_without_moves(of_system))):
            log.warning("%s: %s", name, warning)
    segments: Mapping[str, Sequence[float]] = {}
    signature = ""
    if COMET in question.metrics:
        assert question.comet_model is not None and sources is not None
        segments, signature = comet_scores(
            question.comet_model, sources, systems, references[0], python=question.comet_python
        )
    intervals: dict[str, dict[str, Interval]] = {name: {} for name in systems}
    p: dict[str, dict[str, float]] = {name: {} for name in systems}
    for name in question.metrics:
        lines_of: Mapping[str, Sequence[Any]] = segments if name == COMET else systems
        if name == COMET:
            mean = Comet().mean
            scores = {system: _with_comet(scores[system], mean(lines_of[system]), signature) for system in systems}
        if not (question.confidence or question.paired):
            continue
        measure: significance.Resampled = Comet() if name == COMET else metric(name, tokenization, references)
        if question.confidence:
            for system, lines in lines_of.items():
                intervals[system][name] = significance.interval(
                    measure, lines, samples=question.bootstrap_samples, seed=question.seed
                )
        if question.paired:
            (_, baseline), *others = lines_of.items()
            found = significance.p_values(
                measure, baseline, dict(others), test=question.paired, samples=question.samples, seed=question.seed
            )
            for system, value in found.items():
                p[system][name] = value
    scores = {system: _in_order(one, question.metrics) for system, one in scores.items()}
    return Answer(scores=scores, intervals=intervals, p=p)


def languages_of_names(*paths: str) -> list[str]:
    """The language in the ends of file names (test.zh, hyp.ja.txt.gz), if it needs special tokenization; or none."""
    for path in paths:
        for part in reversed(Path(path).name.split(".")[1:]):
            if is_special(part):
                return [part]
    return []


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Names of files in a table: the shortest ends of their paths that differ.

    Raises ValueError for a file that is given twice.
    """
    whole = [os.path.abspath(path) for path in paths]
    for number, path in enumerate(whole):
        if path in whole[:number]:
            raise ValueError(f"--hypotheses ({paths[number]}) is given twice")
    parts = [Path(path).parts for path in whole]
    length = 1
    while len({one[-length:] for one in parts}) < len(parts):
        length += 1
    return [str(Path(*one[-length:])) for one in parts]


def _with_comet(scores: Scores, value: float, signature: str) -> Scores:
    return replace(scores, values={**scores.values, COMET: value}, signatures={**scores.signatures, COMET: signature})


def _in_order(scores: Scores, metrics: Sequence[str]) -> Scores:
    """Only the requested metrics, in their order."""
    return replace(
        scores,
        values={name: scores.values[name] for name in metrics},
        signatures={name: scores.signatures[name] for name in metrics},
    )
