"""The sounds of the training sources, for a model that hears."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.data.batching import MakeSource
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.data.several import with_sounds
from mt.data.sounds.settings import SoundSettings
from mt.data.source import Source, Text
from mt.model.seq2seq import Seq2Seq
from mt.training.source_images import LOOKED_AT

log = logging.getLogger(__name__)


def source_sounds(
    model: Seq2Seq, prepared: Prepared, sounds: SoundSettings, make: MakeSource | None
) -> MakeSource | None:
    """Puts the sound of each pair beside what `make` gives; `make` itself for a model without ears.

    Raises ValueError where the model hears and the corpus has no sounds, or sounds of another rate or length.
    """
    has_sounds = prepared.is_in_shards or any(pair.wave is not None for pair in prepared.train.sample(LOOKED_AT))
    encoder = model.sound
    if encoder is None:
        if has_sounds and not prepared.is_in_shards:
            log.warning("the corpus's sounds are not used: +sound@model.beside.sound=frames uses them")
        return make
    if not has_sounds:
        raise ValueError("model.beside.sound needs a corpus with sounds, as data.train.sound=FILE gives them")
    if (encoder.rate, encoder.num_samples) != (sounds.rate, sounds.num_samples):
        raise ValueError(
            f"model.beside.sound ({encoder.num_samples} samples at {encoder.rate} Hz) must be as data.sounds"
            f" ({sounds.num_samples} at {sounds.rate} Hz)"
        )
    places = encoder.num_places

    def made(numbers: np.ndarray, pairs: Sequence[Pair], pieces: Text) -> Source:
        source = pieces if make is None else make(numbers, pairs, pieces)
        return with_sounds(source, [pair.wave for pair in pairs], places)

    return made
