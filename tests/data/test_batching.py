"""Batches hold every pair once, keep their budget, and are a function of settings, seed and place."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from mt.data import batching
from mt.data.batching import Cursor, TokenBatches
from mt.data.mixture import Mixture
from mt.data.pair import Pair
from mt.data.plan import plan_batches
from mt.data.sampling import SubwordSampling
from mt.data.tokenizer import BOS, EOS, PAD, TokenizerPair


@dataclass
class ListStore:
    """The store's interface over plain lists of ids."""

    source_rows: list[list[int]]
    target_rows: list[list[int]]
    max_pieces: int = 50
    folder: Path = field(default_factory=lambda: Path("list"))
    sources_of: dict[str, range] | None = None

    def __post_init__(self):
        for side in ("source", "target"):
            rows = getattr(self, f"{side}_rows")
            lengths = np.array([len(row) for row in rows], dtype=np.int32)
            setattr(self, f"{side}_index", np.concatenate([[0], lengths.cumsum()]).astype(np.int64))
            setattr(self, f"{side}_ids", np.array([id_ for row in rows for id_ in row], dtype=np.uint16))
        self.sources = self.sources_of or {"train": range(len(self))}
        pairs = zip(self.source_rows, self.target_rows, strict=True)
        self.max_pair_pieces = max((len(source) + len(target) for source, target in pairs), default=0)

    def __len__(self):
        return len(self.source_rows)

    def text(self, number):
        return Pair(*(" ".join(map(str, side[number])) for side in (self.source_rows, self.target_rows)))


class SpellingTokenizer:
    """Samples each number of a text once or twice, as its seed says."""

    def sample(self, texts, strength, seeds):
        rngs = map(np.random.default_rng, seeds)
        return [
            [int(word) for word in text.split() for _ in range(1 + (rng.random() < strength))]
            for text, rng in zip(texts, rngs, strict=True)
        ]


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
        torch.equal(one.source.ids_BS, other.source.ids_BS)
        and torch.equal(one.target_in_BT, other.target_in_BT)
        and torch.equal(one.target_out_BT, other.target_out_BT)
        and torch.equal(one.indices, other.indices)
        and one.num_tokens == other.num_tokens
    )


def test_rows_are_the_padded_pairs():
    store = ListStore([[7, 8], [9], []], [[5], [], [6, 7, 8]])
    (batch,) = batches_of(store, shuffle=False).once()
    rows = {int(index): row for row, index in enumerate(batch.indices)}
    order = [rows[0], rows[1], rows[2]]
    assert batch.source.ids_BS[order].tolist() == [[7, 8, EOS], [9, EOS, PAD], [EOS, PAD, PAD]]
    assert batch.target_in_BT[order].tolist() == [[BOS, 5, PAD, PAD], [BOS, PAD, PAD, PAD], [BOS, 6, 7, 8]]
    assert batch.target_out_BT[order].tolist() == [[5, EOS, PAD, PAD], [EOS, PAD, PAD, PAD], [6, 7, 8, EOS]]
    assert batch.num_tokens == 2 + 1 + 4
    assert batch.source.ids_BS.dtype == batch.indices.dtype == torch.int64


@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "by-length"])
@pytest.mark.parametrize("max_sentences", [None, 4])
def test_every_pair_comes_once_in_an_epoch_within_the_budget(shuffle, max_sentences):
    store = random_store()
    batches = batches_of(store, shuffle=shuffle, max_sentences=max_sentences)
    for epoch in range(3):
        seen = []
        for batch in batches.once(epoch):
            seen += batch.indices.tolist()
            assert batch.source.ids_BS.numel() + batch.target_in_BT.numel() <= 400
            assert len(batch.indices) <= (max_sentences or 400)
            for row, index in enumerate(batch.indices.tolist()):
                source, target = store.source_rows[index], store.target_rows[index]
                assert batch.source.ids_BS[row, : len(source) + 1].tolist() == [*source, EOS]
                assert batch.target_out_BT[row, : len(target) + 1].tolist() == [*target, EOS]
                assert not batch.source.ids_BS[row, len(source) + 1 :].any()
            assert batch.num_tokens == int((batch.target_out_BT != PAD).sum())
        assert sorted(seen) == list(range(len(store)))
        assert len(seen) == len(store)


@pytest.mark.parametrize("sampling", [None, SubwordSampling(source=0.5), SubwordSampling(target=0.2)], ids=str)
def test_any_batch_can_be_made_without_the_ones_before(sampling):
    store = random_store()
    in_order = batches_of(store, sampling=sampling)
    run = [list(in_order.once(epoch)) for epoch in range(3)]
    fresh = batches_of(store, sampling=sampling)
    for epoch, number in [(2, 5), (0, 3), (1, 0), (2, 4), (0, 0)]:
        assert same(fresh.read(Cursor(epoch=epoch, batch=number))[0], run[epoch][number])
        assert fresh.epochs(Cursor(epoch=epoch, batch=number)) == epoch + number / len(run[epoch])


def test_epochs_and_seeds_differ_in_order_and_company():
    store = random_store()

    def companies(seed, epoch):
        batches = batches_of(store, seed=seed)
        return [tuple(sorted(batch.indices.tolist())) for batch in batches.once(epoch)]

    first, second, other_seed = companies(5, 0), companies(5, 1), companies(6, 0)
    assert first == companies(5, 0)
    assert first != second and first != other_seed
    assert sorted(first) != sorted(second)  # not just the same batches in another order
    assert len(set(first) & set(second)) < len(first) / 2
    unshuffled = [
        batches_of(store, shuffle=False, seed=seed).read(Cursor(epoch=epoch, batch=2))[0]
        for seed, epoch in [(1, 0), (2, 3)]
    ]
    assert same(*unshuffled)


def test_batches_do_not_come_by_length():
    lengths = [batch.source.ids_BS.shape[1] for batch in batches_of(random_store(2000)).once()]
    correlation = np.corrcoef(lengths, np.arange(len(lengths)))[0, 1]
    assert abs(correlation) < 0.3


def test_sampled_batches_hold_the_same_pairs_in_other_pieces():
    store = random_store()
    plain, sampled = batches_of(store), batches_of(store, sampling=SubwordSampling(source=0.5))
    longer = num_batches = 0
    for one, other in zip(plain.once(), sampled.once(), strict=True):
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.target_in_BT, other.target_in_BT)
        longer += other.source.ids_BS.numel() > one.source.ids_BS.numel()
        num_batches += 1
    assert longer > num_batches / 2
    assert not same(sampled.read(Cursor())[0], sampled.read(Cursor(epoch=1))[0])


def test_a_sample_over_max_pieces_gives_way_to_the_best_segmentation():
    store = random_store(max_pieces=30)
    for batch in batches_of(store, sampling=SubwordSampling(source=1.0), max_tokens=70).once():
        for row, index in zip(batch.source.ids_BS, batch.indices, strict=True):
            source = store.source_rows[int(index)]
            doubled = [id_ for id_ in source for _ in range(2)]
            expected = doubled if len(doubled) <= 30 else source
            assert [id_ for id_ in row.tolist() if id_ != PAD] == [*expected, EOS]


def test_a_budget_below_the_longest_pair_is_refused_in_one_line():
    store = ListStore([[5] * 3, [6] * 9], [[5], [6] * 4])
    assert len(list(batches_of(store, max_tokens=15).once())) == 2
    with pytest.raises(ValueError, match=r"max_tokens \(14\) must be at least 15.*data.max_pieces"):
        batches_of(store, max_tokens=14)


def test_an_empty_store_and_a_batch_past_the_end_are_refused():
    with pytest.raises(ValueError, match="no pair to make batches of"):
        batches_of(ListStore([], []))
    batches = batches_of(random_store())
    with pytest.raises(IndexError, match=r"must be below \d+, the batches of its block"):
        batches.read(Cursor(epoch=2, batch=9999))


def test_a_batch_moves_and_is_frozen():
    batch, _ = batches_of(random_store()).read(Cursor())
    assert same(batch.to("cpu"), batch)
    with pytest.raises(AttributeError):
        batch.num_tokens = 3


def first_ids(numbers, pairs, pieces):
    """A tree that can be told from others: the first id of the sentence, everywhere between its pieces."""
    assert [pair.tree for pair in pairs] == [None] * len(numbers)
    return pieces.with_trees(list(of_first_ids(pieces.ids_BS.numpy())))


def of_first_ids(source_BS):
    real_BS = source_BS != PAD
    return ((source_BS[:, :1, None] + 1) * (real_BS[:, :, None] & real_BS[:, None]) - 1).astype(np.int8)


@pytest.mark.parametrize("sampling", [None, SubwordSampling(source=0.5)], ids=str)
def test_trees_are_made_of_the_pieces_that_a_batch_has_and_go_with_its_parts(sampling):
    store = random_store(40)
    with_trees, without = (batches_of(store, sampling=sampling, make_source=make).once() for make in (first_ids, None))
    for batch, plain in zip(with_trees, without, strict=True):
        assert same(batch, plain) and plain.source.tree_distance_BSS is None
        for part in (batch, *batch.within(100)):
            expected = of_first_ids(part.source.ids_BS.numpy())
            found = part.source.tree_distance_BSS
            assert found.dtype == torch.int8 and found.tolist() == expected.tolist()


def test_a_batch_in_parts_holds_the_same_sentences_within_the_budget():
    store = random_store()
    for batch in batches_of(store, max_tokens=400).once():
        parts = batch.within(100)
        assert all(part.padded_tokens <= 100 or len(part.indices) == 1 for part in parts)
        assert sum(part.num_tokens for part in parts) == batch.num_tokens
        assert [row for part in parts for row in part.indices.tolist()] == batch.indices.tolist()
        for part in parts:
            for row, index in enumerate(part.indices.tolist()):
                assert [id_ for id_ in part.source.ids_BS[row].tolist() if id_ != PAD] == [
                    *store.source_rows[index],
                    EOS,
                ]
                assert [id_ for id_ in part.target_out_BT[row].tolist() if id_ != PAD] == [
                    *store.target_rows[index],
                    EOS,
                ]
    assert batch.within(10**9) == [batch]


@pytest.mark.parametrize("world_size", [2, 3, 50])
@pytest.mark.parametrize("sampling", [None, SubwordSampling(source=0.5, target=0.2)], ids=["plain", "sampled"])
def test_the_batches_of_all_ranks_together_are_those_of_one(world_size, sampling):
    store = random_store(60)
    alone = list(batches_of(store, sampling=sampling).once(1))
    by_rank = [
        list(batches_of(store, sampling=sampling, rank=rank, world_size=world_size).once(1))
        for rank in range(world_size)
    ]

    def rows(batch):
        texts = zip(batch.source.ids_BS.tolist(), batch.target_out_BT.tolist(), strict=True)
        return [tuple(tuple(id_ for id_ in side if id_ != PAD) for side in pair) for pair in texts]

    for whole, *shares in zip(alone, *by_rank, strict=True):
        assert sum(share.num_tokens for share in shares) == whole.num_tokens
        busy = [share for share in shares if share.num_tokens]
        assert sorted(row for share in busy for row in rows(share)) == sorted(rows(whole))
        assert all(len(share.indices) == 1 for share in shares if not share.num_tokens)


def test_large_corpora_come_in_blocks_that_hold_every_pair_once(monkeypatch):
    monkeypatch.setattr(batching, "BLOCK_PAIRS", 70)
    store = random_store()
    batches = batches_of(store)
    for epoch in (0, 1):
        cursor, seen, blocks = Cursor(epoch=epoch), [], {}
        while cursor.epoch == epoch:
            batch, behind = batches.read(cursor)
            seen += batch.indices.tolist()
            blocks.setdefault(cursor.block, []).extend(batch.indices.tolist())
            assert batches.epochs(behind) > batches.epochs(cursor)
            assert same(batch, batches_of(store).read(cursor)[0])
            cursor = behind
        assert sorted(seen) == list(range(300))
        assert len(blocks) == 5 and max(map(len, blocks.values())) <= 70
        assert sorted(blocks[0]) != list(range(len(blocks[0])))  # a random part of the corpus, not its beginning


def test_a_mixture_draws_from_each_source_by_weight_and_goes_round_without_gaps():
    store = random_store(300, sources_of={"large": range(240), "small": range(240, 300)})
    batches = batches_of(store, mixture=Mixture(weights={"small": 4.0}))
    drawn = np.zeros(300, dtype=int)
    for epoch in range(4):
        seen = [index for batch in batches.once(epoch) for index in batch.indices.tolist()]
        assert len(seen) == 300  # an epoch is as long as the corpus
        np.add.at(drawn, seen, 1)
    # 240 : 4 * 60 is one to one: 150 pairs of each an epoch
    assert drawn[:240].sum() == drawn[240:].sum() == 600
    assert set(drawn[:240]) == {2, 3} and set(drawn[240:]) == {10}


def test_the_schedule_changes_the_mixture_at_its_step():
    store = random_store(100, sources_of={"first": range(50), "then": range(50, 100)})
    mixture = Mixture(weights={"then": 0.0}, schedule={3: {"first": 0.0}})
    batches = batches_of(store, mixture=mixture, max_tokens=200)
    cursor = Cursor()
    for step in range(40):
        batch, behind = batches.read(cursor, step=step)
        assert {index < 50 for index in batch.indices.tolist()} == {step < 3}
        assert np.array_equal(batches.pairs(cursor, step=step), batch.indices)
        assert behind.stage == (step >= 3) and batches.epochs(behind) > batches.epochs(cursor)
        cursor = behind


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
    plan = plan_batches(source, target, max_tokens=300, max_sentences=None, rng=None)
    assert plan.starts.tolist() == plainly_started(source[plan.order], target[plan.order], 300)


@pytest.mark.slow  # a second: a million pairs
def test_a_million_pairs_are_planned_with_little_padding():
    rng = np.random.default_rng(3)
    source = np.clip(rng.lognormal(3, 0.6, 1_000_000), 1, 250).astype(np.int64)
    target = np.clip(source * rng.lognormal(0.1, 0.25, 1_000_000), 1, 250).astype(np.int64)
    plan = plan_batches(source, target, max_tokens=8192, max_sentences=None, rng=rng)
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


def test_a_stage_that_begins_in_the_middle_of_an_epoch_leaves_the_count_of_epochs_alone():
    store = random_store(300, sources_of={"first": range(150), "then": range(150, 300)})
    batches = batches_of(store, mixture=Mixture(schedule={3: {"first": 0.0}}))
    cursor = Cursor()
    for step in range(3):
        _, cursor = batches.read(cursor, step=step)
    before = batches.epochs(cursor)
    _, behind = batches.read(cursor, step=3)
    assert before < batches.epochs(behind) < before + 0.5 and behind.epoch == 1
    entered = batches.entered(cursor, 3)
    assert batches.epochs(entered) == pytest.approx(before) and entered.batch == 0
