"""What command-line flags do to a checkpoint's search."""

import pytest

from mt.search.beam import Beam, adjusted
from mt.search.greedy import Greedy
from mt.search.sampling import Sampling


def test_nothing_asked_changes_nothing():
    search = Beam(size=7, length_penalty=1.3, no_repeat_ngram=4)
    assert adjusted(search) == search


def test_only_what_is_asked_changes():
    search = Beam(size=7, length_penalty=1.3, no_repeat_ngram=4)
    assert adjusted(search, beam_size=3, n_best=2) == Beam(size=3, n_best=2, length_penalty=1.3, no_repeat_ngram=4)
    assert adjusted(search, length_penalty=0.0) == Beam(size=7, length_penalty=0.0, no_repeat_ngram=4)
    assert adjusted(Greedy(), length_penalty=0.5) == Greedy(length_penalty=0.5)
    assert adjusted(Sampling(top_k=4), n_best=3) == Sampling(top_k=4, n_best=3)


def test_a_beam_size_makes_a_beam_of_any_method():
    assert adjusted(Greedy(min_length=2), beam_size=4) == Beam(size=4, min_length=2, length_penalty=0.0)


def test_more_hypotheses_than_the_beam_holds_are_refused():
    with pytest.raises(ValueError, match=r"n_best \(9\) must be at most size \(5\)"):
        adjusted(Beam(size=5), n_best=9)
