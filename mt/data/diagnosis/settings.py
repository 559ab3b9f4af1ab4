"""How much `mt.doctor` measures, and where it writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DoctorSettings:
    """Raises ValueError naming the setting, its rule and value."""

    folder: str | None = None  # for doctor.json and lengths.png; None: data.prepared with .doctor at the end
    max_pairs: int = 200_000  # of train that are measured; from a larger corpus so many are drawn at random
    trial_seconds: float = 10.0  # of real updates of the configured model, to measure time and memory; 0: none

    def __post_init__(self) -> None:
        if self.max_pairs < 1:
            raise ValueError(f"doctor.max_pairs ({self.max_pairs}) must be at least 1")
        if self.trial_seconds < 0:
            raise ValueError(f"doctor.trial_seconds ({self.trial_seconds}) must be 0 or more")
