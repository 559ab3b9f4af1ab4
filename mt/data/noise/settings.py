"""Noise by probability: which kinds, how often, and how a pair gets them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from random import Random

from mt.data.noise.draft import Draft
from mt.data.noise.kinds import KINDS
from mt.data.pair import Pair


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The probability that a pair has each kind of noise (`mt.data.noise.kinds`), drawn one by one.

    What is drawn for a pair depends on its key alone, so a resumed run, another rank or another part of a batch draws
    the same. Links and trees stay on their words.
    """

    capitals: float = 0.0
    title: float = 0.0
    no_end: float = 0.0
    typing: float = 0.0
    untranslated: float = 0.0
    copied: float = 0.0
    tagged: float = 0.0
    joined: float = 0.0
    cut: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"noise.{field.name} ({value}) must be from 0 to 1")

    @property
    def is_on(self) -> bool:
        """Whether any kind can occur."""
        return any(getattr(self, name) for name in KINDS)

    def __call__(self, pair: Pair, key: int, fixed: Collection[str] = ()) -> Pair:
        """The pair with the noise that `key` draws, or the pair itself; words in `fixed` stay as they are."""
        draw = Random(key)
        chosen = [kind for name, kind in KINDS.items() if draw.random() < getattr(self, name)]
        if not chosen:
            return pair
        draft = Draft.of(pair, fixed)
        for kind in chosen:
            kind(draft, draw)
        noisy = draft.pair(pair)
        return noisy if noisy.source and noisy.target else pair
