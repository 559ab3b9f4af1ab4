"""Every attention variant is held to one contract; a new one is a line in VARIANTS of tests/attention/table.py."""

import re

import pytest
import torch

from mt.attention.average import Average
from mt.attention.contract import (
    CausalMixer,
    EncoderMixer,
    MemoryMixer,
    Mixer,
    gather_hypotheses,
    read_side_by_side,
    repeat_heads,
    scatter_hypotheses,
    weights_side_by_side,
)
from mt.attention.dense import Dense
from mt.attention.low_rank import LowRank
from mt.attention.mask import causal_mask, padding_mask
from mt.attention.multi_head import MultiHead
from mt.attention.ssru import Ssru
from mt.attention.window import Window
from tests.attention.table import VARIANTS, B, G, H, K, S, T, inputs, mask
from tests.variants import variants

pytestmark = pytest.mark.usefixtures("way")


def rows_of(name):
    """The rows of VARIANTS for a settings file: those of its name, or that begin with it ("linear", "linear elu")."""
    return [row for row in VARIANTS if re.split("[ ,]", row)[0] == name]


def without_row(factories):
    """The names of the factories that no row of VARIANTS holds to the contract."""
    return [
        name
        for name, factory in factories.items()
        if not any(type(VARIANTS[row](H, K)) is type(factory(H, K)) for row in rows_of(name))
    ]


def by_definition(mixer, q, k, v, mask):
    """gate * activation(weights @ v)"""
    if isinstance(mixer, Ssru) and mixer.per == "element":  # which is a head of size one for each element
        q, k, v = (repeat_heads(x, H).transpose(2, 3).flatten(1, 2)[..., None] for x in (q, k, v))
        mixer = Ssru(H * K, 1, per="head")
        return by_definition(mixer, q, k, v, mask).unflatten(1, (H, K)).squeeze(-1).transpose(2, 3)
    mixed = mixer.weights(q, k, mask) @ repeat_heads(v, q.shape[1])
    return mixer.gate(q, k, mask) * mixer.activation(mixed)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_attend_equals_weights_times_values(mixer, groups):
    q, k, v = inputs(groups=groups)
    torch.testing.assert_close(mixer.attend(q, k, v, mask()), by_definition(mixer, q, k, v, mask()))


def test_rows_of_weights_sum_to_one_and_give_padding_nothing(mixer):
    q, k, _ = inputs()
    weights = mixer.weights(q, k, mask())
    assert weights.shape == (B, H, T, S)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
    assert weights.masked_select(~mask().expand_as(weights)).abs().max() == 0


def test_padded_keys_have_no_effect(mixer):
    q, k, v = inputs()
    expected = mixer.attend(q, k, v, mask())
    k[0, :, 6:], v[0, :, 6:] = 1e4, -1e4
    torch.testing.assert_close(mixer.attend(q, k, v, mask()), expected)


def test_read_of_a_summary_equals_attend(memory_mixer):
    q, k, v = inputs()
    torch.testing.assert_close(
        memory_mixer.read(q, memory_mixer.summarize(k, v, mask())), memory_mixer.attend(q, k, v, mask())
    )
    torch.testing.assert_close(
        memory_mixer.read_weights(q, memory_mixer.summarize(k, v, mask())), memory_mixer.weights(q, k, mask())
    )


@pytest.mark.parametrize("width", [1, 2, 5])
def test_hypotheses_of_a_sentence_read_one_summary(memory_mixer, width):
    _, k, v = inputs()
    q = torch.randn(B * width, H, T, K)
    repeated = [x.repeat_interleave(width, dim=0) for x in (k, v, mask())]
    summary = memory_mixer.summarize(k, v, mask())
    torch.testing.assert_close(read_side_by_side(memory_mixer, q, summary), memory_mixer.attend(q, *repeated))
    weights = weights_side_by_side(memory_mixer, q, summary)
    torch.testing.assert_close(weights, memory_mixer.weights(q, repeated[0], repeated[2]))


@pytest.mark.parametrize("chunks", [[7], [1] * 7, [3, 1, 3]], ids=str)
def test_extend_in_chunks_equals_all_at_once_under_the_causal_mask(causal_mixer, chunks):
    q, k, v = inputs(num_keys=T)
    expected = by_definition(causal_mixer, q, k, v, causal_mask(T, 0, q.device))
    past, heads, start = causal_mixer.start(), [], 0
    for size in chunks:
        part = slice(start, start + size)
        now, past = causal_mixer.extend(q[:, :, part], k[:, :, part], v[:, :, part], past)
        heads.append(now)
        start += size
    torch.testing.assert_close(torch.cat(heads, dim=2), expected)


def test_rows_of_a_summary_commute_with_reading(memory_mixer):
    index = torch.tensor([2, 0, 2, 1])
    q, k, v = inputs()
    summary = memory_mixer.summarize(k, v, mask())
    torch.testing.assert_close(memory_mixer.read(q[index], summary.rows(index)), memory_mixer.read(q, summary)[index])
    torch.testing.assert_close(
        memory_mixer.read_weights(q[index], summary.rows(index)), memory_mixer.read_weights(q, summary)[index]
    )


def test_a_mask_for_all_sentences_is_that_of_each(memory_mixer):
    index = torch.tensor([2, 0, 2, 1])
    q, k, v = inputs()
    for_all = mask()[:1]
    summary = memory_mixer.summarize(k, v, for_all)
    of_each = memory_mixer.summarize(k, v, for_all.expand(B, -1, -1, -1))
    torch.testing.assert_close(memory_mixer.read(q, summary), memory_mixer.read(q, of_each))
    torch.testing.assert_close(memory_mixer.read(q[index], summary.rows(index)), memory_mixer.read(q, summary)[index])


def test_a_summary_for_other_keys_of_other_queries_is_refused(memory_mixer):
    _, k, v = inputs()
    with pytest.raises(ValueError, match=r"mask \(1 x 1 x 9 x 9\) must be B x 1 x 1 x S"):
        memory_mixer.summarize(k, v, causal_mask(S, 0, k.device))


def test_autocast_rounds_what_is_mixed_and_does_not_lose_it(causal_mixer):
    """However long the past is: a sum in bfloat16 stops growing after some hundred positions."""
    if not torch.is_grad_enabled():
        pytest.skip("it has a way of its own")
    torch.manual_seed(2)
    q, k, v = (torch.randn(1, heads, 800, K) for heads in (H, G, G))
    v = v + 1
    expected, _ = causal_mixer.extend(q, k, v, causal_mixer.start())
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        _, past = causal_mixer.extend(q[:, :, :400], k[:, :, :400], v[:, :, :400], causal_mixer.start())
        heads = []
        for part in torch.arange(400, 800).split(5):
            now, past = causal_mixer.extend(q[:, :, part], k[:, :, part], v[:, :, part], past)
            heads.append(now)
    difference = torch.cat(heads, dim=2).float() - expected[:, :, 400:]
    assert abs(difference.mean()) < 0.004 and difference.abs().mean() < 0.03  # of values of about 1


def test_rows_of_a_past_commute_with_going_on(causal_mixer):
    index = torch.tensor([2, 0, 2, 1])
    _, past = causal_mixer.extend(*inputs(num_keys=T), causal_mixer.start())
    q, k, v = inputs(num_queries=1, num_keys=1)
    moved, _ = causal_mixer.extend(q[index], k[index], v[index], past.rows(index))
    torch.testing.assert_close(moved, causal_mixer.extend(q, k, v, past)[0][index])


def test_a_past_without_gradients_is_never_overwritten(causal_mixer):
    """Two searches may go on from one past."""
    with torch.inference_mode():
        _, past = causal_mixer.extend(*inputs(num_keys=T), causal_mixer.start())
        past = past.rows(torch.tensor([1, 1, 0]))
        q, k, v = inputs(num_queries=1, num_keys=1)
        expected, _ = causal_mixer.extend(q, k, v, past)
        causal_mixer.extend(q, -k, -v, past)
        torch.testing.assert_close(causal_mixer.extend(q, k, v, past)[0], expected)


def test_gradients_are_finite_in_bfloat16(mixer, way):
    if not torch.is_grad_enabled():
        pytest.skip("there are no gradients without gradients")
    q, k, v = (x.to(torch.bfloat16).requires_grad_() for x in inputs())
    heads = mixer.attend(q, k, v, mask())
    assert heads.dtype == torch.bfloat16
    heads.float().square().sum().backward()
    asked = (v,) if isinstance(mixer, Average) else (k, v) if isinstance(mixer, Ssru) else (q, k, v)
    assert all(torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0 for x in asked)


def test_a_sentence_alone_is_what_it_is_in_a_batch(mixer):
    q, k, v = inputs(num_queries=S)
    together = mixer.attend(q, k, v, mask())
    alone = mixer.attend(q[:1, :, :6], k[:1, :, :6], v[:1, :, :6], None)
    torch.testing.assert_close(alone, together[:1, :, :6])


def test_gathering_hypotheses_and_scattering_them_is_the_identity():
    q = torch.randn(6, H, T, K)
    torch.testing.assert_close(scatter_hypotheses(gather_hypotheses(q, 2), 6), q)


class CrossOnly(MemoryMixer):
    def __init__(self, num_heads, head_size):
        super().__init__()


def test_a_mixer_without_the_role_of_its_slot_is_refused_by_name():
    refused = r"decoder\.self_attention \(CrossOnly\) must be attention for decoder self-attention \(CausalMixer\);"
    with pytest.raises(ValueError, match=rf"{refused} this one is for cross-attention$"):
        MultiHead(8, num_heads=2, num_kv_heads=2, mixer=CrossOnly, role=CausalMixer, slot="decoder.self_attention")


@pytest.mark.parametrize("num_new, num_past", [(1, 4), (3, 0), (3, 2)])
def test_causal_mask_lets_each_position_see_the_past_and_itself(num_new, num_past):
    found = causal_mask(num_new, num_past, torch.device("cpu"))
    expected = torch.tensor([[s <= num_past + t for s in range(num_past + num_new)] for t in range(num_new)])
    assert (found is None and expected.all()) or found[0, 0].equal(expected)


def test_padding_mask_is_none_when_nothing_is_padded():
    assert padding_mask(torch.ones(2, 3, dtype=torch.long), 0) is None
    assert padding_mask(torch.tensor([[1, 0]]), 0).tolist() == [[[[True, False]]]]


def test_every_settings_file_has_its_row_here():
    """A new variant that is held to nothing fails: the folder configs/attention is the list."""
    factories = {variant.id: variant.values[0] for variant in variants(Mixer)}
    assert len(factories) > 20 and without_row(factories) == []
    added = {"brand_new": Window, "window": Dense, "low": LowRank}
    assert without_row(factories | added) == ["window", "brand_new", "low"]


def test_every_role_is_a_mixer():
    assert all(issubclass(role, Mixer) for role in (EncoderMixer, MemoryMixer, CausalMixer))
