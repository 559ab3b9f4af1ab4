"""Contrastive pairs: one error of the kind that is named, in a sentence of the test split."""

from difflib import SequenceMatcher
from random import Random

import pytest

from mt.data.contrasts import KINDS, contrasts
from mt.words import split_words

# words, construction -> the words with the error
EXAMPLES = {
    "negation": ("Ich esse nicht", "", "Ich esse"),
    "number": ("Der Hund schläft", "", "Der Hunde schläft"),
    "case": ("Er sieht den Hund", "", "Er sieht dem Hund"),
    "verb_position": ("Ich habe die Kuchen gebacken", "perfect_haben", "Ich habe gebacken die Kuchen"),
    "verb_agreement": ("Er schläft", "", "Er schlafen"),
    "pronoun": ("aber sie ist alt", "pronoun_agreement", "aber es ist alt"),
    "dropped_word": ("Ein roter Ball", "", "Ein Ball"),
    "auxiliary": ("Er hat geschlafen", "perfect_haben", "Er ist geschlafen"),
    "preposition": ("Er schläft im Park", "", "Er schläft am Park"),
    "adjective_ending": ("Ein roter Ball", "", "Ein rote Ball"),
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_kind_makes_its_error(kind):
    words, construction, wrong = EXAMPLES[kind]
    assert KINDS[kind](words.split(), construction, Random(1)) == wrong.split()


def test_another_word_has_the_same_gender():
    assert EXAMPLES.keys() | {"word"} == KINDS.keys()
    new = KINDS["word"]("Der Hund schläft".split(), "", Random(1))
    assert new[0] == "Der" and new[1] != "Hund"


def test_every_kind_has_its_pairs_and_each_differs_in_one_place(monkeypatch):
    monkeypatch.setattr("mt.data.contrasts.KINDS", {kind: KINDS[kind] for kind in KINDS if kind != "pronoun"})
    found = list(contrasts(4))
    assert [one.kind for one in found] == [kind for kind in KINDS if kind != "pronoun" for _ in range(4)]
    for one in found:
        right, wrong = (split_words(text) for text in (one.right, one.wrong))
        edits = [op for op in SequenceMatcher(None, right, wrong, autojunk=False).get_opcodes() if op[0] != "equal"]
        assert 1 <= len(edits) <= (2 if one.kind == "verb_position" else 1), one
    assert found == list(contrasts(4)) != list(contrasts(4, seed=2))
