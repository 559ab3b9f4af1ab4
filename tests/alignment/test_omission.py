import numpy as np
import pytest

from mt.alignment.alignment import RawAttention
from mt.alignment.omission import LEFT_OVER, UNREAD, is_omitted, left_over

# L layers, H heads, T target pieces, S source pieces

SOURCE = ["▁a", "▁red", "dish", "▁house", ".", "</s>"]
TARGET = ["▁ein", "▁Haus", ".", "</s>"]


def attention(last_LHS, others=0.125):
    """The steps before the last look at every column alike; padding follows on both axes."""
    weights_LHTS = np.full((*last_LHS.shape[:2], len(TARGET) + 2, len(SOURCE) + 1), others)
    weights_LHTS[:, :, len(TARGET) - 1, : len(SOURCE)] = last_LHS
    return RawAttention(weights_LHTS, SOURCE, TARGET)


def test_a_word_has_what_its_pieces_have_beyond_any_step_before_and_signs_count_for_nothing():
    raw = attention(np.array([[[0.0, 0.25, 0.5, 0.125, 0.125, 0.0]]]))
    assert left_over(raw) == pytest.approx([0.0, 0.75 - 2 * 0.125, 0.0])
    raw.weights_LHTS[:, :, 1, 1] = 0.375
    assert left_over(raw) == pytest.approx([0.0, 0.75 - 0.125 - 0.375, 0.0])


def test_it_is_read_in_the_mean_of_all_layers_and_heads():
    last_LHS = np.random.default_rng(1).dirichlet(np.ones(len(SOURCE)), size=(2, 3))
    mean = last_LHS.mean(axis=(0, 1), keepdims=True)
    assert left_over(attention(last_LHS), "a reddish house.") == pytest.approx(left_over(attention(mean)))


def test_an_empty_translation_leaves_out_what_its_one_step_looks_at():
    raw = RawAttention(np.array([[[[0.1, 0.2, 0.3, 0.2, 0.1, 0.1]]]]), SOURCE, ["</s>"])
    assert left_over(raw) == pytest.approx([0.1, 0.5, 0.2])


def test_what_is_unread_and_not_common_or_left_over_is_omitted():
    read_S = np.array([UNREAD - 0.01, UNREAD - 0.01, 1.0, 1.0])
    left_S = np.array([0.0, 0.0, LEFT_OVER, LEFT_OVER - 0.01])
    is_common_S = np.array([True, False, True, False])
    assert is_omitted(read_S, left_S, is_common_S).tolist() == [False, True, True, False]
