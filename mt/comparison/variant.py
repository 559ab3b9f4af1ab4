"""A variant in a comparison: which attention stands in which slot, as training settings and as a mixer on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer, Mixer, require_role
from mt.checkpoint.rebuild import build

ROLES: dict[str, type[Mixer]] = {
    "encoder.self_attention": EncoderMixer,
    "decoder.self_attention": CausalMixer,
    "decoder.cross_attention": MemoryMixer,
}
GOALS = ("bleu", "train_bytes", "step_seconds")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`attention` (a name of configs/attention, whose contents are `node`) in `slot`, with other `settings` if any.

    `overrides` are further settings of training. `is_exact` says that it computes what the baseline does, to rounding;
    `knows_links`, that it is told the links of the training corpus, so that links from the same source are no measure
    of its alignments. `goals` are what it is meant to reach: `bleu`, for tasks by name, the least difference to the
    baseline's on each of their test sets; `train_bytes`, the largest share of the baseline's at the greatest length;
    `step_seconds`, true for below the baseline's from some length on. Raises ValueError for a slot or a goal that there
    is not.
    """

    name: str
    slot: str
    attention: str
    node: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    is_exact: bool = False
    knows_links: bool = False
    goals: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        for goal in self.goals:
            if goal not in GOALS:
                raise ValueError(f"variants.{self.name}.goals ({goal}) must be among {', '.join(GOALS)}")
        if not isinstance(self.goals.get("bleu", {}), Mapping):
            raise ValueError(f"variants.{self.name}.goals.bleu ({self.goals['bleu']}) must be of tasks by name")
        numbers = {f"bleu.{task}": value for task, value in self.goals.get("bleu", {}).items()}
        for goal, value in (numbers | {k: v for k, v in self.goals.items() if k == "train_bytes"}).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"variants.{self.name}.goals.{goal} ({value}) must be a number")
        if self.slot not in ROLES:
            raise ValueError(f"variants.{self.name}.slot ({self.slot}) must be one of {', '.join(ROLES)}")

    def training_overrides(self) -> list[str]:
        """What `python -m mt.train` is told to train with this variant."""
        chosen = [f"model.{self.slot}.{name}={value}" for name, value in self.settings.items()]
        return [f"attention@model.{self.slot}={self.attention}", *chosen, *self.overrides]

    def make_mixer(self, num_heads: int, head_size: int) -> Mixer:
        """The mixer alone. Raises ValueError where it cannot play the slot's role."""
        mixer = build({**self.node, **self.settings})(num_heads, head_size)
        require_role(mixer, ROLES[self.slot], self.slot)
        return mixer
