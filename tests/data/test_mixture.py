"""What share of the training pairs comes from which source."""

import pytest

from mt.data.mixture import Mixture

SIZES = {"large": 900, "small": 100}


@pytest.mark.parametrize(
    ("mixture", "expected"),
    [
        (Mixture(), {"large": 900, "small": 100}),
        (Mixture(weights={"small": 9.0}), {"large": 500, "small": 500}),
        (Mixture(temperature=2.0), {"large": 750, "small": 250}),  # square roots: 30 to 10
        (Mixture(temperature=1e9), {"large": 500, "small": 500}),
        (Mixture(temperature=1e9, weights={"large": 3.0}), {"large": 750, "small": 250}),
        (Mixture(weights={"large": 0.0}), {"small": 100}),
    ],
    ids=["by-size", "weight", "temperature-2", "all-alike", "shares", "left-out"],
)
def test_an_epoch_draws_by_weight_and_size(mixture, expected):
    assert mixture.draws(0, SIZES) == expected


def test_every_source_in_use_is_drawn_at_least_once_and_empty_ones_never():
    assert Mixture().draws(0, {"a": 10**7, "b": 0, "c": 1}) == {"a": 10**7, "c": 1}
    assert Mixture(weights={"c": 1e-9}).draws(0, {"a": 1000, "c": 5})["c"] == 1


def test_stages_begin_at_their_step():
    mixture = Mixture(schedule={9: {"large": 0.0}, 5: {"small": 0.0}})
    assert [mixture.stage(step) for step in (0, 4, 5, 8, 9, 100)] == [0, 0, 1, 1, 2, 2]
    assert mixture.draws(1, SIZES) == {"large": 900} and mixture.draws(2, SIZES) == {"small": 100}
    assert not mixture.is_plain and Mixture(weights={"large": 1.0}).is_plain


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(temperature=0.5), r"mixture.temperature \(0.5\) must be at least 1"),
        (lambda: Mixture(weights={"a": -1.0}), r"weight of a \(-1.0\) must be from 0 to"),
        (lambda: Mixture(schedule={0: {}}), "a stage begins after 1 update or more, not after 0"),
        (lambda: Mixture(schedule={3: {"a": -2.0}}), r"weight of a \(-2.0\) must be from 0 to"),
        (lambda: Mixture(weights={"smal": 2.0}).check(list(SIZES)), r"no source smal, .*; did you mean small\?"),
        (lambda: Mixture(weights={"large": 0.0}).draws(0, {"large": 5}), "every source that has pairs has weight 0"),
    ],
    ids=lambda value: "" if callable(value) else value[:30],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
