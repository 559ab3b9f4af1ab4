from functools import partial

import pytest
import torch

from mt.attention.contract import CausalMixer
from mt.attention.dense import Dense
from mt.attention.gated import Gated
from mt.attention.low_rank import LowRank
from mt.attention.mask import causal_mask
from mt.attention.rectified import Rectified
from mt.attention.ssru import Ssru
from mt.model.gated_unit import GatedUnit, is_weights_alone
from mt.model.layer import LayerSettings
from tests.attention.table import VARIANTS

B, T, D, E, K = 3, 7, 10, 30, 6


def unit(mixer, *, expansion=3, shared_size=K, **layer):
    torch.manual_seed(0)
    settings = LayerSettings(dim=D, num_heads=2, num_kv_heads=2, feed_forward_dim=8, **layer)
    return GatedUnit(
        settings,
        mixer,
        role=CausalMixer,
        slot="decoder.self_attention",
        expansion=expansion,
        shared_size=shared_size,
    )


def states():
    torch.manual_seed(1)
    return torch.randn(B, T, D)


def test_a_gated_unit_is_its_formula():
    one, x = unit(partial(Rectified, power=2)).eval(), states()
    with torch.no_grad():
        one.scales_2K.uniform_(0.5, 1), one.offsets_2K.uniform_(0.5, 1)  # so that most scores are above zero
    silu = torch.nn.functional.silu
    z = silu(one.shared(x))
    q, k = (z * one.scales_2K[i] + one.offsets_2K[i] for i in (0, 1))
    squares = (q @ k.transpose(1, 2) * K**-0.5).relu() ** 2
    assert (squares.sum(-1) > 0).all()
    mixed = squares / squares.sum(-1, keepdim=True) @ silu(one.value(x))
    assert mixed.shape == (B, T, E)
    torch.testing.assert_close(one.attend(x, None), one.output(silu(one.gate(x)) * mixed))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_that_is_its_weights_alone_gives_those_of_a_unit(variant):
    mixer = VARIANTS[variant](1, K)
    if not isinstance(mixer, CausalMixer) or not is_weights_alone(mixer):
        rule = "be attention for decoder self-attention|have no gate or activation"
        with pytest.raises(ValueError, match=rf"decoder\.self_attention \(\w+\) must ({rule})"):
            unit(VARIANTS[variant])
        return
    one, x = unit(VARIANTS[variant]).eval(), states()
    at_once = one.attend(x, causal_mask(T, 0, x.device))
    past, found, start = one.start(), [], 0
    for size in (3, 1, 3):
        now, past = one.extend(x[:, start : start + size], past, start)
        found.append(now)
        start += size
    torch.testing.assert_close(torch.cat(found, dim=1), at_once)


def test_variants_that_do_more_than_weigh_are_known():
    for factory, expected in ((Dense, True), (Gated, False), (Ssru, False), (LowRank, True)):
        assert is_weights_alone(factory(1, K)) == expected


@pytest.mark.parametrize(
    "dropped", [{"activation_dropout": 0.3}, *({"attention_dropout_of": name} for name in ("weights", "keys", "heads"))]
)
def test_a_unit_drops_in_training_alone_and_keeps_the_expectation(dropped):
    rate = {} if "activation_dropout" in dropped else {"attention_dropout": 0.3}
    one, num_copies = unit(Dense, **dropped, **rate), 6000
    with torch.no_grad():
        expected = unit(Dense).eval().attend(states()[:1], None)
        assert one.eval().attend(states()[:1], None).equal(expected)
        found = one.train().attend(states()[:1].repeat(num_copies, 1, 1), None)
    error, spread = found.mean(0) - expected[0], found.std(0)
    assert (spread > 0).all() and (error.abs() < 5 * spread / num_copies**0.5).all()
    assert error.norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("setting", ["expansion", "shared_size"])
def test_sizes_below_one_are_refused(setting):
    with pytest.raises(ValueError, match=rf"{setting} \(0\) must be at least 1"):
        unit(Dense, **{setting: 0})
