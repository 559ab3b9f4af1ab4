"""Batches with hidden words: by the pairs' keys, on any rank, in the sources that are named."""

from mt.data.batching import Cursor, TokenBatches
from mt.data.masking import Masking
from tests.training.test_noise_in_batches import rows_of


def read(prepared, masking, **settings):
    settings = {"max_tokens": 600, "seed": 1, **settings}
    return TokenBatches(prepared.train, prepared.tokenizers, masking=masking, **settings)


def test_batches_hide_words_by_the_pairs_keys_on_any_rank_and_others_in_another_epoch(prepared):
    masking = Masking(all=0.3)
    whole, plain = (read(prepared, one).read(Cursor())[0] for one in (masking, Masking()))
    changed = [pair for pair, row in rows_of(whole).items() if row != rows_of(plain)[pair]]
    assert len(changed) > len(rows_of(plain)) / 2
    assert all(rows_of(whole)[pair][1] == row[1] for pair, row in rows_of(plain).items())  # targets stay
    parts = [read(prepared, masking, rank=rank, world_size=2).read(Cursor())[0] for rank in range(2)]
    assert rows_of(whole) == rows_of(parts[0]) | rows_of(parts[1])
    again = read(prepared, masking).read(Cursor(epoch=1))[0]
    both = rows_of(again).keys() & rows_of(whole).keys()
    assert both and any(rows_of(again)[pair] != rows_of(whole)[pair] for pair in both)
    others = read(prepared, Masking(all=0.3, sources=[])).read(Cursor())[0]
    assert rows_of(others) == rows_of(plain)
