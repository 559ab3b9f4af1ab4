"""Minimum Bayes risk: of many samples, the one that is most like the others (Eikema and Aziz 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mt.search.hypothesis import Hypothesis
from mt.search.sampling import Sampling
from mt.search.utilities import UTILITIES

Expected = Callable[[Sequence[str]], Sequence[float]]
"""For each of some texts, the mean of its utility (0 to 100) with each of them as the reference."""


@dataclass(frozen=True, kw_only=True)
class MinimumBayesRisk(Sampling):
    """Draws `samples` of each sentence, then ranks them by expected utility; the `n_best` highest are returned.

    The samples stand for the model's distribution, so the expected utility of one is its mean utility with each sample
    as the reference, itself included (Freitag et al. 2022, 2023). Equal texts count as often as they were drawn, and
    are returned once.

    samples   drawn of each sentence
    utility   chrf or bleu, of a sentence
    epsilon   as in `Sampling`
    """

    samples: int = 32
    utility: str = "chrf"
    epsilon: float = 0.02

    def __post_init__(self):
        super().__post_init__()
        if self.samples < 2:
            raise ValueError(f"samples ({self.samples}) must be at least 2: a sample is compared with others")
        if self.n_best > self.samples:
            raise ValueError(f"n_best ({self.n_best}) must be at most samples ({self.samples})")
        if self.utility not in UTILITIES:
            raise ValueError(f"utility ({self.utility}) must be one of {', '.join(UTILITIES)}")

    @property
    def num_samples(self) -> int:
        return self.samples

    def ranked(self, drawn: Sequence[Hypothesis], texts: Sequence[str], expected: Expected) -> list[Hypothesis]:
        """The `n_best` different texts of highest expected utility, which is their score; ties: the likelier first."""
        utilities = expected(texts)
        first: dict[str, tuple[float, Hypothesis]] = {}
        for hypothesis, text, utility in zip(drawn, texts, utilities, strict=True):
            if text not in first:
                first[text] = utility, hypothesis
        best = sorted(first.values(), key=lambda one: (-one[0], -one[1].log_prob))
        return [replace(hypothesis, score=float(utility)) for utility, hypothesis in best[: self.n_best]]
