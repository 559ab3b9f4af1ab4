"""The sound of a scene: every kind of thing has a motif of two tones, played once for each thing."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from mt.data.scenes.lexicon import KINDS

if TYPE_CHECKING:
    from mt.data.scenes.scene import Scene

RATE = 8000  # samples a second
TONE_SECONDS = 0.08
MOST_REPEATS = 3  # of the motif of a group
PAUSE_SECONDS = 0.02  # after each motif
TONES = tuple(330.0 * 2 ** (step / 2.4) for step in range(7))  # Hz, from 330 to 1867
LOUDNESS, NOISE = 9000, 120  # of 32767


def tones_of(kind: str) -> tuple[float, float]:
    """The two tones of a kind in Hz; no other kind has them in this order."""
    first, second = divmod(KINDS.index(kind), len(TONES) - 1)
    others = [tone for number, tone in enumerate(TONES) if number != first]
    return TONES[first], others[second]


def sound(scene: Scene) -> np.ndarray:
    """samples_L (int16) of a scene: its groups from left to right, a motif for each thing of a group.

    Pitch and loudness vary a little, and there is noise, drawn by what the scene is: the same scene sounds the same.
    """
    random = Random(scene.text)
    groups = sorted(scene.groups, key=lambda group: min((box.left, box.top) for box in group.boxes))
    parts = [_motif(group.kind, random) for group in groups for _ in range(min(group.count, MOST_REPEATS))]
    samples = np.concatenate(parts)
    noise = np.random.default_rng(random.getrandbits(32)).normal(0, NOISE, len(samples))
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


def _motif(kind: str, random: Random) -> np.ndarray:
    times = np.arange(round(RATE * TONE_SECONDS)) / RATE
    fade = np.minimum(1.0, np.minimum(times, times[::-1]) / 0.005)  # no clicks
    pitch, loudness = random.uniform(0.985, 1.015), LOUDNESS * random.uniform(0.5, 1.0)
    tones = [loudness * fade * np.sin(2 * np.pi * tone * pitch * times) for tone in tones_of(kind)]
    return np.concatenate([*tones, np.zeros(round(RATE * PAUSE_SECONDS))])
