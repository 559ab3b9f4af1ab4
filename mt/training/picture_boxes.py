"""Guides of a head by boxes: where in a picture each target piece should look."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.alignment.alignment import renormalise
from mt.alignment.regions import Box, Regions
from mt.alignment.word_pieces import WordPieces
from mt.data.batching import Guiding
from mt.data.images.boxes import read_boxes
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.model.image_encoder import ImageEncoder

# B pairs, T target positions, S source pieces, R regions, P pieces of a target, W words

log = logging.getLogger(__name__)

LOOKED_AT = 1000  # pairs, for boxes that should be there


def regions_of(encoder: ImageEncoder) -> Regions:
    """The regions that an encoder makes of a picture."""
    return Regions.of(encoder.size, encoder.grid.side, encoder.grid.cells().double().numpy())


def check_boxes(prepared: Prepared) -> None:
    """Raises ValueError for a corpus without boxes."""
    if not prepared.is_in_shards and not any(pair.boxes for pair in prepared.train.sample(LOOKED_AT)):
        raise ValueError("guidance.links (boxes) needs a corpus with boxes, as data.train.boxes=FILE gives them")


def guide_by_boxes(prepared: Prepared, encoder: ImageEncoder, *, shift: int) -> Guiding:
    """Makes guides over regions, then source pieces: a word's pieces look at the regions in its boxes, evenly."""
    regions, target = regions_of(encoder), prepared.tokenizers.target
    words = WordPieces(target.pieces(range(target.size)))

    def guide(numbers: np.ndarray, pairs: Sequence[Pair], source_BS: np.ndarray, target_BT: np.ndarray) -> np.ndarray:
        guide_BTS = np.zeros((*target_BT.shape, len(regions) + source_BS.shape[1]), dtype=np.float32)
        for row, pair in enumerate(pairs):
            if not pair.boxes or pair.picture is None:
                continue
            share_PW = words.shares(target_BT[row], pair.target)
            boxes = [Box(*box) for box in read_boxes(pair.boxes)]
            inside_WR = regions.of_words(boxes, share_PW.shape[1]).astype(np.float32)
            guide_PR = renormalise(share_PW @ renormalise(inside_WR))
            guide_BTS[row, shift : shift + len(share_PW), : len(regions)] = guide_PR
        return guide_BTS

    return guide
