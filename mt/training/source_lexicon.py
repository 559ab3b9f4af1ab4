"""Before training, fills the model's lexicon, if it has one, with the word links of its corpus."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import torch

from mt.alignment.link_counts import LinkCounts
from mt.data.prepare import Prepared
from mt.data.shards import ShardedStore
from mt.data.tokenizer import NUM_SPECIAL
from mt.model.lexicon import Lexicon
from mt.model.seq2seq import Seq2Seq
from mt.objective.guided import Guidance
from mt.training.distributed import Ranks
from mt.training.word_links import FOLDER, LearnedLinks, LinkGuide, find_links

log = logging.getLogger(__name__)

LINKS = ("given", "learned")  # between words


@dataclass(frozen=True, kw_only=True)
class LexiconSettings:
    """Which links are counted. Raises ValueError naming the setting, its rule and value."""

    links: str | None = None  # None: those that guide, else the learned ones

    def __post_init__(self):
        if self.links is not None and self.links not in LINKS:
            raise ValueError(f"lexicon.links ({self.links}) must be one of {', '.join(LINKS)}, or null")


def fill_lexicon(
    model: Seq2Seq, settings: LexiconSettings, guidance: Guidance, prepared: Prepared, ranks: Ranks
) -> None:
    """Counts on the first rank and broadcasts; does nothing for a model without a lexicon.

    Raises ValueError where the corpus has no links, or is in shards and has to learn them.
    """
    lexicon = model.lexicon
    if lexicon is None:
        if settings.links is not None:
            log.warning(
                "lexicon.links (%s) is not used: attention@model.decoder.cross_attention=prior uses it", settings.links
            )
        return
    ranks.on_first_rank(lambda: _fill(lexicon, settings.links or guidance.links or "learned", prepared))
    for buffer in lexicon.buffers():
        buffer.copy_(ranks.broadcast(buffer, buffer.shape, buffer.dtype))


def _fill(lexicon: Lexicon, links: str, prepared: Prepared) -> None:
    start = time.perf_counter()
    find_links(links, prepared, setting="lexicon.links")
    starts, pieces, shares = count_links(links, prepared).best(lexicon.pieces_VM.shape[1])
    if not len(pieces):
        raise ValueError(f"lexicon.links ({links}) must link some words of the training corpus: it links none")
    lexicon.fill(*map(torch.from_numpy, (starts, pieces, shares)))
    num_known, seconds = int((np.diff(starts) > 0).sum()), time.perf_counter() - start
    log.info("lexicon: %d target pieces have linked source pieces, found in %.1f s", num_known, seconds)


def count_links(links: str, prepared: Prepared) -> LinkCounts:
    """Links from target pieces to source pieces, made from word links as guides are; without special target pieces.

    A linked target piece counts as one link, shared out evenly over the source pieces of the words that it is linked
    to. Of a corpus in shards, the first is read; with subword sampling, the best segmentation.
    """
    tokenizers = prepared.tokenizers
    train = prepared.train
    store = train.store(0) if isinstance(train, ShardedStore) else train
    learned = LearnedLinks(prepared.folder / FOLDER) if links == "learned" else None
    guide = LinkGuide(tokenizers, shift=0, learned=learned)
    counts = LinkCounts(tokenizers.target.size, tokenizers.source.size)
    for number in range(len(store)):
        source_S, target_T = store.pair(number)
        guide_TS = guide([guide.linked(number, store.text(number))], source_S[None], target_T[None])[0]
        guide_TS[target_T < NUM_SPECIAL] = 0
        places_T, places_S = guide_TS.nonzero()
        counts.add(target_T[places_T], source_S[places_S], guide_TS[places_T, places_S])
    return counts
