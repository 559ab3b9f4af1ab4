"""The result of a validation: shown while a model trains, and stored with its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Numbers by name (`loss`, `bleu`, `chrf` …) and a few sample translations.

    `details` are more numbers, which are recorded and not shown; `pictures` draw themselves to a PNG file.
    `about_scores` says how the scores among the numbers were computed.
    """

    numbers: Mapping[str, float]
    samples: list[str] = field(default_factory=list)  # lines to show
    details: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    about_scores: Mapping[str, Any] = field(default_factory=dict)

    def for_checkpoint(self) -> dict[str, Any]:
        """The content of the checkpoint's scores.json."""
        return {**self.numbers, **self.about_scores}
