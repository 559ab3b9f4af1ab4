import pytest
import torch

from mt.attention.rotary import Rotary


def test_scores_depend_on_distance_only():
    torch.manual_seed(0)
    rotary, q, k = Rotary(8), torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    score = lambda at_q, at_k: (rotary(q, at_q) * rotary(k, at_k)).sum()  # noqa: E731
    torch.testing.assert_close(score(5, 2), score(103, 100), rtol=1e-4, atol=1e-5)
    assert not torch.isclose(score(5, 2), score(5, 3))


def test_turning_keeps_lengths_and_position_zero():
    x = torch.randn(2, 3, 4, 6)
    rotary = Rotary(6)
    torch.testing.assert_close(rotary(x, 11).norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotary(x, 0)[:, :, :1], x[:, :, :1])


def test_later_positions_equal_a_slice_of_all():
    x = torch.randn(2, 3, 7, 6)
    rotary = Rotary(6)
    torch.testing.assert_close(rotary(x, 0)[:, :, 4:], rotary(x[:, :, 4:], 4))


def test_an_odd_head_size_is_refused():
    with pytest.raises(ValueError, match=r"head size \(5\) must be even"):
        Rotary(5)
