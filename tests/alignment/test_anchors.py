import pytest

from mt.alignment import anchors as room
from mt.alignment.anchors import Anchors

PAIRS = [
    ("the dog runs", "der Hund läuft"),
    ("the dog sleeps", "der Hund schläft"),
    ("the cat runs", "die Katze läuft"),
    ("a dog eats", "ein Hund frisst"),
    ("a cat sleeps", "eine Katze schläft"),
    ("the cat eats", "die Katze frisst"),
    ("the dog eats", "der Hund frisst"),
    ("Runs, the dog!", "Läuft der Hund?"),
]


def test_words_that_keep_company_are_linked_wherever_they_stand():
    links = Anchors(PAIRS).links("runs the dog", "der Hund läuft.")
    assert {(0, 2), (2, 1)} <= links.sure == links.possible


def test_dice_is_the_share_of_sentences_with_both():
    anchors = Anchors(PAIRS)
    assert anchors.dice("dog", "hund") == 1.0
    assert anchors.dice("dog", "läuft") == 0.0  # twice together: chance
    assert anchors.dice("the", "der") == pytest.approx(2 * 4 / (6 + 4))


def test_a_word_that_stands_twice_or_was_never_seen_is_no_anchor():
    anchors = Anchors(PAIRS)
    assert {target for _, target in anchors.links("dog cat dog", "Hund Katze").sure} == {1}
    assert anchors.links("zebra", "Zebra").sure == frozenset()
    assert anchors.links("", "").sure == frozenset()


def test_counting_ends_when_enough_was_seen(monkeypatch):
    monkeypatch.setattr(room, "MOST_PAIRS", 9)
    read = []

    def pairs():
        for pair in PAIRS:
            read.append(pair)
            yield pair

    Anchors(pairs())
    assert len(read) == 1
