"""A variant in a comparison: an attention and its slot, as training settings and as a mixer on its own."""

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


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`attention` (a name of configs/attention, whose contents are `node`) in `slot`, with changed `settings` if any.

    `overrides` are further settings of training. `is_exact`: it computes what the baseline does, up to rounding.
    `knows_links`: it trains with word links, so links from the same aligner cannot measure its alignments. Raises
    ValueError for an unknown slot.
    """

    name: str
    slot: str
    attention: str
    node: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    is_exact: bool = False
    knows_links: bool = False

    def __post_init__(self):
        if self.slot not in ROLES:
            raise ValueError(f"variants.{self.name}.slot ({self.slot}) must be one of {', '.join(ROLES)}")

    def training_overrides(self) -> list[str]:
        """The overrides for `python -m mt.train` that train with this variant."""
        chosen = [f"model.{self.slot}.{name}={value}" for name, value in self.settings.items()]
        return [f"attention@model.{self.slot}={self.attention}", *chosen, *self.overrides]

    def make_mixer(self, num_heads: int, head_size: int) -> Mixer:
        """The mixer alone. Raises ValueError where it cannot play the slot's role."""
        mixer = build({**self.node, **self.settings})(num_heads, head_size)
        require_role(mixer, ROLES[self.slot], self.slot)
        return mixer
