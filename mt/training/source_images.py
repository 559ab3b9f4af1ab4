"""The pictures of the training sources, for a model that sees."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.data.batching import MakeSource
from mt.data.images.settings import ImageSettings
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.data.several import with_pictures
from mt.data.source import Source, Text
from mt.model.seq2seq import Seq2Seq

log = logging.getLogger(__name__)

LOOKED_AT = 1000  # pairs, for pictures that should be there


def source_images(
    model: Seq2Seq, prepared: Prepared, images: ImageSettings, make_text: MakeSource | None
) -> MakeSource | None:
    """Puts the picture of each pair beside its text; `make_text` for a model without eyes (warns of pictures unused).

    Raises ValueError where the model sees and the corpus has no pictures, or pictures of another size.
    """
    has_pictures = prepared.is_in_shards or any(pair.picture is not None for pair in prepared.train.sample(LOOKED_AT))
    encoder = model.image
    if encoder is None:
        if has_pictures and not prepared.is_in_shards:
            log.warning("the corpus's pictures are not used: +image@model.beside.image=regions uses them")
        return make_text
    if not has_pictures:
        raise ValueError("model.beside.image needs a corpus with pictures, as data.train.image=FILE gives them")
    if encoder.size != images.size:
        raise ValueError(f"model.beside.image.size ({encoder.size}) must be data.images.size ({images.size})")
    regions = encoder.grid.num_regions

    def make(numbers: np.ndarray, pairs: Sequence[Pair], pieces: Text) -> Source:
        text = pieces if make_text is None else make_text(numbers, pairs, pieces)
        assert isinstance(text, Text)
        return with_pictures(text, [pair.picture for pair in pairs], regions)

    return make
