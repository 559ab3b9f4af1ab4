import pytest

from mt.training.schedule import Cosine, InverseSqrt


@pytest.mark.parametrize("schedule", [InverseSqrt, Cosine])
def test_the_rate_rises_linearly_to_its_peak(schedule):
    rate = schedule(peak=2.0, warmup_steps=100)
    assert rate(50, 0.0) == pytest.approx(1.0)
    assert rate(100, 0.0) == pytest.approx(2.0)


def test_inverse_sqrt_halves_when_the_steps_are_fourfold():
    rate = InverseSqrt(peak=2.0, warmup_steps=100)
    assert rate(400, 0.5) == pytest.approx(1.0)
    assert rate(1600, 1.0) == pytest.approx(0.5)


def test_cooldown_lands_at_zero_and_starts_where_it_says():
    rate = InverseSqrt(peak=2.0, warmup_steps=100, cooldown=0.25)
    assert rate(400, 0.75) == pytest.approx(1.0)
    assert rate(400, 0.875) == pytest.approx(0.5)
    assert rate(400, 1.0) == 0.0


def test_cosine_is_half_way_in_the_middle_and_ends_at_its_floor():
    assert Cosine(peak=2.0, warmup_steps=10)(500, 0.5) == pytest.approx(1.0)
    assert Cosine(peak=2.0, warmup_steps=10, floor=0.1)(500, 1.0) == pytest.approx(0.2)


def test_no_warmup_starts_at_the_peak():
    assert Cosine(peak=1.0, warmup_steps=0)(1, 0.0) == pytest.approx(1.0)
    assert InverseSqrt(peak=1.0, warmup_steps=0)(1, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"peak": 0.0, "warmup_steps": 1}, r"schedule.peak \(0.0\) must be above 0"),
        ({"peak": 1.0, "warmup_steps": -1}, r"schedule.warmup_steps \(-1\) must be 0 or more"),
        ({"peak": 1.0, "warmup_steps": 1, "cooldown": 2.0}, r"schedule.cooldown \(2.0\) must be between 0 and 1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        InverseSqrt(**settings)
