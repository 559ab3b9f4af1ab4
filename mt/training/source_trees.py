"""The trees of the sources that a training reads, for attention that asks for them."""

from __future__ import annotations

import logging

from mt.alignment.tree import Trees
from mt.data.batching import Treeing
from mt.data.prepare import Prepared

log = logging.getLogger(__name__)

LOOKED_AT = 1000  # pairs, for trees that should be there


def source_trees(model, prepared: Prepared) -> Treeing | None:
    """What makes the batches' trees; None for a model that asks for none, which is said where the corpus has some.

    Raises ValueError where the model asks for trees and the corpus has none.
    """
    store, source = prepared.train, prepared.tokenizers.source
    has_trees = prepared.is_in_shards or any(pair.tree for pair in store.sample(LOOKED_AT))
    if model.wants_trees and not has_trees:
        raise ValueError("structured attention needs a corpus with trees, as data.train.tree=FILE gives them")
    if not model.wants_trees:
        if has_trees and not prepared.is_in_shards:
            log.warning("the corpus's trees are not used: attention@model.encoder.self_attention=structured uses them")
        return None
    return Trees(source.pieces(range(source.size)))
