"""From weights to links, and links as text."""

import numpy as np
import pytest

from mt.alignment.links import argmax_links, link_rule, mutual_links, threshold_links, to_pharaoh

WEIGHTS_TS = np.array([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.2, 0.4, 0.4], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        (argmax_links(WEIGHTS_TS), {(0, 0), (0, 1), (1, 2)}),  # the first of equals; none for a row of zeros
        (mutual_links(WEIGHTS_TS), {(0, 0), (1, 2)}),
        (threshold_links(WEIGHTS_TS, 0.4), {(0, 0), (0, 1), (2, 1), (1, 2), (2, 2)}),
        (link_rule("argmax")(WEIGHTS_TS), {(0, 0), (0, 1), (1, 2)}),
        (link_rule("mutual")(WEIGHTS_TS), {(0, 0), (1, 2)}),
        (link_rule("threshold", 0.6)(WEIGHTS_TS), {(0, 0)}),
    ],
)
def test_methods(links, expected):
    assert links == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("method", ["argmax", "threshold", "mutual"])
def test_nothing_links_to_nothing(method, shape):
    assert link_rule(method)(np.zeros(shape)) == set()


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match=r"method \(max\)"):
        link_rule("max")
    with pytest.raises(ValueError, match=r"threshold \(0\)"):
        link_rule("threshold", 0)


def test_pharaoh_is_sorted_by_source_then_target():
    assert to_pharaoh({(10, 0), (2, 3), (2, 1)}) == "2-1 2-3 10-0"
    assert to_pharaoh(set()) == ""
