from functools import partial

import pytest
import torch

from mt.attention.average import Average
from mt.attention.chunked import Chunked
from mt.attention.contract import CausalMixer, MemoryMixer
from mt.attention.dense import Dense
from mt.attention.dropout import DROPPED, Dropout, WholeDropout
from mt.attention.linear import Linear
from mt.attention.multi_head import MultiHead
from mt.kernels.dropout import byte_mask
from mt.model.layer import LayerSettings


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


B, H, G, T, S, K = 3, 4, 2, 7, 9, 5


def cross_attention(**rates):
    torch.manual_seed(0)
    return MultiHead(
        H * K,
        num_heads=H,
        num_kv_heads=G,
        mixer=partial(Dense, dropout=rates.get("weights", 0.0)),
        role=MemoryMixer,
        slot="decoder.cross_attention",
        key_dropout=rates.get("keys", 0.0),
        head_dropout=rates.get("heads", 0.0),
    )


def read(attention, num_copies=1):
    torch.manual_seed(1)
    x_BTD, memory_BSD = torch.randn(1, T, H * K), torch.randn(1, S, H * K)
    with torch.no_grad():
        summary = attention.summarize(memory_BSD.repeat(num_copies, 1, 1), None)
        return attention.read(x_BTD.repeat(num_copies, 1, 1), summary)


@pytest.mark.parametrize("dropped", DROPPED)
def test_attention_is_kept_in_expectation_whatever_is_dropped_and_whole_without_training(dropped):
    attention, expected = cross_attention(**{dropped: 0.3}), read(cross_attention().eval())
    assert read(attention.eval()).equal(expected)
    found = read(attention.train(), 4000)
    error, spread = found.mean(0) - expected[0], found.std(0)
    assert (spread > 0).all() and (error.abs() < 5 * spread / 4000**0.5).all()
    assert error.norm() < 0.04 * expected.norm()


def test_what_is_dropped_whole_is_dropped_for_all_of_it():
    torch.manual_seed(2)
    x_BHTK = torch.ones(B, H, T, K)
    for dims, num_parts in ((1, B * H * T), (2, B * H)):
        found = WholeDropout(0.5, dims=dims)(x_BHTK).flatten(-dims).flatten(0, -2)
        assert found.shape[0] == num_parts and (found == found[:, :1]).all()
        assert set(found.unique().tolist()) == {0.0, 2.0}


def test_a_dropped_key_brings_nothing_to_any_query_and_a_dropped_head_nothing_at_all():
    attention = cross_attention(keys=0.4).train()
    summary = attention.summarize(torch.randn(B, S, H * K), None)
    assert 0 < (summary.v_NGSK == 0).all(-1).sum() == (summary.v_NGSK == 0).any(-1).sum() < B * G * S
    attention = cross_attention(heads=0.4).train()
    attention.output = torch.nn.Identity()
    heads_BTHK = read(attention, B).unflatten(-1, (H, K))
    is_zero_BH = (heads_BTHK == 0).all(-1).all(1)
    assert 0 < is_zero_BH.sum() < B * H and ((heads_BTHK == 0).any(-1).any(1) == is_zero_BH).all()


@pytest.mark.parametrize("mixer", [Average, Chunked, Linear])
def test_a_mixer_without_weights_drops_keys_and_heads_alone(mixer):
    def make(dropped):
        sizes = {"dim": 8, "num_heads": 2, "num_kv_heads": 2, "feed_forward_dim": 8}
        settings = LayerSettings(**sizes, attention_dropout=0.1, attention_dropout_of=dropped)
        return settings.make_attention(mixer, CausalMixer, "decoder.self_attention")

    with pytest.raises(ValueError, match=r"attention_dropout \(0.1\) must be 0, or of keys or heads: .* has no"):
        make("weights")
    assert (make("keys").key_dropout.rate, make("heads").head_dropout.rate) == (0.1, 0.1)
