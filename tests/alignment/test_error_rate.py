"""Alignment error rate, by hand and on published outputs."""

import pytest

from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import from_pharaoh
from tests.alignment.made_up import error_rate
from tests.corpora import CORPORA

OUTPUTS = CORPORA / "align-en-fr" / "reference-outputs"


def test_by_hand():
    gold = from_pharaoh("0-0 1-1 2?2 2?3")  # 2 sure, 4 possible
    rate = ErrorRate.of(from_pharaoh("0-0 2-2 3-3").sure, gold)
    assert (rate.num_links, rate.num_sure, rate.num_in_sure, rate.num_in_possible) == (3, 2, 1, 2)
    assert rate.precision == pytest.approx(2 / 3)
    assert rate.recall == pytest.approx(1 / 2)
    assert rate.f1 == pytest.approx(4 / 7)
    assert rate.aer == pytest.approx(1 - 3 / 5)
    assert str(rate) == "AER 40.00  precision 66.67  recall 50.00  F1 57.14  (3 links, 2 sure)"


def test_counts_are_summed_before_dividing():
    links = [{(0, 0)}, {(0, 0), (1, 0), (2, 0)}]
    gold = [from_pharaoh("0-0"), from_pharaoh("5-5")]
    rate = error_rate(links, gold)
    assert rate.precision == 1 / 4  # the mean of the sentences would be 1 / 2
    assert rate.aer == pytest.approx(1 - 2 / 6)


def test_perfect_and_all_wrong():
    gold = from_pharaoh("0-0 1?1")
    assert ErrorRate.of({(0, 0)}, gold).aer == 0
    assert ErrorRate.of({(0, 0), (1, 1)}, gold).aer == 0  # possible links cost nothing
    assert ErrorRate.of({(0, 1)}, gold).aer == 1


@pytest.mark.parametrize(
    ("links", "gold", "expected"),
    [
        (set(), "", (0, 1, 1, 1)),
        (set(), "0-0", (1, 1, 0, 0)),
        ({(0, 0)}, "", (1, 0, 1, 0)),
        ({(0, 0)}, "1-1", (1, 0, 0, 0)),
    ],
)
def test_nothing_to_nothing_counts_as_one(links, gold, expected):
    rate = ErrorRate.of(links, from_pharaoh(gold))
    assert (rate.aer, rate.precision, rate.recall, rate.f1) == expected


@pytest.mark.skipif(not OUTPUTS.is_dir(), reason="needs the align-en-fr corpus (MT_CORPORA)")
@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("fastalign", 15.65),
        ("fastalign.grow-diagonal", 9.52),
        ("fastalign.grow-diagonal-final", 11.28),
        ("giza", 7.86),
        ("giza.grow-diagonal", 5.84),
        ("giza.grow-diagonal-final", 6.15),
    ],
)
def test_published_outputs_have_their_published_error_rate(system, expected):
    gold = [from_pharaoh(line) for line in (OUTPUTS.parent / "test-odd.wa").read_text().splitlines()]
    links = [from_pharaoh(line).sure for line in (OUTPUTS / f"{system}.test-odd.wa").read_text().splitlines()]
    assert round(100 * error_rate(links, gold).aer, 2) == expected
