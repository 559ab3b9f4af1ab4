"""Batches hold every pair once, keep their budget, and are a function of settings, seed, epoch and number."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from mt.data.batching import TokenBatches, plan_epoch
from mt.data.pair import Pair
from mt.data.sampling import SubwordSampling
from mt.data.tokenizer import BOS, EOS, PAD, TokenizerPair


@dataclass
class ListStore:
    """The store's interface over plain lists of ids."""

    sources: list[list[int]]
    targets: list[list[int]]
    max_pieces: int = 50
    folder: Path = field(default_factory=lambda: Path("list"))

    def __post_init__(self):
        for side in ("source", "target"):
            rows = getattr(self, f"{side}s")
            lengths = np.array([len(row) for row in rows], dtype=np.int32)
            setattr(self, f"{side}_lengths", lengths)
            setattr(self, f"{side}_index", np.concatenate([[0], lengths.cumsum()]).astype(np.int64))
            setattr(self, f"{side}_ids", np.array([id_ for row in rows for id_ in row], dtype=np.uint16))

    def __len__(self):
        return len(self.sources)

    def text(self, number):
        return Pair(*(" ".join(map(str, side[number])) for side in (self.sources, self.targets)))


class SpellingTokenizer:
    """Samples each number of a text once or twice, as its seed says."""

    def sample_many(self, texts, alpha, seed):
        rng = np.random.default_rng(seed)
        return [[int(word) for word in text.split() for _ in range(1 + (rng.random() < alpha))] for text in texts]


def random_store(num_pairs=300, seed=0, **changes) -> ListStore:
    rng = np.random.default_rng(seed)
    rows = [
        [rng.integers(4, 90, size=rng.integers(0, 30)).tolist() for _ in range(num_pairs)] for _ in ("source", "target")
    ]
    return ListStore(*rows, **changes)


def batches_of(store, **settings) -> TokenBatches:
    tokenizers = TokenizerPair(SpellingTokenizer(), SpellingTokenizer())
    return TokenBatches(store, tokenizers, **({"max_tokens": 400, "seed": 5} | settings))


def same(one, other) -> bool:
    return (
        torch.equal(one.source_BS, other.source_BS)
        and torch.equal(one.target_in_BT, other.target_in_BT)
        and torch.equal(one.target_out_BT, other.target_out_BT)
        and torch.equal(one.indices, other.indices)
        and one.num_tokens == other.num_tokens
    )


def test_rows_are_the_padded_pairs():
    store = ListStore([[7, 8], [9], []], [[5], [], [6, 7, 8]])
    (batch,) = batches_of(store, shuffle=False).iterate(0)
    rows = {int(index): row for row, index in enumerate(batch.indices)}
    order = [rows[0], rows[1], rows[2]]
    assert batch.source_BS[order].tolist() == [[7, 8, EOS], [9, EOS, PAD], [EOS, PAD, PAD]]
    assert batch.target_in_BT[order].tolist() == [[BOS, 5, PAD, PAD], [BOS, PAD, PAD, PAD], [BOS, 6, 7, 8]]
    assert batch.target_out_BT[order].tolist() == [[5, EOS, PAD, PAD], [EOS, PAD, PAD, PAD], [6, 7, 8, EOS]]
    assert batch.num_tokens == 2 + 1 + 4
    assert batch.source_BS.dtype == batch.indices.dtype == torch.int64


@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "by-length"])
@pytest.mark.parametrize("max_sentences", [None, 4])
def test_every_pair_comes_once_in_an_epoch_within_the_budget(shuffle, max_sentences):
    store = random_store()
    batches = batches_of(store, shuffle=shuffle, max_sentences=max_sentences)
    for epoch in range(3):
        seen = []
        for batch in batches.iterate(epoch):
            seen += batch.indices.tolist()
            assert batch.source_BS.numel() + batch.target_in_BT.numel() <= 400
            assert len(batch.indices) <= (max_sentences or 400)
            for row, index in enumerate(batch.indices.tolist()):
                source, target = store.sources[index], store.targets[index]
                assert batch.source_BS[row, : len(source) + 1].tolist() == [*source, EOS]
                assert batch.target_out_BT[row, : len(target) + 1].tolist() == [*target, EOS]
                assert not batch.source_BS[row, len(source) + 1 :].any()
            assert batch.num_tokens == int((batch.target_out_BT != PAD).sum())
        assert sorted(seen) == list(range(len(store)))
        assert len(seen) == len(store)


@pytest.mark.parametrize("sampling", [None, SubwordSampling(source=0.5), SubwordSampling(target=0.2)], ids=str)
def test_any_batch_can_be_made_without_the_ones_before(sampling):
    store = random_store()
    in_order = batches_of(store, sampling=sampling)
    run = [list(in_order.iterate(epoch)) for epoch in range(3)]
    fresh = batches_of(store, sampling=sampling)
    for epoch, number in [(2, 5), (0, 3), (1, 0), (2, 4), (0, 0)]:
        assert same(fresh.batch(epoch, number), run[epoch][number])
    assert [len(epoch) for epoch in run] == [fresh.num_batches(epoch) for epoch in range(3)]
    assert all(same(*pair) for pair in zip(fresh.iterate(1, start=6), run[1][6:], strict=True))


def test_epochs_and_seeds_differ_in_order_and_company():
    store = random_store()

    def companies(seed, epoch):
        batches = batches_of(store, seed=seed)
        return [tuple(sorted(batch.indices.tolist())) for batch in batches.iterate(epoch)]

    first, second, other_seed = companies(5, 0), companies(5, 1), companies(6, 0)
    assert first == companies(5, 0)
    assert first != second and first != other_seed
    assert sorted(first) != sorted(second)  # not just the same batches in another order
    assert len(set(first) & set(second)) < len(first) / 2
    unshuffled = [batches_of(store, shuffle=False, seed=seed).batch(epoch, 2) for seed, epoch in [(1, 0), (2, 3)]]
    assert same(*unshuffled)


def test_batches_do_not_come_by_length():
    lengths = [batch.source_BS.shape[1] for batch in batches_of(random_store(2000)).iterate(0)]
    correlation = np.corrcoef(lengths, np.arange(len(lengths)))[0, 1]
    assert abs(correlation) < 0.3


def test_sampled_batches_hold_the_same_pairs_in_other_pieces():
    store = random_store()
    plain, sampled = batches_of(store), batches_of(store, sampling=SubwordSampling(source=0.5))
    longer = 0
    for one, other in zip(plain.iterate(0), sampled.iterate(0), strict=True):
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.target_in_BT, other.target_in_BT)
        longer += other.source_BS.numel() > one.source_BS.numel()
    assert longer > plain.num_batches(0) / 2
    assert not same(sampled.batch(0, 0), sampled.batch(1, 0))


def test_a_sample_over_max_pieces_gives_way_to_the_best_segmentation():
    store = random_store(max_pieces=30)
    for batch in batches_of(store, sampling=SubwordSampling(source=1.0), max_tokens=70).iterate(0):
        for row, index in zip(batch.source_BS, batch.indices, strict=True):
            source = store.sources[int(index)]
            doubled = [id_ for id_ in source for _ in range(2)]
            expected = doubled if len(doubled) <= 30 else source
            assert [id_ for id_ in row.tolist() if id_ != PAD] == [*expected, EOS]


def test_a_budget_below_the_longest_pair_is_refused_in_one_line():
    store = ListStore([[5] * 3, [6] * 9], [[5], [6] * 4])
    assert batches_of(store, max_tokens=15).num_batches(0) == 2
    with pytest.raises(ValueError, match=r"max_tokens \(14\) must be at least 15.*data.max_pieces"):
        batches_of(store, max_tokens=14)


def test_an_empty_store_and_a_batch_past_the_end_are_refused():
    with pytest.raises(ValueError, match="no pair to make batches of"):
        batches_of(ListStore([], []))
    batches = batches_of(random_store())
    with pytest.raises(IndexError, match=r"must be below \d+, the batches of epoch 2"):
        batches.batch(2, 9999)


def test_a_batch_moves_and_is_frozen():
    batch = batches_of(random_store()).batch(0, 0)
    assert same(batch.to("cpu"), batch)
    with pytest.raises(AttributeError):
        batch.num_tokens = 3


def plainly_started(source_lengths, target_lengths, max_tokens):
    starts, longest_source, longest_target = [0], 0, 0
    for place, (source, target) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        longest_source, longest_target = max(longest_source, source), max(longest_target, target)
        if (place + 1 - starts[-1]) * (longest_source + longest_target) > max_tokens:
            starts.append(place)
            longest_source, longest_target = source, target
    return [*starts, len(source_lengths)]


@pytest.mark.parametrize("seed", range(4))
def test_fast_plan_is_the_plain_one(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.integers(1, 40, 500), rng.integers(1, 40, 500)
    plan = plan_epoch(source, target, max_tokens=300, max_sentences=None, rng=None)
    assert plan.starts.tolist() == plainly_started(source[plan.order], target[plan.order], 300)


def test_a_million_pairs_are_planned_with_little_padding():
    rng = np.random.default_rng(3)
    source = np.clip(rng.lognormal(3, 0.6, 1_000_000), 1, 250).astype(np.int64)
    target = np.clip(source * rng.lognormal(0.1, 0.25, 1_000_000), 1, 250).astype(np.int64)
    plan = plan_epoch(source, target, max_tokens=8192, max_sentences=None, rng=rng)
    batch_of = np.repeat(np.arange(plan.num_batches), np.diff(plan.starts))
    longest = [np.zeros(plan.num_batches, dtype=np.int64) for _ in range(2)]
    for side, lengths in zip(longest, (source, target), strict=True):
        np.maximum.at(side, batch_of, lengths[plan.order])
    padded = np.diff(plan.starts) * (longest[0] + longest[1])
    assert padded.max() <= 8192
    assert (source.sum() + target.sum()) / padded.sum() > 0.95
    assert np.array_equal(np.sort(plan.order), np.arange(1_000_000))


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_sampling_strength_is_checked(value):
    with pytest.raises(ValueError, match=r"sampling.source .* must be between 0 and 1, or null"):
        SubwordSampling(source=value)
