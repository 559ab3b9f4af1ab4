"""The shares of sources in the training text: weights, a temperature for uneven sizes, a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from mt.listing import listed

GREATEST_WEIGHT = 1e9  # sums of larger ones overflow


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The share of source k among the pairs drawn: p_k ~ weight_k * size_k ^ (1 / temperature).

    (Arivazhagan et al. 2019.) Temperature 1 draws by size, so that a weight of 2 means "twice as often as its size
    gives"; a large temperature draws all sources alike, so that weights are shares. A source without a weight has 1;
    weight 0 leaves it out. An epoch draws as many pairs as the sources in use have together; a source that is drawn
    less continues in the next epoch where it stopped, one that is drawn more begins again in another order. `schedule`
    {5000: {"web": 0.0}} uses these weights instead once 5,000 updates are done; a new epoch begins there.
    So it does with `lengths`, a curriculum of short targets first: {0: 6, 300: 9, 600: None} reads targets of at most 6
    pieces, after 300 updates of at most 9, and after 600 all of them.
    """

    weights: Mapping[str, float] | None = None  # by the name of the source
    temperature: float = 1.0
    schedule: Mapping[int, Mapping[str, float]] | None = None  # weights from that many updates on
    lengths: Mapping[int, int | None] | None = None  # longest target, in pieces, from that many updates on; None: any

    def __post_init__(self) -> None:
        first = dict(self.weights or {})
        stages: dict[int, Mapping[str, float]] = {0: first, **(self.schedule or {})}
        object.__setattr__(self, "weights", first)
        object.__setattr__(self, "schedule", dict(self.schedule or {}))
        object.__setattr__(self, "lengths", dict(self.lengths or {}))
        for step, longest in (self.lengths or {}).items():
            if not isinstance(step, int) or step < 0:
                raise ValueError(f"mixture.lengths: a stage begins after 0 updates or more, not after {step}")
            if longest is not None and (isinstance(longest, bool) or not isinstance(longest, int) or longest < 1):
                raise ValueError(f"mixture.lengths: the longest target ({longest}) must be at least 1 piece, or null")
        if not self.temperature >= 1.0:
            raise ValueError(f"mixture.temperature ({self.temperature}) must be at least 1")
        for step, weights in stages.items():
            if not isinstance(step, int) or step < 0 or (step == 0 and weights is not first):
                raise ValueError(f"mixture.schedule: a stage begins after 1 update or more, not after {step}")
            for name, weight in weights.items():
                if not 0.0 <= weight <= GREATEST_WEIGHT:
                    raise ValueError(f"mixture: the weight of {name} ({weight}) must be from 0 to {GREATEST_WEIGHT:g}")

    @property
    def is_plain(self) -> bool:
        """Whether every source is drawn by its size only."""
        return (
            not self.schedule
            and not self.lengths
            and self.temperature == 1.0
            and set(self._stages[0].values()) <= {1.0}
        )

    @property
    def _starts(self) -> list[int]:
        """The numbers of updates at which a stage begins, 0 left out."""
        return sorted({step for step in (*(self.schedule or {}), *(self.lengths or {})) if step})

    @property
    def _stages(self) -> list[Mapping[str, float]]:
        """The weights of each stage: those from the first update on, then those of the schedule."""
        schedule = {0: self.weights or {}, **(self.schedule or {})}
        return [schedule[max(step for step in schedule if step <= start)] for start in (0, *self._starts)]

    def longest(self, stage: int) -> int | None:
        """The longest target of a stage, in pieces; None: any."""
        start = (0, *self._starts)[stage]
        return {-1: None, **(self.lengths or {})}[
            max((step for step in self.lengths or {} if step <= start), default=-1)
        ]

    def check(self, names: Sequence[str]) -> None:
        """Raises ValueError for a weight of an unknown source, or a stage without any source."""
        stages = self._stages
        for stage in range(len(stages)):
            self.draws(stage, {name: 1 for name in names})
        for weights in stages:
            for name in weights:
                if name not in names:
                    near = get_close_matches(name, names, n=1)
                    hint = f"; did you mean {near[0]}?" if near else ""
                    raise ValueError(f"mixture: there is no source {name}, only {listed(names)}{hint}")

    def stage(self, step: int) -> int:
        """The number of the stage of update number `step`, from 0; stage 0 is before the schedule."""
        return sum(first <= step for first in self._starts)

    def draws(self, stage: int, sizes: Mapping[str, int]) -> dict[str, int]:
        """Pairs that an epoch of a stage draws from each source that has any."""
        weights = self._stages[stage]
        strength = {
            name: weights.get(name, 1.0) * size ** (1.0 / self.temperature) for name, size in sizes.items() if size
        }
        total = sum(size for name, size in sizes.items() if strength.get(name))
        if not total:
            longest = self.longest(stage)
            short = "" if longest is None else f", or no target of at most {longest} pieces (lengths)"
            raise ValueError(f"mixture: every source that has pairs has weight 0{short}")
        whole = sum(strength.values())
        drawn = {name: round(total * value / whole) for name, value in strength.items()}
        return {name: max(1, number) for name, number in drawn.items() if strength[name]}
