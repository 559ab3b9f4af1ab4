"""Cleaning a corpus: each rule drops what it says and counts it, the ledger adds up, for any number of processes."""

import json
from dataclasses import dataclass, replace

import pytest

from mt.data.cleaning.clean import HeldOutPairs, clean_corpus
from mt.data.cleaning.settings import NO_RULES, CleaningSettings
from mt.data.held_out import HeldOut
from mt.data.ledger import NUM_EXAMPLES, Ledger
from mt.data.pair import Fault, Pair
from mt.data.settings import DataSettings
from mt.data.sources import Source, Sources
from mt.data.text_store import TextStore

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


@dataclass(frozen=True)
class Listed:
    """Pairs given one by one."""

    pairs: tuple

    def __iter__(self):
        return iter(self.pairs)

    def fingerprint(self):
        return str(hash(self.pairs))


@pytest.fixture
def cleaned(tmp_path, monkeypatch):
    """(pairs or sources, settings, …) -> the pairs that were kept, and the ledger."""
    monkeypatch.setattr("mt.data.block.BLOCK_PAIRS", 4)  # so that there are several blocks
    count = iter(range(100))

    def clean(corpus, settings, held_out=HELD_OUT, num_processes=1):
        corpus = corpus if isinstance(corpus, Sources | Source) else Listed(tuple(corpus))
        held_out = Listed(tuple(held_out))
        data = DataSettings(
            name="x", source_language="en", target_language="de", train=corpus, valid=held_out, cleaning=settings,
            prepared="x",
        )  # fmt: skip
        folder = tmp_path / str(next(count))
        folder.mkdir()
        ledger = clean_corpus(
            corpus,
            settings,
            languages=("en", "de"),
            held_out=HeldOutPairs([HeldOut.read("valid", held_out)], data),
            folder=folder,
            num_processes=num_processes,
        )
        text = TextStore(folder)
        return [text.pair(number) for number in range(len(text))], ledger

    return clean


@pytest.mark.parametrize(
    "setting, dropped, reason",
    [
        ({"drop_empty": True}, [1], "empty side"),
        ({"max_words": 6}, [2, 3], "too long (over 6 words)"),
        ({"drop_identical": True}, [4], "identical sides"),
        ({"duplicates": "pair"}, [5], "duplicate (same pair)"),
        ({"duplicates": "source"}, [5, 6], "duplicate (same source)"),
        ({"duplicates": "target"}, [5], "duplicate (same target)"),
        ({"duplicates": "either"}, [5, 6], "duplicate (same either)"),
        ({"max_repeats": 1}, [5, 6], "repeated side (over 1 times)"),
        ({"max_repeats": 2}, [6], "repeated side (over 2 times)"),
        ({"max_repeats": 3}, [], None),
        ({"held_out": "pair"}, [7], "in valid or test (same pair)"),
        ({"held_out": "source"}, [7, 8], "in valid or test (same source)"),
        ({"held_out": "target"}, [7], "in valid or test (same target)"),
        ({"held_out": "either"}, [7, 8], "in valid or test (same either)"),
        ({}, [], None),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_each_rule_drops_and_counts_its_pairs(cleaned, setting, dropped, reason):
    kept, ledger = cleaned(PAIRS, replace(NO_RULES, **setting))
    expected = [pair for number, pair in enumerate(PAIRS) if number not in dropped]
    assert kept == [Pair(pair.source.strip(), pair.target.strip()) for pair in expected]
    assert {name: drop.count for name, drop in ledger.drops.items()} == ({reason: len(dropped)} if reason else {})
    assert ledger.num_in == len(PAIRS)


def test_a_pair_is_counted_once_and_everything_adds_up(cleaned):
    kept, ledger = cleaned(PAIRS * 3, CleaningSettings())
    assert ledger.num_in == len(PAIRS) * 3
    assert ledger.num_kept == len(kept)
    assert ledger.num_in == ledger.num_kept + ledger.num_dropped
    assert all(len(drop.examples) == min(drop.count, NUM_EXAMPLES) for drop in ledger.drops.values())


def test_an_example_names_the_place_of_its_pair(cleaned):
    _, ledger = cleaned(PAIRS, replace(NO_RULES, duplicates="pair"))
    (example,) = ledger.drops["duplicate (same pair)"].examples
    assert example == {"pair": 6, "source": "A dog  runs.", "target": "Ein Hund rennt."}


def test_links_and_trees_stay_with_their_pair(cleaned):
    known = [(f"0-0 1-{n}" if n > 5 else None, f"0 {n}" if n % 3 else None) for n in range(10)]
    pairs = [Pair(f"dog {n}", f"Hund {n}", links, tree=tree) for n, (links, tree) in enumerate(known)]
    pairs[3] = pairs[7] = pairs[1]
    kept, _ = cleaned(pairs, replace(NO_RULES, duplicates="pair"))
    assert kept == [pair for number, pair in enumerate(pairs) if number not in (3, 7)]


@pytest.mark.slow  # a second: starts processes
@pytest.mark.parametrize("num_processes", [2, 3])
def test_the_result_is_the_same_for_any_number_of_processes(cleaned, num_processes, monkeypatch):
    monkeypatch.setattr("mt.data.workers.INPUTS_ALONE", 1)
    pairs = [Pair(f"dog {n % 7}", f"Hund {n % 11}", "0-0") for n in range(300)]
    settings = replace(NO_RULES, duplicates="pair", max_repeats=3, max_characters=6)
    alone, together = cleaned(pairs, settings), cleaned(pairs, settings, num_processes=num_processes)
    assert alone == together
    assert 0 < len(alone[0]) < 300 and len(alone[1].drops) == 3


FAULTY = [
    Pair("one", "eins"),
    Pair("two", "zw\ufffd", fault=Fault("not UTF-8", "a.de: not UTF-8 at line 2")),
    Pair("three", "drei"),
]


def test_a_malformed_line_is_refused_with_what_would_drop_it(cleaned):
    with pytest.raises(
        ValueError,
        match=r"^a.de: not UTF-8 at line 2; data.cleaning.malformed=drop drops and counts such lines$",
    ):
        cleaned(FAULTY, CleaningSettings())


def test_a_malformed_line_is_dropped_and_counted_where_that_is_wanted(cleaned):
    kept, ledger = cleaned(FAULTY, CleaningSettings(malformed="drop"))
    assert kept == [FAULTY[0], FAULTY[2]]
    assert ledger.drops["not UTF-8"].examples == [{"pair": 2, "source": "two", "target": "zw\ufffd"}]


def test_a_malformed_line_of_a_held_out_set_is_always_refused():
    with pytest.raises(ValueError, match=r"^a.de: not UTF-8 at line 2$"):
        HeldOut.read("valid", FAULTY)


def test_nothing_left_is_reported_with_the_reasons(cleaned):
    with pytest.raises(ValueError, match=r"data.train: no pair is left of 9 after cleaning \(too long.*: 9\)"):
        cleaned(PAIRS, replace(NO_RULES, max_characters=2))


def test_pairs_that_share_a_side_are_all_held_out(cleaned):
    held_out = [Pair("a", "x"), Pair("a", "y"), Pair("b", "y")]
    pairs = [Pair("c", "y"), Pair("b", "z"), Pair("c", "x"), Pair("c", "z")]
    assert cleaned(pairs, replace(NO_RULES, held_out="either"), held_out)[0] == [Pair("c", "z")]


def test_blanks_hide_no_held_out_pair(cleaned):
    pairs = [Pair("a  dog\u2003", "ein\tHund"), Pair("a", "b")]
    assert cleaned(pairs, replace(NO_RULES, held_out="pair"), [Pair(" a dog", " ein Hund ")])[0] == [Pair("a", "b")]


@pytest.mark.parametrize("word", ["Straße", "STRASSE", "ſtraße"])
def test_capitals_hide_no_held_out_pair_however_they_are_written(cleaned, word):
    held_out = [Pair("a street", f"{'ß' * 30} strasse")]
    pairs = [Pair("A  street", f"{'SS' * 30} {word}"), Pair("a street", "Weg")]
    assert cleaned(pairs, replace(NO_RULES, held_out="pair"), held_out)[0] == [Pair("a street", "Weg")]


def test_a_pair_of_another_source_is_a_duplicate_unless_its_tag_differs(cleaned):
    pairs = Listed((Pair("Taxi", "Taxi!"), Pair("a dog", "ein Hund", "0-0 1-1")))
    again = Listed((Pair("a dog", "ein Hund", "0-0 1-1"), Pair("a cat", "eine Katze")))
    sources = Sources(real=pairs, more=again, made=Source(corpus=again, tag="<bt>"))
    kept, ledger = cleaned(sources, replace(NO_RULES, duplicates="pair"))
    assert kept == [
        Pair("Taxi", "Taxi!"),
        Pair("a dog", "ein Hund", "0-0 1-1"),
        Pair("a cat", "eine Katze"),
        Pair("<bt> a dog", "ein Hund", "1-0 2-1"),
        Pair("<bt> a cat", "eine Katze"),
    ]
    assert {name: (of.num_in, of.num_kept) for name, of in ledger.sources.items()} == {
        "real": (2, 2), "more": (2, 1), "made": (2, 2)
    }  # fmt: skip
    assert (ledger.num_in, ledger.num_kept) == (6, 5)
    assert [line.split()[:2] for line in ledger.table().splitlines()] == [
        ["real", "read"], ["real", "kept"], ["more", "read"], ["more", "-"], ["more", "kept"],
        ["made", "read"], ["made", "kept"], ["train", "read"], ["train", "-"], ["train", "kept"],
    ]  # fmt: skip


def test_a_tag_hides_no_held_out_pair(cleaned):
    corpus = Source(corpus=Listed((Pair("The cat sleeps.", "Die Katze schläft."), Pair("a", "b"))), tag="<bt>")
    assert cleaned(corpus, replace(NO_RULES, held_out="pair"))[0] == [Pair("<bt> a", "b")]


def test_a_source_may_be_in_languages_of_its_own(cleaned):
    pairs = Listed((Pair("The dog is here.", "Собака здесь."),))
    assert len(cleaned(Source(corpus=pairs, target_language="ru"), CleaningSettings())[0]) == 1
    with pytest.raises(ValueError, match="letters of another script"):
        cleaned(Source(corpus=pairs), CleaningSettings())


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"max_words": 0}, r"cleaning.max_words \(0\) must be at least 1, or null"),
        ({"max_repeats": 0}, r"cleaning.max_repeats \(0\) must be at least 1, or null"),
        ({"max_length_ratio": 0.5}, r"cleaning.max_length_ratio \(0.5\) must be at least 1, or null"),
        ({"duplicates": "all"}, r"cleaning.duplicates \(all\) must be one of: pair, source, target, either, none"),
        ({"malformed": "skip"}, r"cleaning.malformed \(skip\) must be one of: refuse, drop"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        CleaningSettings(**settings)


def test_ledger_is_the_same_after_saving(cleaned, tmp_path):
    _, ledger = cleaned(Sources(a=Listed(tuple(PAIRS)), b=Listed(tuple(PAIRS))), CleaningSettings(max_words=5))
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
