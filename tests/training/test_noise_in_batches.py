"""Batches with noise: by the pairs' keys, on any rank, and with guides that follow the words."""

import pytest

from mt.data.batching import Cursor, TokenBatches
from mt.data.noise.settings import Noise
from mt.training.word_links import LinkGuide
from mt.words import split_words


def read(prepared, noise, **settings):
    settings = {"max_tokens": 600, "seed": 1, **settings}
    return TokenBatches(prepared.train, prepared.tokenizers, noise=noise, **settings)


def rows_of(batch):
    source, target = (side.tolist() for side in (batch.source.ids_BS, batch.target_out_BT))
    rows = zip(batch.indices.tolist(), source, target, strict=True)
    return {pair: ([p for p in one if p], [p for p in other if p]) for pair, one, other in rows}


def test_batches_have_noise_by_the_pairs_keys_on_any_rank_and_others_in_another_epoch(prepared):
    noise = Noise(copied=0.5, joined=0.5)
    whole, plain = (read(prepared, one).read(Cursor())[0] for one in (noise, Noise()))
    changed = [pair for pair, row in rows_of(whole).items() if row != rows_of(plain)[pair]]
    assert len(rows_of(plain)) / 2 < len(changed) < len(rows_of(plain))
    parts = [read(prepared, noise, rank=rank, world_size=2).read(Cursor())[0] for rank in range(2)]
    assert rows_of(whole) == rows_of(parts[0]) | rows_of(parts[1])
    again = read(prepared, noise).read(Cursor(epoch=1))[0]
    both = rows_of(again).keys() & rows_of(whole).keys()
    assert both and any(rows_of(again)[pair] != rows_of(whole)[pair] for pair in both)


def test_a_guide_follows_the_words_that_noise_moved(prepared):
    class Diagonal(LinkGuide):
        def linked(self, number, pair):
            return pair._replace(links=" ".join(f"{place}-{place}" for place in range(len(split_words(pair.target)))))

    guide = Diagonal(prepared.tokenizers, shift=0)
    batch = read(prepared, Noise(copied=1.0), guide=guide).read(Cursor())[0]
    plain = read(prepared, Noise(), guide=guide).read(Cursor())[0]
    assert batch.guide_BTS.shape[:2] == batch.target_out_BT.shape
    # the new words have no links: as many target pieces are linked as without noise
    linked = [int((one.guide_BTS.sum(dim=2) > 0).sum()) for one in (batch, plain)]
    assert linked[0] == pytest.approx(linked[1], abs=2)
