"""How much `mt.doctor` examines, and where it writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DoctorSettings:
    """Raises ValueError naming the setting, its rule and value."""

    folder: str | None = None  # for doctor.json and lengths.png; None: data.prepared + .doctor
    max_pairs: int = 200_000  # of train that are examined; drawn at random from a larger corpus
    trial_seconds: float = 10.0  # of real updates on the configured model, to estimate time and memory; 0: none

    def __post_init__(self) -> None:
        if self.max_pairs < 1:
            raise ValueError(f"doctor.max_pairs ({self.max_pairs}) must be at least 1")
        if self.trial_seconds < 0:
            raise ValueError(f"doctor.trial_seconds ({self.trial_seconds}) must be 0 or more")
