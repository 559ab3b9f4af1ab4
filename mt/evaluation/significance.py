"""Confidence of scores and of differences: sacrebleu's bootstrap and paired tests, one metric at a time.

The same numbers as sacrebleu's, from the same random draws. sacrebleu holds the statistics of all samples at once (0.7
GB for chrF on 10,000 lines); here one sample is drawn at a time, so memory grows only with the lines.

Koehn 2004 (bootstrap), Riezler and Maxwell 2005 (approximate randomisation). They do not cover the randomness of
training: they estimate what other sentences would give, not what another seed would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sacrebleu.significance import estimate_ci

TESTS = ("bootstrap", "randomization")
SAMPLES = {"bootstrap": 1000, "randomization": 10_000}  # sacrebleu's
SEED = 12345  # sacrebleu's
MOST_SAMPLES = 100_000
TRIALS = 32  # of a randomization, computed together


class Resampled(Protocol):
    """What is used of a metric, one of sacrebleu's or one like it: sums of each line, and the score of such sums."""

    def _extract_corpus_statistics(self, lines: Sequence[Any], references: None, /) -> list[Any]: ...

    def _aggregate_and_compute(self, statistics: list[Any], /) -> Any: ...

    def _compute_score_from_stats(self, statistics: Any, /) -> Any: ...


@dataclass(frozen=True)
class Interval:
    """95 % of the resampled test sets have a score of `mean` plus or minus `half_width`."""

    mean: float
    half_width: float


def check_resampling(samples: int, seed: int) -> None:
    """Raises ValueError for invalid settings of resampling."""
    if not 100 <= samples <= MOST_SAMPLES:
        raise ValueError(f"samples ({samples}) must be from 100 to {MOST_SAMPLES}")
    if not 1 <= seed < 2**32:  # sacrebleu treats 0 as no seed
        raise ValueError(f"seed ({seed}) must be from 1 to {2**32 - 1}")


def interval(
    metric: Resampled, lines: Sequence[Any], *, samples: int = SAMPLES["bootstrap"], seed: int = SEED
) -> Interval:
    """The confidence interval of one system; `metric` holds the references."""
    mean, half_width = estimate_ci(_bootstrap(metric, _statistics(metric, lines), samples, seed))
    return Interval(float(mean), float(half_width))


def difference(
    metric: Resampled,
    baseline: Sequence[Any],
    other: Sequence[Any],
    *,
    samples: int = SAMPLES["bootstrap"],
    seed: int = SEED,
) -> Interval:
    """The confidence interval of `other` minus `baseline`, on the same drawn lines; `metric` holds the references."""
    drawn = (_bootstrap(metric, _statistics(metric, lines), samples, seed) for lines in (other, baseline))
    mean, half_width = estimate_ci(np.subtract(*drawn))
    return Interval(float(mean), float(half_width))


def p_values(
    metric: Resampled,
    baseline: Sequence[Any],
    others: Mapping[str, Sequence[Any]],
    *,
    test: str = "bootstrap",
    samples: int | None = None,
    seed: int = SEED,
) -> dict[str, float]:
    """For each other system, the probability that chance alone makes so large a difference to the baseline; 1 for none.

    `metric` holds the references. `test` is one of TESTS.
    """
    if not others:
        return {}
    samples = samples or SAMPLES[test]
    differences = _shuffled if test == "randomization" else _resampled
    base = _statistics(metric, baseline)
    found = {}
    for name, lines in others.items():
        other = _statistics(metric, lines)
        difference = abs(_score(metric, other) - _score(metric, base))
        # for equal systems sacrebleu would report the smallest p, since no sample exceeds the difference
        as_large = samples if difference == 0 else np.sum(differences(metric, base, other, samples, seed) > difference)
        found[name] = float((as_large + 1) / (samples + 1))
    return found


def _statistics(metric: Resampled, lines: Sequence[Any]) -> np.ndarray:
    """The statistics that a score is computed from: a row of sums per line."""
    return np.array(metric._extract_corpus_statistics(lines, None), dtype=np.float64)


def _score(metric: Resampled, statistics: np.ndarray) -> float:
    return float(metric._aggregate_and_compute(statistics.tolist()).score)


def _bootstrap(metric: Resampled, statistics: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Scores of test sets of the same size, drawn with replacement."""
    rows = statistics.astype(np.float32)  # as in sacrebleu
    random = np.random.default_rng(seed)
    draws = (random.choice(len(rows), size=len(rows), replace=True) for _ in range(samples))
    return np.array([metric._compute_score_from_stats(rows[drawn].sum(0)).score for drawn in draws])


def _resampled(metric: Resampled, base: np.ndarray, other: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Differences of two systems on the same drawn lines, around their mean (Koehn 2004)."""
    differences = np.abs(_bootstrap(metric, other, samples, seed) - _bootstrap(metric, base, samples, seed))
    return differences - differences.mean()


def _shuffled(metric: Resampled, base: np.ndarray, other: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Differences of two systems that swap each line with probability 1/2 (Riezler and Maxwell 2005)."""
    differences = []
    for is_base in _coins(samples, len(base), seed):
        one, two = (chosen @ base + ~chosen @ other for chosen in (is_base, ~is_base))
        differences += [abs(_score(metric, a[None]) - _score(metric, b[None])) for a, b in zip(one, two, strict=True)]
    return np.array(differences)


def _coins(samples: int, num_lines: int, seed: int) -> Iterator[np.ndarray]:
    """is_heads_TL of all trials, T at a time. numpy takes 32 coins of a draw, so that T is a multiple of 32."""
    random = np.random.default_rng(seed)
    for start in range(0, samples, TRIALS):
        yield random.integers(2, size=(min(TRIALS, samples - start), num_lines), dtype=bool)
