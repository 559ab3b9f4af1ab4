"""What repeats is found as a plain walk through the corpus would find it, in bounded memory."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.data.cleaning import digests
from mt.data.cleaning.digests import DigestCounts, digests_of
from mt.data.cleaning.repeats import Repeats, repeat_keys, repeat_rules, single_blanks
from mt.data.cleaning.settings import NO_RULES, SAME


def one_by_one(pairs, rules):
    """The number of the rule that each pair breaks, 0 for none; with plain counters."""
    kept, broken = [Counter() for _ in rules], []
    for pair in pairs:
        keys = [SAME[rule.same]([pair]) for rule in rules]
        over = [
            any(counter[key] >= rule.most for key in of_rule)
            for rule, counter, of_rule in zip(rules, kept, keys, strict=True)
        ]
        broken.append(over.index(True) + 1 if any(over) else 0)
        if not any(over):
            for counter, of_rule in zip(kept, keys, strict=True):
                counter.update(of_rule)
    return broken


@pytest.mark.parametrize("duplicates", ["pair", "source", "target", "either", "none"])
@pytest.mark.parametrize("max_repeats", [None, 1, 3])
@given(
    pairs=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("vwxyz")), max_size=60), size=st.integers(1, 9)
)
def test_blocks_find_what_a_plain_walk_finds(duplicates, max_repeats, pairs, size):
    rules = repeat_rules(replace(NO_RULES, duplicates=duplicates, max_repeats=max_repeats))
    repeats, broken = Repeats(rules), []
    for start in range(0, len(pairs), size):
        block = pairs[start : start + size]
        broken += repeats.admit(repeat_keys(rules, block), len(block)).tolist()
    assert broken == one_by_one(pairs, rules)


def test_a_dropped_pair_drops_no_other():
    rules = repeat_rules(replace(NO_RULES, duplicates="either"))
    keys = repeat_keys(rules, [("a", "x"), ("a", "y"), ("b", "y")])
    assert Repeats(rules).admit(keys, 3).tolist() == [0, 1, 0]


def test_where_one_side_ends_and_the_other_begins_is_part_of_a_pair():
    rules = repeat_rules(replace(NO_RULES, duplicates="pair"))
    assert len(np.unique(repeat_keys(rules, [("a b", "c"), ("a", "b c")])[0])) == 2


@given(st.text(alphabet="ab \t\u00a0\u2028\u3000\n", max_size=12))
def test_single_blanks_is_split_and_join(text):
    text = text.strip()
    assert single_blanks(text) == " ".join(text.split())


@pytest.mark.slow  # a second: thousands of small additions
def test_counts_survive_many_growths_and_crowded_slots(monkeypatch):
    monkeypatch.setattr(digests, "LEAST_SLOTS", 4)
    monkeypatch.setattr(digests, "SLICE", 8)
    rng = np.random.default_rng(3)
    keys = (rng.integers(1, 500, size=2000) * 4096).astype(np.uint64)  # all of them want the same few slots
    table, plain = DigestCounts(2000), Counter()
    for start in range(0, len(keys), 57):
        some = keys[start : start + 57]
        assert table.counts(some).tolist() == [plain[key] for key in some.tolist()]
        table.add(some)
        plain.update(some.tolist())
    distinct = np.array(list(plain), dtype=np.uint64)
    assert table.counts(distinct).tolist() == list(plain.values())
    assert table.counts(np.array([7], dtype=np.uint64)).tolist() == [0]


def test_ten_million_digests_would_take_less_than_half_a_gigabyte():
    table = DigestCounts(1)
    rng = np.random.default_rng(1)
    num_digests = 300_000
    table.add(rng.integers(1, 2**63, size=num_digests).astype(np.uint64))
    assert (table._digests.nbytes + table._counts.nbytes) / num_digests < 31


def test_digests_are_the_same_on_every_machine():
    assert digests_of(["a", ""]).tolist() == [3405396810240292928, 13020603013274838756]
    assert digests_of([]).tolist() == []
