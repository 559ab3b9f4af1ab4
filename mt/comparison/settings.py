"""The settings of `python -m mt.compare_attention`, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mt.listing import listed

PARTS = ("train", "speeds", "costs", "report")


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """The top level of configs/compare_attention.yaml. Raises ValueError naming the setting, its rule and value."""

    folder: str
    parts: Sequence[str]
    jobs: int
    baseline: str
    seeds: Sequence[int]
    tolerance: float
    speeds: Mapping[str, Any]
    costs: Mapping[str, Any]
    variants: Mapping[str, Any]
    tasks: Mapping[str, Any]

    def __post_init__(self):
        for part in self.parts:
            if part not in PARTS:
                near = get_close_matches(part, PARTS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"parts ({part}) must be among {', '.join(PARTS)}{hint}")
        if self.jobs < 1:
            raise ValueError(f"jobs ({self.jobs}) must be at least 1")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds ({list(self.seeds)}) must be one or more, each once")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"tolerance ({self.tolerance}) must be at least 0")
        if self.baseline not in self.variants:
            raise ValueError(f"baseline ({self.baseline}) must be one of the variants: {listed(self.variants)}")
