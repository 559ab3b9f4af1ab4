"""From weights to links, and links as text."""

import numpy as np
import pytest

from mt.alignment.links import (
    Gold,
    argmax_links,
    check_gold,
    from_pharaoh,
    link_rule,
    mutual_links,
    threshold_links,
    to_pharaoh,
)

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


def test_sure_links_are_possible_too():
    gold = from_pharaoh("0-0 1?2  1-3\n")
    assert gold == Gold(frozenset({(0, 0), (1, 3)}), frozenset({(0, 0), (1, 2), (1, 3)}))
    assert gold.reversed() == Gold(frozenset({(0, 0), (3, 1)}), frozenset({(0, 0), (2, 1), (3, 1)}))
    assert from_pharaoh("") == Gold(frozenset(), frozenset())
    assert from_pharaoh(to_pharaoh({(3, 1)})).sure == {(3, 1)}


@pytest.mark.parametrize("entry", ["1", "1-", "a-b", "1:2", "-1-2", "1-2-3"])
def test_what_is_no_link_is_quoted(entry):
    with pytest.raises(ValueError, match="must be i-j"):
        from_pharaoh(f"0-0 {entry}")


def test_links_outside_the_pair_are_refused():
    check_gold(from_pharaoh("1-2 0?0"), 2, 3)
    for line in ("2-0", "0?3"):
        with pytest.raises(ValueError, match="2 source and 3 target words"):
            check_gold(from_pharaoh(line), 2, 3)
