"""How sounds are made ready for a model; part of its checkpoint. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

LOWEST_RATE, HIGHEST_RATE = 1000, 48_000
MOST_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class SoundSettings:
    """The rate and length of prepared sounds. Raises ValueError for wrong values.

    rate     samples a second, to which others are resampled
    seconds  of a prepared sound: silence follows a shorter one, a longer one is refused
    folder   of the files that a corpus names; None: names are paths as they are. No name may lead out of it
    """

    rate: int = 8000
    seconds: float = 1.5
    folder: str | None = None

    def __post_init__(self) -> None:
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise ValueError(f"sounds.rate ({self.rate}) must be from {LOWEST_RATE} to {HIGHEST_RATE}")
        if not 0.05 <= self.seconds <= MOST_SECONDS:
            raise ValueError(f"sounds.seconds ({self.seconds}) must be from 0.05 to {MOST_SECONDS:g}")

    @property
    def num_samples(self) -> int:
        """Of a prepared sound."""
        return round(self.rate * self.seconds)
