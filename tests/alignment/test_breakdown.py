"""Error rates in parts: the parts add up to the whole, each sentence is in the one that it belongs to."""

import numpy as np
import pytest

from mt.alignment.breakdown import Breakdown, length_bucket
from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import from_pharaoh


@pytest.mark.parametrize(
    ("words", "bucket"),
    [(1, "1-10"), (10, "1-10"), (11, "11-20"), (20, "11-20"), (21, "21-30"), (30, "21-30"), (31, "31+"), (99, "31+")],
)
def test_buckets(words, bucket):
    assert length_bucket(words) == bucket


def test_parts_add_up_to_the_whole():
    rng = np.random.default_rng(0)
    errors, counts = Breakdown(), [4, 35, 9, 22, 5, 31]
    for num_words in counts:
        links, backward = ({(int(s), int(t)) for s, t in rng.integers(0, num_words, (5, 2))} for _ in range(2))
        gold = from_pharaoh(" ".join(f"{word}-{word}" for word in range(num_words)))
        errors.add(links, gold, num_words, {"forward": links, "backward": backward})
    assert {label: part.num_sentences for label, part in errors.by_length.items()} == {"1-10": 3, "21-30": 1, "31+": 2}
    assert sum((part.rate for part in errors.by_length.values()), ErrorRate()) == errors.total.rate
    assert errors.by_direction["forward"] == errors.total != errors.by_direction["backward"]
    assert list(errors.to_json()["by_length"]) == ["1-10", "21-30", "31+"]  # in order, the empty one left out


def test_blank_lines_are_in_no_bucket():
    errors = Breakdown()
    errors.add(set(), from_pharaoh(""), 0)
    assert errors.to_json() == {"aer": 0.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert str(errors) == "AER 0.00  precision 100.00  recall 100.00  F1 100.00  (0 links, 0 sure)"
