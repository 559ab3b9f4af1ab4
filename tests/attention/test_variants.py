"""Every attention variant is held to one contract; a new one is a line in VARIANTS."""

import pytest
import torch

from mt.attention import dense
from mt.attention.contract import CausalMixer, MemoryMixer, Mixer, gather_hypotheses, scatter_hypotheses
from mt.attention.dense import Dense
from mt.attention.mask import causal_mask, padding_mask
from mt.attention.multi_head import MultiHead

VARIANTS = {"dense": Dense}

B, H, G, T, S, K = 3, 4, 2, 7, 9, 5  # all different, so that swapped axes fail


# the ways that dense attention goes on a CPU: (are there gradients, products of a batch, size of each)
WAYS = {
    "training": (True, {}),
    "one kernel": (False, {"MANY_PRODUCTS": 1000}),
    "sums": (False, {"MANY_PRODUCTS": 1, "SMALLEST_PRODUCT": 10_000}),
    "products": (False, {"MANY_PRODUCTS": 1, "SMALLEST_PRODUCT": 1}),
}


@pytest.fixture(params=WAYS, ids=str, autouse=True)
def way(request, monkeypatch):
    has_gradients, bounds = WAYS[request.param]
    for name, value in bounds.items():
        monkeypatch.setattr(dense, name, value)
    with torch.set_grad_enabled(has_gradients):
        yield


@pytest.fixture(params=VARIANTS, ids=str)
def mixer(request):
    torch.manual_seed(0)
    return VARIANTS[request.param](H, K).eval()


def inputs(num_queries=T, num_keys=S, groups=G):
    torch.manual_seed(1)
    return torch.randn(B, H, num_queries, K), torch.randn(B, groups, num_keys, K), torch.randn(B, groups, num_keys, K)


def mask():
    ids = torch.ones(B, S, dtype=torch.long)
    ids[0, 6:] = 0
    ids[2, 2:] = 0
    return padding_mask(ids, 0)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_attend_equals_weights_times_values(mixer, groups):
    q, k, v = inputs(groups=groups)
    expected = mixer.weights(q, k, mask()) @ v.repeat_interleave(H // groups, dim=1)
    torch.testing.assert_close(mixer.attend(q, k, v, mask()), expected)


def test_rows_of_weights_sum_to_one_and_give_padding_nothing(mixer):
    q, k, _ = inputs()
    weights = mixer.weights(q, k, mask())
    assert weights.shape == (B, H, T, S)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
    assert weights.masked_select(~mask().expand_as(weights)).abs().max() == 0


def test_padded_keys_are_not_heard(mixer):
    q, k, v = inputs()
    heard = mixer.attend(q, k, v, mask())
    k[0, :, 6:], v[0, :, 6:] = 1e4, -1e4
    torch.testing.assert_close(mixer.attend(q, k, v, mask()), heard)


def test_read_of_a_summary_equals_attend(mixer):
    q, k, v = inputs()
    torch.testing.assert_close(mixer.read(q, mixer.summarize(k, v, mask())), mixer.attend(q, k, v, mask()))
    torch.testing.assert_close(mixer.read_weights(q, mixer.summarize(k, v, mask())), mixer.weights(q, k, mask()))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_hypotheses_of_a_sentence_read_one_summary(mixer, width):
    _, k, v = inputs()
    q = torch.randn(B * width, H, T, K)
    repeated = [x.repeat_interleave(width, dim=0) for x in (k, v, mask())]
    summary = mixer.summarize(k, v, mask())
    torch.testing.assert_close(mixer.read(q, summary), mixer.attend(q, *repeated))
    torch.testing.assert_close(mixer.read_weights(q, summary), mixer.weights(q, repeated[0], repeated[2]))


@pytest.mark.parametrize("chunks", [[7], [1] * 7, [3, 1, 3]], ids=str)
def test_extend_in_chunks_equals_all_at_once_under_the_causal_mask(mixer, chunks):
    q, k, v = inputs(num_keys=T)
    expected = mixer.weights(q, k, causal_mask(T, 0, q.device)) @ v.repeat_interleave(H // G, dim=1)
    past, heads, start = mixer.start(), [], 0
    for size in chunks:
        part = slice(start, start + size)
        now, past = mixer.extend(q[:, :, part], k[:, :, part], v[:, :, part], past)
        heads.append(now)
        start += size
    torch.testing.assert_close(torch.cat(heads, dim=2), expected)


def test_rows_of_summary_and_past_commute_with_reading(mixer):
    index = torch.tensor([2, 0, 2, 1])
    q, k, v = inputs()
    summary = mixer.summarize(k, v, mask())
    torch.testing.assert_close(mixer.read(q[index], summary.rows(index)), mixer.read(q, summary)[index])
    _, past = mixer.extend(q, *inputs(num_keys=T)[1:], mixer.start())
    q, k, v = inputs(num_queries=1, num_keys=1)
    moved, _ = mixer.extend(q[index], k[index], v[index], past.rows(index))
    torch.testing.assert_close(moved, mixer.extend(q, k, v, past)[0][index])


def test_a_past_without_gradients_is_written_into_by_nobody(mixer):
    """Two searches may go on from one past."""
    with torch.inference_mode():
        _, past = mixer.extend(*inputs(num_keys=T), mixer.start())
        past = past.rows(torch.tensor([1, 1, 0]))
        q, k, v = inputs(num_queries=1, num_keys=1)
        expected, _ = mixer.extend(q, k, v, past)
        mixer.extend(q, -k, -v, past)
        torch.testing.assert_close(mixer.extend(q, k, v, past)[0], expected)


def test_gathering_hypotheses_and_scattering_them_is_the_identity():
    q = torch.randn(6, H, T, K)
    torch.testing.assert_close(scatter_hypotheses(gather_hypotheses(q, 2), 6), q)


def test_dense_equals_torch_scaled_dot_product_attention():
    q, k, v = inputs(groups=H)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask())
    torch.testing.assert_close(Dense(H, K).attend(q, k, v, mask()), expected)


class CrossOnly(MemoryMixer):
    def __init__(self, num_heads, head_size):
        super().__init__()


def test_a_mixer_without_the_role_of_its_slot_is_refused_by_name():
    with pytest.raises(ValueError, match=r"decoder\.self_attention \(CrossOnly\) must be a CausalMixer"):
        MultiHead(8, num_heads=2, num_kv_heads=2, mixer=CrossOnly, role=CausalMixer, slot="decoder.self_attention")


@pytest.mark.parametrize("num_new, num_past", [(1, 4), (3, 0), (3, 2)])
def test_causal_mask_lets_each_position_see_the_past_and_itself(num_new, num_past):
    found = causal_mask(num_new, num_past, torch.device("cpu"))
    expected = torch.tensor([[s <= num_past + t for s in range(num_past + num_new)] for t in range(num_new)])
    assert (found is None and expected.all()) or found[0, 0].equal(expected)


def test_padding_mask_is_none_when_nothing_is_padded():
    assert padding_mask(torch.ones(2, 3, dtype=torch.long), 0) is None
    assert padding_mask(torch.tensor([[1, 0]]), 0).tolist() == [[[[True, False]]]]


def test_every_role_is_a_mixer():
    assert issubclass(MemoryMixer, Mixer) and issubclass(CausalMixer, Mixer)
