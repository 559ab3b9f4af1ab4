"""Each cleaning rule drops what it says and counts it; the ledger adds up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.data.cleaning import CleaningSettings, SeenPairs, clean
from mt.data.ledger import NUM_EXAMPLES, Ledger
from mt.data.pair import Pair

OFF = dict(
    drop_empty=False, max_words=None, max_characters=None, max_length_ratio=None, drop_identical=False,
    duplicates="none", held_out="none",
)  # fmt: skip
HELD_OUT = [Pair("The cat sleeps.", "Die Katze schläft.")]
PAIRS = [
    Pair("A dog runs.", "Ein Hund rennt."),
    Pair("  ", "leer"),
    Pair("one two three four five six seven", "eins zwei drei"),
    Pair("Hi.", "Guten Abend, meine sehr verehrten Damen und Herren!"),
    Pair("Berlin", "Berlin"),
    Pair("A dog  runs. ", "Ein Hund rennt."),
    Pair("A dog runs.", "Ein Köter rennt."),
    Pair("the Cat sleeps.", "Die Katze  schläft."),
    Pair("The cat sleeps.", "Die Katze ruht."),
]


def cleaned(pairs, **settings):
    ledger = Ledger("train")
    kept = list(
        clean(
            pairs,
            CleaningSettings(**(OFF | settings)),
            [pair.source for pair in HELD_OUT],
            [pair.target for pair in HELD_OUT],
            ledger,
        )
    )
    return kept, ledger


@pytest.mark.parametrize(
    "setting, dropped, reason",
    [
        ({"drop_empty": True}, [1], "empty side"),
        ({"max_words": 6}, [2, 3], "too long (over 6 words)"),
        ({"max_characters": 40}, [3], "too long (over 40 characters)"),
        ({"max_length_ratio": 4.0}, [3], "length ratio (over 4)"),
        ({"drop_identical": True}, [4], "identical sides"),
        ({"duplicates": "pair"}, [5], "duplicate (same pair)"),
        ({"duplicates": "source"}, [5, 6], "duplicate (same source)"),
        ({"duplicates": "target"}, [5], "duplicate (same target)"),
        ({"duplicates": "either"}, [5, 6], "duplicate (same either)"),
        ({"held_out": "pair"}, [7], "in valid or test (same pair)"),
        ({"held_out": "source"}, [7, 8], "in valid or test (same source)"),
        ({"held_out": "target"}, [7], "in valid or test (same target)"),
        ({}, [], None),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_each_rule_drops_and_counts_its_pairs(setting, dropped, reason):
    kept, ledger = cleaned(PAIRS, **setting)
    expected = [pair for number, pair in enumerate(PAIRS) if number not in dropped]
    assert kept == [Pair(pair.source.strip(), pair.target.strip()) for pair in expected]
    assert {name: drop.count for name, drop in ledger.drops.items()} == ({reason: len(dropped)} if reason else {})
    assert ledger.num_in == len(PAIRS)


def test_a_pair_is_counted_once_and_everything_adds_up():
    kept, ledger = cleaned(PAIRS * 3, **vars(CleaningSettings()))
    assert ledger.num_in == len(PAIRS) * 3
    assert ledger.num_kept == len(kept)
    assert ledger.num_in == ledger.num_kept + ledger.num_dropped
    assert all(len(drop.examples) == min(drop.count, NUM_EXAMPLES) for drop in ledger.drops.values())


def test_links_stay_with_their_pair():
    pair = Pair("A dog", "Ein Hund", "0-0 1-1")
    assert cleaned([pair])[0] == [pair]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"max_words": 0}, r"cleaning.max_words \(0\) must be at least 1, or null"),
        ({"max_length_ratio": 0.5}, r"cleaning.max_length_ratio \(0.5\) must be at least 1, or null"),
        ({"duplicates": "all"}, r"cleaning.duplicates \(all\) must be one of: pair, source, target, either, none"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        CleaningSettings(**settings)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))))
def test_digests_find_what_a_plain_set_finds(pairs):
    seen, plain = SeenPairs("pair"), set()
    for source, target in pairs:
        assert seen.holds(source, target) == ((source, target) in plain)
        seen.add(source, target)
        plain.add((source, target))


def test_pairs_that_share_a_side_are_all_held_out():
    held_out = [Pair("a", "x"), Pair("a", "y"), Pair("b", "y")]
    pairs = [Pair("c", "y"), Pair("b", "z"), Pair("c", "x"), Pair("c", "z")]
    settings = CleaningSettings(**(OFF | {"held_out": "either"}))
    sources, targets = zip(*(pair[:2] for pair in held_out), strict=True)
    assert list(clean(pairs, settings, sources, targets, Ledger("train"))) == [Pair("c", "z")]


def test_a_dropped_pair_drops_no_other():
    pairs = [Pair("a", "x"), Pair("a", "y"), Pair("b", "y")]
    assert cleaned(pairs, duplicates="either")[0] == [Pair("a", "x"), Pair("b", "y")]


def test_where_one_side_ends_and_the_other_begins_is_part_of_a_pair():
    seen = SeenPairs("pair")
    seen.add("a b", "c")
    assert not seen.holds("a", "b c")


def test_ledger_is_the_same_after_saving(tmp_path):
    _, ledger = cleaned(PAIRS, **vars(CleaningSettings(max_words=5)))
    ledger.drop_kept("too long (over 9 pieces)", PAIRS[0])
    ledger.save(tmp_path / "ledger.json")
    assert Ledger.load(tmp_path / "ledger.json") == ledger
    content = json.loads((tmp_path / "ledger.json").read_text())
    assert content["in"] == content["kept"] + sum(drop["count"] for drop in content["dropped"].values())


def test_table_shows_every_reason_and_a_broken_line_is_cut():
    ledger = Ledger("train")
    ledger.keep()
    ledger.drop("too long (over 5 words)", Pair("word " * 100_000, "Wort"))
    table = ledger.table().splitlines()
    assert [line.split() for line in table] == [
        ["train", "read", "2", "100.00", "%"],
        ["train", "-", "too", "long", "(over", "5", "words)", "1", "50.00", "%"],
        ["train", "kept", "1", "50.00", "%"],
    ]
    assert len(json.dumps(ledger.to_json())) < 1000
