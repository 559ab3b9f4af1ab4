"""Which rows and columns an alignment keeps, and what it says about the rest."""

import numpy as np
import pytest

from mt.alignment.alignment import Alignment, RawAttention, without_specials

L, H = 2, 3
SOURCE = ["▁a", "▁b", "▁c", "</s>"]
TARGET = ["▁x", "▁y", "</s>"]


def raw(rows_TS=None):
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=(L, H, 3)).astype(np.float32)
    if rows_TS is not None:
        weights[:] = np.asarray(rows_TS)
    return RawAttention(weights, SOURCE, TARGET)


ROWS = [[0.5, 0.2, 0.1, 0.2], [0.1, 0.3, 0.2, 0.4], [0.2, 0.2, 0.2, 0.4]]


@pytest.mark.parametrize(
    ("shift", "expected", "sink"),
    [
        (0, [[0.5 / 0.8, 0.2 / 0.8, 0.1 / 0.8], [0.1 / 0.6, 0.3 / 0.6, 0.2 / 0.6]], 0.3),
        (1, [[0.1 / 0.6, 0.3 / 0.6, 0.2 / 0.6], [1 / 3, 1 / 3, 1 / 3]], 0.4),
    ],
)
def test_shift_picks_the_row_that_gives_a_piece_or_the_one_that_reads_it(shift, expected, sink):
    alignment = Alignment.from_attention(raw(ROWS), layer=0, shift=shift)
    np.testing.assert_allclose(alignment.weights_TS, expected, atol=1e-6)
    assert alignment.sink_mass == pytest.approx(sink, abs=1e-6)
    assert alignment.source_pieces == ["▁a", "▁b", "▁c"]
    assert alignment.target_pieces == ["▁x", "▁y"]


def test_heads_are_averaged_before_renormalising():
    weights = np.zeros((1, 2, 2, 3))
    weights[0, 0] = [0.9, 0.1, 0.0]  # a head that aligns
    weights[0, 1] = [0.0, 0.1, 0.9]  # a head that rests on </s>
    one = RawAttention(weights, ["a", "b", "</s>"], ["x", "</s>"])
    both = Alignment.from_attention(one, layer=0, shift=0)
    np.testing.assert_allclose(both.weights_TS, [[0.45 / 0.55, 0.1 / 0.55]])
    assert both.heads == (0, 1)
    assert Alignment.from_attention(one, layer=0, heads=[1], shift=0).sink_mass == pytest.approx(0.9)


def test_layer_and_heads_change_the_result_and_are_named():
    one = raw()
    seen = {
        Alignment.from_attention(one, layer=layer, heads=heads, shift=shift).weights_TS.tobytes()
        for layer in range(L)
        for heads in (None, (0,), (1,), (2,), (0, 2))
        for shift in (0, 1)
    }
    assert len(seen) == 2 * 5 * 2
    alignment = Alignment.from_attention(one, layer=1, heads=[2, 0], shift=0, direction="en-de")
    assert (alignment.layer, alignment.heads, alignment.shift) == (1, (2, 0), 0)
    assert alignment.to_json()["direction"] == "en-de"


def test_padding_changes_nothing():
    plain = raw()
    padded = np.zeros((L, H, 5, 9), dtype=np.float32)
    padded[:, :, :3, :4] = plain.weights_LHTS
    padded[:, :, 3:] = 0.1  # what a padded row holds is no matter
    for pieces in ((SOURCE, TARGET), ([*SOURCE, "<pad>", "<pad>"], [*TARGET, "<pad>"])):
        other = Alignment.from_attention(RawAttention(padded, *pieces), layer=1)
        same = Alignment.from_attention(plain, layer=1)
        np.testing.assert_array_equal(other.weights_TS, same.weights_TS)
        assert other.sink_mass == pytest.approx(same.sink_mass)


def test_rows_sum_to_one_and_leading_axes_are_free():
    one = raw()
    weights_LHTS, sink_LH = without_specials(one.weights_LHTS, SOURCE, TARGET, shift=1)
    np.testing.assert_allclose(weights_LHTS.sum(axis=-1), 1)
    alone = Alignment.from_attention(one, layer=1, heads=[2])
    np.testing.assert_allclose(weights_LHTS[1, 2], alone.weights_TS)
    assert sink_LH[1, 2] == pytest.approx(alone.sink_mass)


def test_a_row_that_lies_on_the_sink_alone_stays_zero():
    alignment = Alignment.from_attention(raw([[0, 0, 0, 1]] * 3), layer=0)
    assert not alignment.weights_TS.any()
    assert alignment.sink_mass == 1


@pytest.mark.parametrize(
    ("source", "target", "shape"),
    [(["</s>"], ["x", "</s>"], (1, 0)), (["a", "</s>"], ["</s>"], (0, 1)), (["</s>"], ["</s>"], (0, 0))],
)
def test_empty_sides(source, target, shape):
    one = RawAttention(np.full((1, 1, len(target), len(source)), 1 / len(source)), source, target)
    alignment = Alignment.from_attention(one, layer=0)
    assert alignment.weights_TS.shape == shape
    assert alignment.sink_mass == pytest.approx(1 if shape == (1, 0) else 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layer": 2}, r"layer \(2\) must be from 0 to 1"),
        ({"layer": -1}, r"layer \(-1\)"),
        ({"layer": 0, "heads": [3]}, r"head \(3\) must be from 0 to 2"),
        ({"layer": 0, "heads": []}, "one head"),
        ({"layer": 0, "heads": [1, 1]}, "differ"),
        ({"layer": 0, "shift": 2}, r"shift \(2\)"),
    ],
)
def test_what_is_not_there_is_named_with_its_range(wrong, message):
    with pytest.raises(ValueError, match=message):
        Alignment.from_attention(raw(), **wrong)


def test_attention_without_the_last_row_has_no_shift_1():
    one = raw()
    cut = RawAttention(one.weights_LHTS[:, :, :2], SOURCE, TARGET)
    assert Alignment.from_attention(cut, layer=0, shift=0).weights_TS.shape == (2, 3)
    with pytest.raises(ValueError, match="too small"):
        Alignment.from_attention(cut, layer=0, shift=1)


def test_json_rounds_to_four_decimals():
    values = Alignment.from_attention(raw(ROWS), layer=0, shift=0, direction="en-de").to_json()
    assert values == {
        "direction": "en-de",
        "layer": 0,
        "heads": [0, 1, 2],
        "shift": 0,
        "signal": "weights",
        "unit": "pieces",
        "sink_mass": 0.3,
        "source": ["▁a", "▁b", "▁c"],
        "target": ["▁x", "▁y"],
        "weights": [[0.625, 0.25, 0.125], [0.1667, 0.5, 0.3333]],
    }
