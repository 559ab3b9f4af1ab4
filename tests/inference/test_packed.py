"""A packed model computes what it computed before; the plain model is the yardstick."""

import copy

import pytest
import torch

from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer
from mt.data.source import Text
from mt.inference.packed import WIDE, pack, side_by_side
from tests.attention.table import VARIANTS
from tests.model.test_seq2seq import SHAPES, B, T, make, sentences

KINDS = {"float32": (torch.float32, 1e-4), "bfloat16": (torch.bfloat16, 0.03), "int8": (torch.int8, 0.06)}

SLOTS = {"encoder_attention": EncoderMixer, "self_attention": CausalMixer, "cross_attention": MemoryMixer}


def stepwise(model):
    """logits of a search that reorders its hypotheses: two of each sentence, then other two."""
    source, target = sentences()
    state = model.start(Text(source))
    logits, state = model.step(target[:, 0], state)
    found, state = [logits], state.rows(torch.arange(B).repeat_interleave(2))
    for t in range(1, T):
        logits, state = model.step(target[:, t].repeat_interleave(2), state)
        found.append(logits)
        state = state.rows(torch.tensor([1, 0, 2, 2, 5, 4]))
    return torch.cat(found)


def packed(model, dtype):
    twin = copy.deepcopy(model)
    pack(twin, dtype)
    return twin


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "tie"), [*((shape, "all") for shape in SHAPES), ("pre-norm", "none")])
def test_a_packed_model_equals_the_plain_one(shape, kind, tie):
    model, (dtype, tolerance) = make(tie=tie, **SHAPES[shape]).eval(), KINDS[kind]
    with torch.inference_mode():
        twin = packed(model, dtype)
        expected, found = stepwise(model), stepwise(twin)
        assert found.dtype == torch.float32
        assert (found - expected).abs().max() <= tolerance * expected.abs().max()
        expected, found = (m.output(m(Text(sentences()[0]), sentences()[1])) for m in (model, twin))
        assert (found.float() - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.slow  # a model for each variant and slot
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_packed_model_equals_the_plain_one_with_every_variant_in_all_its_slots(variant):
    factory = VARIANTS[variant]
    model = make(**{slot: factory for slot, role in SLOTS.items() if isinstance(factory(2, 4), role)}).eval()
    with torch.inference_mode():
        expected = stepwise(model)
        assert (stepwise(packed(model, torch.float32)) - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("shape", SHAPES)
def test_norms_of_values_are_those_of_the_definition(shape):
    model = make(**SHAPES[shape]).eval()
    with torch.inference_mode():
        states_BSD = model.encode(Text(sentences()[0])).states_BSD
        for plain, twin in zip(model.decoder.layers, packed(model, torch.float32).decoder.layers, strict=True):
            attention = plain.cross_attention
            H, G, K = attention.num_heads, attention.num_kv_heads, attention.head_size
            v_BSGK = attention.key_value(states_BSD)[..., G * K :].unflatten(-1, (G, K))
            weight_HKD = attention.output.weight.T.unflatten(0, (H, K))
            for head in range(H):
                expected_BS = (v_BSGK[:, :, head // (H // G)] @ weight_HKD[head]).norm(dim=-1)
                for found in (attention, twin.cross_attention):
                    assert torch.allclose(found.value_norms(states_BSD)[:, head], expected_BS, rtol=1e-3, atol=1e-5)


def test_what_is_known_of_the_model_stays_known():
    model = make().eval()
    twin = packed(model, torch.int8)
    assert twin.source_embedding.tokens.weight.equal(model.source_embedding.tokens.weight)
    assert (twin.max_length, twin.is_source_tied) == (model.max_length, model.is_source_tied)


def test_without_onednn_the_plain_model_translates(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = make().eval()
    with torch.inference_mode():
        assert stepwise(packed(model, torch.float32)).equal(stepwise(model))
        assert stepwise(packed(model, torch.bfloat16)).isfinite().all()


@pytest.mark.parametrize("num_outputs", [WIDE - 1, WIDE])  # fbgemm, oneDNN
def test_large_sums_of_int8_products_do_not_overflow(num_outputs):
    torch.manual_seed(1)
    plain = torch.nn.Linear(64, num_outputs, bias=False)
    plain.weight.data.abs_()  # with inputs of one sign, neighbouring products add up to more than 16 bits hold
    x_BTD = torch.rand(2, 3, 64) + 1
    with torch.inference_mode():
        expected = plain(x_BTD)
        found = side_by_side([plain], torch.int8)(x_BTD)
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()


def test_int8_is_refused_where_torch_has_no_products_of_it(monkeypatch):
    monkeypatch.setattr("mt.inference.packed.int8_engines", lambda: {"qnnpack"})
    with pytest.raises(ValueError, match=r"precision \(int8\) must be float32 or bfloat16 here"):
        packed(make().eval(), torch.int8)
