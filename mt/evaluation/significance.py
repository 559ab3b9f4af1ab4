"""How sure a score is, and a difference between two: sacrebleu's bootstrap and its paired tests, one metric at a time.

Koehn 2004 (bootstrap), Riezler and Maxwell 2005 (approximate randomisation). The chance of training is not in them:
they say what other sentences might have given, not what another seed might have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest

TESTS = {"bootstrap": "bs", "randomization": "ar"}
SAMPLES = {"bootstrap": 1000, "randomization": 10_000}  # sacrebleu's
SEED = 12345  # sacrebleu's
MOST_SAMPLES = 100_000


@dataclass(frozen=True)
class Interval:
    """95 % of the resampled test sets have a score of `mean` plus or minus `half_width`."""

    mean: float
    half_width: float


def check_resampling(samples: int, seed: int) -> None:
    """Raises ValueError for what resampling cannot do."""
    if not 100 <= samples <= MOST_SAMPLES:
        raise ValueError(f"samples ({samples}) must be from 100 to {MOST_SAMPLES}")
    if not 1 <= seed < 2**32:  # sacrebleu takes 0 for no seed at all
        raise ValueError(f"seed ({seed}) must be from 1 to {2**32 - 1}")


def interval(
    metric: Metric, lines: Sequence[Any], *, samples: int = SAMPLES["bootstrap"], seed: int = SEED
) -> Interval:
    """The confidence interval of one system; `metric` knows the references."""
    found = _tested(metric, {"": lines}, "bootstrap", samples, seed)
    return Interval(float(found[0].mean), float(found[0].ci))


def p_values(
    metric: Metric,
    baseline: Sequence[Any],
    others: Mapping[str, Sequence[Any]],
    *,
    test: str = "bootstrap",
    samples: int | None = None,
    seed: int = SEED,
) -> dict[str, float]:
    """For each other system, how often chance alone would make so large a difference to the baseline; 1 for none.

    `metric` knows the references. `test` is one of TESTS.
    """
    if not others:
        return {}
    systems = {"": baseline, **{f"={name}": lines for name, lines in others.items()}}
    base, *found = _tested(metric, systems, test, samples or SAMPLES[test], seed)
    # of equal systems sacrebleu would be as sure as it can be, since no sample is above the difference
    return {
        name: 1.0 if one.score == base.score else float(one.p_value) for name, one in zip(others, found, strict=True)
    }


def _tested(metric: Metric, systems: Mapping[str, Sequence[Any]], test: str, samples: int, seed: int) -> list[Any]:
    with _seeded(seed):
        paired = PairedTest(list(systems.items()), {"": metric}, None, test_type=TESTS[test], n_samples=samples)
        _, found = paired()
    return next(results for name, results in found.items() if name != "System")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """sacrebleu takes its seed from the environment alone."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before
