"""The trees of the training sources, for attention that needs them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.alignment.tree import Trees
from mt.data.batching import MakeSource
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.data.source import Text
from mt.model.seq2seq import Seq2Seq

log = logging.getLogger(__name__)

LOOKED_AT = 1000  # pairs, for trees that should be there


def source_trees(model: Seq2Seq, prepared: Prepared) -> MakeSource | None:
    """Gives each source of a batch its tree; None for a model that does not need trees (warns if the corpus has some).

    Raises ValueError where the model needs trees and the corpus has none.
    """
    store, source = prepared.train, prepared.tokenizers.source
    has_trees = prepared.is_in_shards or any(pair.tree for pair in store.sample(LOOKED_AT))
    if model.needs_trees and not has_trees:
        raise ValueError("structured attention needs a corpus with trees, as data.train.tree=FILE gives them")
    if not model.needs_trees:
        if has_trees and not prepared.is_in_shards:
            log.warning("the corpus's trees are not used: attention@model.encoder.self_attention=structured uses them")
        return None
    return with_trees(Trees(source.pieces(range(source.size))))


def with_trees(trees: Trees) -> MakeSource:
    """Makes sources of a batch: the pieces, and the tree distances that the pairs' trees give them."""

    def make(numbers: np.ndarray, pairs: Sequence[Pair], pieces: Text) -> Text:
        ids_BS = pieces.ids_BS.numpy()
        distances = [trees.tree_distance(pair.source, pair.tree, ids) for pair, ids in zip(pairs, ids_BS, strict=True)]
        return pieces.with_trees(distances)

    return make
