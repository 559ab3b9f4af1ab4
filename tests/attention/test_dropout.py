import pytest
import torch

from mt.attention.dropout import Dropout, byte_mask


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_training_drops_that_share_and_keeps_the_expectation(rate):
    torch.manual_seed(0)
    out = Dropout(rate).train()(torch.ones(400, 1000))
    assert abs((out == 0).float().mean() - rate) < 0.004
    assert abs(out.mean() - 1.0) < 0.005
    assert out.unique().numel() == 2


def test_every_byte_of_a_word_is_unbiased():
    torch.manual_seed(0)
    lanes = (byte_mask(torch.Size([80_000]), 0.5, torch.float32) == 0).view(-1, 8).float().mean(0)
    assert (lanes - 0.5).abs().max() < 0.02


def test_evaluation_and_rate_zero_change_nothing():
    x = torch.randn(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_gradient_flows_through_what_was_kept_only():
    torch.manual_seed(0)
    x = torch.ones(1000, requires_grad=True)
    out = Dropout(0.25).train()(x)
    out.sum().backward()
    assert x.grad.equal(out.detach())


def test_the_same_seed_drops_the_same_values():
    drop, x = Dropout(0.3).train(), torch.ones(7, 9)
    torch.manual_seed(3)
    first = drop(x)
    torch.manual_seed(3)
    assert drop(x).equal(first)
    assert not drop(x).equal(first)


def test_a_rate_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"dropout \(1.0\) must be at least 0 and below 1"):
        Dropout(1.0)
