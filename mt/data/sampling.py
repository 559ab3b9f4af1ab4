"""Subword sampling: during training the same sentence is cut into pieces in another way each time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SubwordSampling:
    """How strongly each side is sampled; None: the tokenizer's best segmentation.

    For a unigram tokenizer the number is the exponent alpha of Kudo (2018): 0.1 to 0.5 are usual, smaller is wilder.
    For a BPE tokenizer it is the dropout probability of Provilkov et al. (2020): 0.1 is usual, larger is wilder.
    The draws depend on the run's seed and the place in its batches, so that a resumed run continues exactly.
    """

    source: float | None = None
    target: float | None = None

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"sampling.{name} ({value}) must be between 0 and 1, or null")

    @property
    def is_on(self) -> bool:
        """Whether any side is sampled."""
        return self.source is not None or self.target is not None
