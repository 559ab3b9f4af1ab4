"""COMET: scores by a learned model, computed in a separate process (`mt.evaluation.comet_process`)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.metrics.base import Score

from mt.checkpoint.manifest import Mark
from mt.evaluation import comet_process

BATCH_SIZE = 16
MODEL_FILES = ("hparams.yaml", "checkpoints")


def check_comet(model: Path, python: str) -> None:
    """Raises ValueError for a folder without a COMET model, or a Python that does not exist or lacks COMET."""
    for name in MODEL_FILES:
        if not (model / name).exists():
            raise ValueError(f"--comet-model ({model}) must be the folder of a COMET model: it has no {name}")
    try:
        comet_process.weights_in(model)
    except FileNotFoundError as error:
        raise ValueError(f"--comet-model: {error}") from None
    if shutil.which(python) is None:
        raise ValueError(f"--comet-python ({python}) must be a Python that can be run")
    _answer(python, {})


def comet_scores(
    model: Path,
    sources: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    reference: Sequence[str],
    *,
    python: str = sys.executable,
) -> tuple[dict[str, list[float]], str]:
    """By system, the score of each segment (most models give 0 to 1); and a signature: model, its weights, version.

    Raises ValueError in one line where the package is missing or the model cannot be run.
    """
    segments = [
        {"src": source, "mt": hypothesis, "ref": line}
        for hypotheses in systems.values()
        for source, hypothesis, line in zip(sources, hypotheses, reference, strict=True)
    ]
    request = {"model": str(model.resolve()), "segments": segments, "batch_size": BATCH_SIZE}
    answer = _answer(python, request)
    if len(answer["scores"]) != len(segments):
        raise ValueError(f"comet: {model} gave {len(answer['scores'])} scores for {len(segments)} lines")
    weights = Mark.of(comet_process.weights_in(model)).sha256[:12]  # tells two models of the same name apart
    signature = f"nrefs:1|model:{model.resolve().name}|weights:{weights}|version:{answer['version']}"
    scores = iter(answer["scores"])
    return {name: list(islice(scores, len(lines))) for name, lines in systems.items()}, signature


class Comet:
    """A metric as `mt.evaluation.significance` needs it, from known segment scores: their mean times 100.

    A system's lines are its segments' scores.
    """

    def mean(self, scores: Sequence[float]) -> float:
        """The score of a system, times 100."""
        return self._aggregate_and_compute(self._extract_corpus_statistics(scores)).score

    def _extract_corpus_statistics(self, scores: Sequence[float], references: None = None) -> list[list[float]]:
        return [[score, 1.0] for score in scores]

    def _aggregate_and_compute(self, statistics: Any) -> Score:
        return self._compute_score_from_stats(np.asarray(statistics, dtype=np.float64).sum(axis=0))

    def _compute_score_from_stats(self, statistics: Any) -> Score:
        return Score("COMET", 100 * float(statistics[0]) / float(statistics[1]))


def _answer(python: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of `comet_process` to a request; run by its path, because that Python may lack this project."""
    done = subprocess.run(
        [python, comet_process.__file__], input=json.dumps(request), capture_output=True, text=True, encoding="utf-8"
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise ValueError(f"comet: {python} ended with {done.returncode}: {last[:500]}") from None
    if answer.get("error") == comet_process.MISSING:
        raise ValueError(
            f"metrics (comet) needs a package that {python} lacks: pip install 'mt-trainer[comet]', or, to keep its old"
            " numpy apart, a separate environment with `pip install unbabel-comet`, named by --comet-python"
        )
    if "error" in answer:
        raise ValueError(f"comet: {answer['error']}")
    return answer
