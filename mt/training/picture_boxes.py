"""Guides of a head by boxes: where in a picture each target piece should look."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.alignment.alignment import renormalise
from mt.alignment.regions import Box, Regions
from mt.alignment.word_pieces import WordPieces
from mt.data.images.boxes import read_boxes
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.model.image_encoder import ImageEncoder
from mt.model.seq2seq import Seq2Seq

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


class BoxGuide:
    """Makes guides over regions, then places of sounds and source pieces, as far as a batch has any of each: a word's
    pieces look at the regions in its boxes, evenly.

    It is a `mt.data.batching.Guiding`.
    """

    def __init__(self, prepared: Prepared, model: Seq2Seq, *, shift: int):
        assert model.image is not None
        target = prepared.tokenizers.target
        self._regions, self._shift, self._frames = regions_of(model.image), shift, model.places.get("sound", 0)
        self._words = WordPieces(target.pieces(range(target.size)))

    def linked(self, number: int, pair: Pair) -> Pair:
        """The pair itself, which has its boxes."""
        return pair

    def __call__(self, pairs: Sequence[Pair], source_BS: np.ndarray, target_BT: np.ndarray) -> np.ndarray:
        """guide_BTS: where each row of the targets should look."""
        num_regions = len(self._regions) * any(pair.picture is not None for pair in pairs)
        num_frames = self._frames * any(pair.wave is not None for pair in pairs)
        guide_BTS = np.zeros((*target_BT.shape, num_regions + num_frames + source_BS.shape[1]), dtype=np.float32)
        for row, pair in enumerate(pairs):
            if not pair.boxes or pair.picture is None:
                continue
            share_PW = self._words.shares(target_BT[row], pair.target)
            boxes = [Box(*box) for box in read_boxes(pair.boxes)]
            inside_WR = self._regions.of_words(boxes, share_PW.shape[1]).astype(np.float32)
            guide_PR = renormalise(share_PW @ renormalise(inside_WR))
            guide_BTS[row, self._shift : self._shift + len(share_PW), :num_regions] = guide_PR
        return guide_BTS
