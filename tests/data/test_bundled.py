"""The bundled corpus as a corpus: splits, sizes, held-out combinations, links."""

import re
from itertools import islice

import pytest

from mt.data.bundled import source
from mt.data.bundled.construction import CONSTRUCTIONS
from mt.data.bundled.source import DEFAULT_SIZES, Bundled, is_held_out, normalized

HELD_OUT_SPLITS = ("valid", "test", "test_compositional")


@pytest.fixture(scope="module")
def train():
    return list(Bundled("train", 8_000, seed=3).derivations())


@pytest.fixture(scope="module")
def held_out_splits():
    return {split: list(Bundled(split, 120, seed=5).derivations()) for split in HELD_OUT_SPLITS}


@pytest.mark.slow  # all of the corpus
def test_train_has_30000_pairs_by_default_and_the_others_500():
    assert DEFAULT_SIZES == {"train": 30_000, "valid": 500, "test": 500, "test_compositional": 500}
    assert len(list(Bundled("valid"))) == 500


def test_iterating_again_gives_the_same_pairs():
    corpus = Bundled("test", 60)
    assert list(corpus) == list(corpus) == list(Bundled("test", 60))


def test_a_smaller_size_is_a_prefix_of_a_larger():
    assert list(Bundled("train", 100)) == list(islice(Bundled("train", 400), 100))


def test_another_seed_gives_other_pairs():
    assert list(Bundled("test", 40, seed=1)) != list(Bundled("test", 40, seed=2))


def test_fingerprint_changes_with_every_setting():
    corpora = [Bundled("test"), Bundled("valid"), Bundled("test", 10), Bundled("test", seed=2)]
    assert len({corpus.fingerprint() for corpus in corpora}) == len(corpora)
    assert Bundled("test").fingerprint() == Bundled("test").fingerprint()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "dev"}, "split (dev) must be one of train, valid, test, test_compositional"),
        ({"split": "train", "size": 0}, "size (0) must be at least 1"),
    ],
    ids=["split", "size"],
)
def test_wrong_settings_are_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Bundled(**settings)


def test_a_split_that_cannot_be_filled_is_given_up_in_one_line(monkeypatch):
    monkeypatch.setattr(source, "FRUITLESS_DRAWS", 60)
    found = []
    with pytest.raises(ValueError) as error:
        found.extend(Bundled("valid", 10**9))
    assert found
    assert str(error.value) == (
        "size (1000000000) must be at most what split valid can fill: "
        f"{len(found)} distinct sentences found, and no more in 60 draws"
    )


@pytest.mark.slow
def test_no_sentence_of_either_side_stands_in_two_splits(train, held_out_splits):
    everything = {"train": train, **held_out_splits}
    for side in (0, 1):
        texts = {name: {normalized(pair[side]) for pair, _, _ in rows} for name, rows in everything.items()}
        names = list(texts)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                assert not texts[first] & texts[second]


@pytest.mark.slow  # a second: draws 8,000 pairs
def test_english_sentences_of_a_split_are_unique(train):
    assert len({normalized(pair.source) for pair, _, _ in train}) == len(train)


@pytest.mark.slow  # a second: draws 8,000 pairs
def test_english_determines_german(train, held_out_splits):
    german = {}
    for rows in (train, *held_out_splits.values()):
        for pair, _, _ in rows:
            assert german.setdefault(normalized(pair.source), normalized(pair.target)) == normalized(pair.target)


@pytest.mark.slow  # all of the corpus
def test_every_construction_occurs_in_train_and_there_are_more_than_forty(train):
    assert {name for _, name, _ in train} == set(CONSTRUCTIONS)
    assert len(CONSTRUCTIONS) > 40


def test_train_has_more_than_450_lemmas(train):
    assert len({lemma for _, _, lemmas in train for lemma in lemmas}) > 450


@pytest.mark.slow  # all of the corpus
def test_held_out_combinations_stand_in_test_compositional_only(train, held_out_splits):
    words, constructions, combinations = set(), set(), set()
    for _, name, lemmas in train:
        words.update(lemmas)
        constructions.add(name)
        combinations.update((lemma, name) for lemma in lemmas)
    assert not any(is_held_out(lemma, name) for lemma, name in combinations)
    for split in ("valid", "test"):
        assert not any(is_held_out(lemma, name) for _, name, lemmas in held_out_splits[split] for lemma in lemmas)
    for pair, name, lemmas in held_out_splits["test_compositional"]:
        new = [lemma for lemma in lemmas if is_held_out(lemma, name)]
        assert new, pair
        assert not any((lemma, name) in combinations for lemma in new)
        assert name in constructions
        assert words.issuperset(lemmas)


def test_links_are_in_range_and_leave_few_words_alone(train):
    words = linked = 0
    for pair, _, _ in train[:4000]:
        source, target = pair.source.split(), pair.target.split()
        links = [tuple(map(int, link.split("-"))) for link in pair.links.split()]
        assert links == sorted(set(links))
        assert all(i < len(source) and j < len(target) for i, j in links)
        words += len(source) + len(target)
        linked += len({i for i, _ in links}) + len({j for _, j in links})
    assert linked / words > 0.97


def test_lengths_are_those_of_simple_sentences(train):
    lengths = [len(pair.source.split()) for pair, _, _ in train]
    assert min(lengths) >= 3
    assert max(lengths) <= 25
    assert 8 < sum(lengths) / len(lengths) < 11


def test_text_is_clean(train):
    for pair, _, _ in train:
        for text in pair[:2]:
            assert text == " ".join(text.split())
            assert text[-1] in ".?!"
            assert text[0].isupper()
            assert not any(bad in text for bad in (",,", " ,", ",.", ",?", ",!", "..", "_"))
