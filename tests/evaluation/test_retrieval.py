"""Scores of retrieval, by hand: three queries over four things."""

import pytest

from mt.evaluation.retrieval import retrieval_scores

RANKINGS = [[0, 1, 2, 3], [3, 0, 1, 2], [1, 0, 3, 2]]
OWN = [1, 1, 2]
TRUE = [{0, 1}, {1}, {2}]


def test_any_true_thing_counts_and_the_own_one_beside_its_ceiling():
    found = retrieval_scores(RANKINGS, OWN, TRUE)
    assert found["r@1"] == pytest.approx(100 / 3)  # the first query: thing 0 is true, though not its own
    assert found["plain_r@1"] == 0 and found["plain_ceiling@1"] == pytest.approx(100 * (0.5 + 1 + 1) / 3)
    assert found["r@5"] == found["plain_r@5"] == found["plain_ceiling@5"] == 100
    assert found["median_rank"] == 3  # of 1, 3 and 4
    assert found["map@r"] == pytest.approx(100 * (1 + 0 + 0) / 3)


def test_precision_counts_true_things_among_as_many_as_there_are():
    found = retrieval_scores([[2, 0, 1]], [0], [{0, 1}])
    assert found["map@r"] == pytest.approx(100 * (1 / 2) / 2)


@pytest.mark.parametrize(
    ("rankings", "own", "true", "message"),
    [([], [], [], "at least 1"), ([[0]], [0, 1], [{0}], "must be as many"), ([[0]], [0], [{1}], "query 1: its own")],
)
def test_what_cannot_be_scored_is_refused(rankings, own, true, message):
    with pytest.raises(ValueError, match=message):
        retrieval_scores(rankings, own, true)
