"""How sure the statistical aligner is: the threshold for links, and the error rate to expect of them.

If every link is right with its probability p, the links of at least a threshold are expected to have

    AER = 1 - 2 sum of p of the links / (number of links + sum of all p)

(the sure links being the possible ones), which is least for one of the thresholds. People draw some links differently
even where the aligner is sure; their share is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Share of links on which people differ; from the Hansards' trial set and the bundled corpus, of 200 to 20,000 pairs
PEOPLE = 0.04
NOISE = 0.4  # expected AER from which links are noise rather than help


@dataclass(frozen=True)
class Certainty:
    """`threshold` of probability for links; `expected_aer` of these links, from 0 to 1."""

    threshold: float
    expected_aer: float

    @classmethod
    def of(cls, probabilities: np.ndarray) -> Certainty:
        """The threshold with the least expected AER, for the probabilities of all pairs of words."""
        counts, edges = np.histogram(probabilities, bins=100, range=(0, 1))
        sums, _ = np.histogram(probabilities, bins=100, range=(0, 1), weights=probabilities)
        num_links, right = counts[::-1].cumsum()[::-1], sums[::-1].cumsum()[::-1]
        expected = 1 - 2 * right / np.maximum(num_links + sums.sum(), 1e-9)
        best = int(expected[1:].argmin()) + 1
        return cls(float(edges[best]), float(1 - (1 - expected[best]) * (1 - PEOPLE)))

    @property
    def is_noise(self) -> bool:
        """Whether so many links must be expected to be wrong or missing that they help nobody."""
        return self.expected_aer >= NOISE

    @property
    def warning(self) -> str:
        """What to tell a user whose links are noise."""
        return (
            f"the aligner expects an error rate (AER) of {100 * self.expected_aer:.0f}: many links are noise;"
            " more text, priors or a dictionary (align corpus --priors) would help"
        )
