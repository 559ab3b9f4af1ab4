"""Several corpora as one: names, tags, and links that stay right behind a tag."""

import pytest

from mt.data.pair import Fault, Pair
from mt.data.sources import Source, Sources, sources_of, tags_of, with_tag, without_tag

PAIRS = [Pair("A dog.", "Ein Hund.", "0-0 1?1"), Pair("A cat.", "Eine Katze.")]


class Listed:
    """Pairs given one by one."""

    def __init__(self, pairs, name="x"):
        self.pairs, self.name = pairs, name

    def __iter__(self):
        return iter(self.pairs)

    def fingerprint(self):
        return self.name


def test_a_source_puts_its_tag_before_each_sentence_and_moves_the_links():
    assert list(Source(corpus=Listed(PAIRS), tag="<2de>")) == [
        Pair("<2de> A dog.", "Ein Hund.", "1-0 2?1"),
        Pair("<2de> A cat.", "Eine Katze."),
    ]
    assert list(Source(corpus=Listed(PAIRS))) == PAIRS


def test_links_of_many_digits_move_by_one():
    assert with_tag(Pair("a", "b", "9-10 99?100"), "<t>").links == "10-10 100?100"
    assert with_tag(Pair("a", "b", ""), "<t>").links == ""


def test_heads_move_by_one_roots_stay_and_the_tag_is_one():
    assert with_tag(Pair("a", "b", tree="2 0 10 9"), "<t>").tree == "0 3 0 11 10"
    assert with_tag(Pair("a", "b"), "<t>").tree is None


def test_a_fault_stays_with_its_pair():
    fault = Fault("not UTF-8", "at line 1")
    (pair,) = Source(corpus=Listed([Pair("a", "b", fault=fault)]), tag="<2de>")
    assert pair.fault == fault


def test_sources_come_one_after_the_other_under_their_names():
    sources = Sources(real=Listed(PAIRS[:1]), made=Source(corpus=Listed(PAIRS[1:]), tag="<bt>"))
    assert [pair.source for pair in sources] == ["A dog.", "<bt> A cat."]
    assert list(sources_of(sources)) == ["real", "made"]
    assert list(sources_of(Listed(PAIRS))) == ["train"]
    assert tags_of(sources, Source(corpus=Listed([]), tag="<2de>"), Listed([])) == ["<bt>", "<2de>"]


def test_a_tag_can_be_taken_away_again():
    assert without_tag("<2de> A dog.", ["<bt>", "<2de>"]) == "A dog."
    assert without_tag("<2de>A dog.", ["<2de>"]) == "<2de>A dog."


@pytest.mark.parametrize("tag", ["2de", "<2 de>", "<>", "", "<a><b>"])
def test_a_tag_must_look_like_one(tag):
    with pytest.raises(ValueError, match=r"tag \(.*\) must look like <2de>"):
        Source(corpus=Listed(PAIRS), tag=tag)


def test_names_are_checked():
    with pytest.raises(ValueError, match=r"a name \(my corpus\) must be letters"):
        Sources(**{"my corpus": Listed(PAIRS)})
    with pytest.raises(ValueError, match=r"sources: web \(a file\) must be a corpus"):
        Sources(web="a file")
    with pytest.raises(ValueError, match="at least one is needed"):
        Sources()


def test_fingerprint_changes_with_tags_names_and_corpora():
    made = [
        Sources(a=Listed(PAIRS)),
        Sources(b=Listed(PAIRS)),
        Sources(a=Listed(PAIRS, "y")),
        Sources(a=Source(corpus=Listed(PAIRS), tag="<2de>")),
        Sources(a=Source(corpus=Listed(PAIRS), target_language="fr")),
        Sources(a=Listed(PAIRS), b=Listed(PAIRS)),
    ]
    assert len({sources.fingerprint() for sources in made}) == len(made)
    assert Sources(a=Listed(PAIRS)).fingerprint() == made[0].fingerprint()
