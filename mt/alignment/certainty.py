"""How sure the statistical aligner is: the threshold for links, and the error rate to expect of them.

If every link is right with its probability p, the links of at least a threshold are expected to have

    AER = 1 - 2 sum of p of the links / (number of links + sum of all p)

which is least for one of the thresholds. This is what the aligner itself believes. How people draw links is not in the
text, and there are two ways:

- Every link is sure, and nearly every word has one. Then most words that the aligner leaves without a link lack one:
  the sum of all p grows by a share of their number.
- Where people doubt, a link is only possible: it is no error, whether it is there or not. Then about half of the doubt
  costs nothing, and a small share of the links is wrong whatever the aligner believes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Links that people draw for a word which the aligner leaves without one; from the bundled corpus, 100 to 2,000 pairs
LINKS_OF_UNLINKED = 0.8
# Share of doubt that possible links do not excuse, and the error that is there without doubt; from the Hansards' trial
# set, learned with 100 to 10,000 pairs
UNEXCUSED, PEOPLE = 0.5, 0.04
NOISE = 0.5  # expected AER from which links are noise; shuffled sentences have 0.6
BINS = 100  # thresholds that are tried


@dataclass(frozen=True)
class Certainty:
    """What is expected of the links of at least `threshold` in some sentences.

    There are `num_links` of them, of which `num_right` are expected to be right; all pairs of words together are
    expected to have `num_believed` links, and `num_unlinked` words of both sides to have none.
    """

    threshold: float
    num_links: float
    num_right: float
    num_believed: float
    num_unlinked: float

    @classmethod
    def of(cls, probabilities: np.ndarray, num_words: int, threshold: float | None = None) -> Certainty:
        """For the probabilities of all pairs of words of sentences with `num_words` words on both sides together.

        `threshold` None takes the one whose links have the least error by the aligner's own belief.
        """
        believed = float(probabilities.sum(dtype=np.float64))
        if threshold is None:
            counts, edges = np.histogram(probabilities, bins=BINS, range=(0, 1))
            sums, _ = np.histogram(probabilities, bins=BINS, range=(0, 1), weights=probabilities)
            num_links, right = counts[::-1].cumsum()[::-1], sums[::-1].cumsum()[::-1]
            doubt = 1 - 2 * right / np.maximum(num_links + believed, 1e-9)
            threshold = float(edges[int(doubt[1:].argmin()) + 1])
        links = probabilities[probabilities >= threshold]
        # a word's links sum to at most one in its own direction, and `probabilities` are the mean of both
        unlinked = max(num_words - 2 * believed, 0.0)
        return cls(threshold, len(links), float(links.sum(dtype=np.float64)), believed, unlinked)

    @property
    def doubt(self) -> float:
        """The AER as the aligner itself believes it, from 0 to 1."""
        return self._aer(self.num_believed)

    @property
    def expected_aer(self) -> float:
        """The AER to expect, from 0 to 1, where all links of people are sure and nearly every word has one."""
        return self._aer(self.num_believed + LINKS_OF_UNLINKED * self.num_unlinked)

    @property
    def expected_aer_with_possible(self) -> float:
        """The AER to expect, from 0 to 1, where people mark doubtful links as possible ones."""
        return PEOPLE + (1 - PEOPLE) * UNEXCUSED * self.doubt

    @property
    def is_noise(self) -> bool:
        """Whether so many links must be expected to be wrong or missing that they help nobody."""
        return self.expected_aer >= NOISE

    @property
    def warning(self) -> str:
        """What to tell a user whose links are noise."""
        wrong = 1 - self.num_right / max(self.num_links, 1e-9)
        return (
            f"the aligner expects an error rate (AER) of {100 * self.expected_aer:.0f}, and {100 * wrong:.0f} % wrong"
            " links: many links are noise; more text, priors or a dictionary (align corpus --priors) would help"
        )

    def __str__(self) -> str:
        """The expected error rates, in percent."""
        rates = 100 * self.expected_aer, 100 * self.expected_aer_with_possible
        return "{:.1f} if people link every word, {:.1f} if they mark doubtful links as possible".format(*rates)

    def _aer(self, num_true: float) -> float:
        return max(1 - 2 * self.num_right / max(self.num_links + num_true, 1e-9), 0.0)
