"""Noise changes what it says, keeps links and trees on their words, and depends on the pair's key alone."""

import numpy as np
import pytest

from mt.data.document import AFTER, BEFORE
from mt.data.noise.kinds import KINDS
from mt.data.noise.settings import Noise
from mt.data.pair import Pair
from mt.words import split_words

PAIR = Pair(
    "A man in a blue shirt stands .",
    "Ein Mann in blauem Hemd steht .",
    links="0-0 1-1 2-2 4-3 5-4 6-5 7-6",
    tree="2 7 6 6 6 2 0 7",
)
EXPECTED = {
    "capitals": ("A MAN IN A BLUE SHIRT STANDS .", PAIR.target),
    "title": ("A Man In A Blue Shirt Stands .", PAIR.target),
    "no_end": ("A man in a blue shirt stands", PAIR.target),
    "untranslated": (PAIR.target, PAIR.target),
}


def noisy(kind, pair=PAIR, key=1, fixed=()):
    return Noise(**{kind: 1.0})(pair, key, fixed)


@pytest.mark.parametrize("kind", EXPECTED)
def test_kinds_that_draw_nothing(kind):
    assert noisy(kind).texts == EXPECTED[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_the_source_by_its_key_and_leaves_a_fixed_word(kind):
    tagged = PAIR._replace(source=f"<2de> {PAIR.source}", links=None, tree=None)
    found = {noisy(kind, tagged, key, {"<2de>"}).source for key in range(20)}
    assert all(split_words(source)[0] == "<2de>" for source in found) and tagged.source not in found
    assert noisy(kind, key=5) == noisy(kind, key=5)
    assert len(found) > 4 or kind in EXPECTED


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "untranslated"])
@pytest.mark.parametrize("key", range(5))
def test_links_and_trees_stay_on_their_words(kind, key):
    found = noisy(kind, key=key)
    source, target = map(split_words, found.texts)
    links = {tuple(map(int, link.split("-"))) for link in found.links.split()}
    heads = list(map(int, found.tree.split()))
    assert len(heads) == len(source)
    assert all(place < len(source) and other < len(target) for place, other in links)
    # "man" or what holds it is linked to "Mann", and hangs on "stands", or what is left of it
    [mann] = [place for place, word in enumerate(target) if "Mann" in word]
    before = split_words(PAIR.source)[1] if kind not in ("typing", "cut", "joined") else None
    man = [place for place, other in links if other == mann]
    assert man and all(before is None or before.lower() in source[place].lower() for place in man)
    stands = [place for place, other in links if target[other] == "steht"]
    assert heads[man[0]] - 1 in stands or man[0] in stands


def test_joined_and_cut_words_take_their_links_along():
    pair = Pair("ab cdef", "x y", links="0-0 1-1", tree="2 0")
    joined = noisy("joined", pair)
    assert (joined.source, joined.links, joined.tree) == ("abcdef", "0-0 0-1", "0")
    cut = noisy("cut", pair)
    assert (cut.source, cut.links, cut.tree) == ("ab cd ef", "0-0 1-1 2-1", "2 0 2")


def test_possible_links_stay_possible_and_what_is_no_link_stays_for_its_reader_to_name():
    pair = Pair("ab cdef", "x y", links="0-0 1?1 1p0 one-two")
    assert Noise(cut=1.0)(pair, 1).links == "0-0 1?1 2?1 1p0 2p0 one-two"


def test_context_is_not_part_of_the_sentence_that_gets_a_copy_a_tag_or_loses_its_end():
    pair = Pair(f"Late . {BEFORE} They left . {AFTER} Oh .", "Sie gingen .")
    fixed = {BEFORE, AFTER}
    assert noisy("no_end", pair, fixed=fixed).source == f"Late . {BEFORE} They left {AFTER} Oh ."
    tagged = noisy("tagged", pair, fixed=fixed)
    assert f"{BEFORE} <" in tagged.source and f"> {AFTER}" in tagged.source and tagged.target.startswith("<")
    for key in range(8):
        copied = split_words(noisy("copied", pair, key, fixed).source)
        new = split_words(noisy("copied", pair, key, fixed).target)
        [word] = set(new) - {"Sie", "gingen", "."}
        assert copied.index(BEFORE) < copied.index(word) < copied.index(AFTER)


def test_text_of_the_target_language_has_no_links_and_keeps_tags_and_context():
    assert (noisy("untranslated").links, noisy("untranslated").tree) == ("", "0 0 0 0 0 0 0")
    pair = Pair(f"<2de> Late . {BEFORE} They left . {AFTER} Oh .", "Sie gingen .")
    assert (
        noisy("untranslated", pair, fixed={"<2de>", BEFORE, AFTER}).source
        == f"<2de> Late . {BEFORE} Sie gingen . {AFTER} Oh ."
    )
    both = Noise(untranslated=1.0, capitals=1.0, typing=1.0)(PAIR, 3)
    assert both.source == both.target == PAIR.target


def test_what_would_be_empty_stays():
    assert noisy("no_end", Pair(".", ".")).source == "."
    for kind in KINDS:
        assert all(noisy(kind, Pair("a", "b")).texts)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_probability_that_cannot_be_is_refused(value):
    with pytest.raises(ValueError, match=r"noise.capitals \(.*\) must be from 0 to 1"):
        Noise(capitals=value)


def test_keys_may_be_of_any_integer_kind():
    assert noisy("copied", key=int(np.uint64(7))) == noisy("copied", key=7)
