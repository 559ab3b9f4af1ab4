"""Heads of a size of their own, and memories that are wider or narrower than the decoder, with every variant."""

from functools import partial

import pytest
import torch
from torch import nn

from mt.alignment.tap import Tap
from mt.attention.contract import MemoryMixer, Mixer
from mt.attention.dense import Dense
from mt.attention.multi_head import MultiHead
from mt.data.source import Text
from mt.inference.packed import pack
from mt.model.alignment_head import add_alignment_head
from mt.model.decoder import Decoder, DecoderLayer
from mt.model.encoder import Encoder, SourceEncoder
from mt.model.gated_unit import GatedLayers
from mt.model.layer import LayerSettings
from mt.model.memory import Memory
from mt.model.seq2seq import Seq2Seq
from tests.model.test_seq2seq import LAYERS, OF_VARIANTS, B, S, T, V, make, sentences
from tests.variants import variants

DIM, WIDTH, HEADS = 24, 32, 4


def stepwise(model):
    source, target = sentences()
    state, logits = model.start(Text(source)), []
    for t in range(T):
        now, state = model.step(target[:, t], state)
        logits.append(now)
    return torch.stack(logits, dim=1)


def at_once(model):
    source, target = sentences()
    return model.output(model(Text(source), target))


class Widened(SourceEncoder):
    """The encoder of text with a memory of another width."""

    reads_pieces = True

    def __init__(self, *, settings, width=WIDTH):
        super().__init__()
        self.text = Encoder(settings=settings, num_layers=1, self_attention=Dense)
        self.wide, self.width = nn.Linear(settings.dim, width), width

    def forward(self, source, embed, *, recompute=False):
        memory = self.text(source, embed, recompute=recompute)
        return Memory.of("text", self.wide(memory.states_BSD), memory.mask_B11S, memory.source_facts)


def make_wide(width=WIDTH, cross_attention=Dense, layer=DecoderLayer, tie="all", **settings):
    torch.manual_seed(0)
    sizes = {"dim": DIM, "num_heads": HEADS, "num_kv_heads": 2, "feed_forward_dim": 40, "dropout": 0.0}
    return Seq2Seq(
        layer=LayerSettings(**(sizes | settings)),
        encoder=partial(Widened, width=width),
        decoder=partial(Decoder, num_layers=2, self_attention=Dense, cross_attention=cross_attention, layer=layer),
        source_vocab_size=V,
        target_vocab_size=V,
        tie=tie,
    )


@pytest.mark.parametrize("slots", OF_VARIANTS.values(), ids=OF_VARIANTS)
@pytest.mark.parametrize("head_size", [2, 10])
def test_heads_of_any_size_translate_token_by_token_as_at_once(slots, head_size):
    model = make(**slots, num_kv_heads=2, head_size=head_size).eval()
    with torch.no_grad():
        found, expected = stepwise(model), at_once(model)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_heads, head_size", [(4, 3), (5, 4), (3, 16)])
def test_projections_have_the_shapes_of_the_heads(num_heads, head_size):
    model = make(num_heads=num_heads, num_kv_heads=1, head_size=head_size)
    inner = num_heads * head_size
    for name, weight in model.state_dict().items():
        if name.endswith("attention.query.weight"):
            assert weight.shape == (inner, DIM)
        elif name.endswith("attention.key_value.weight"):
            assert weight.shape == (2 * head_size, DIM)
        elif name.endswith("attention.output.weight"):
            assert weight.shape == (DIM, inner)
    tap, (source, target) = Tap(), sentences()
    model.eval()(Text(source), target, tap=tap)
    assert tap.weights().shape == (B, LAYERS + 1, num_heads, T, S)


def test_the_size_that_heads_have_anyhow_is_the_same_model():
    plain, named = make(), make(head_size=DIM // HEADS)
    assert plain.state_dict().keys() == named.state_dict().keys()
    assert all(named.state_dict()[name].equal(weight) for name, weight in plain.state_dict().items())
    assert at_once(plain.eval()).equal(at_once(named.eval()))


def test_scores_of_small_heads_have_a_low_rank():
    torch.manual_seed(2)
    settings = {"num_heads": 2, "num_kv_heads": 2, "mixer": Dense, "role": Mixer, "slot": "a slot"}
    attention = MultiHead(DIM, head_size=3, **settings)
    x_BTD = torch.randn(1, 20, DIM)
    q_BHTK, k_BGSK, _ = attention._queries_keys_values(x_BTD, 0)
    scores_BHTS = attention.mixer.scores(q_BHTK, k_BGSK, None)
    assert torch.linalg.matrix_rank(scores_BHTS, rtol=1e-4).tolist() == [[3, 3]]


@pytest.mark.parametrize("cross_attention", list(variants(MemoryMixer)))
@pytest.mark.parametrize("width", [10, WIDTH])
def test_every_cross_attention_reads_a_memory_of_another_width(cross_attention, width):
    model = make_wide(width, cross_attention).eval()
    torch.testing.assert_close(stepwise(model), at_once(model), rtol=1e-4, atol=1e-5)


def test_the_width_of_the_memory_is_that_of_its_keys_and_values_alone():
    model = make_wide(WIDTH, head_size=10)
    for layer in model.decoder.layers:
        cross, own = layer.cross_attention, layer.self_attention
        assert cross.key_value.weight.shape == (2 * 2 * 10, WIDTH) and own.key_value.weight.shape == (2 * 2 * 10, DIM)
        assert cross.query.weight.shape == (HEADS * 10, DIM) and cross.output.weight.shape == (DIM, HEADS * 10)


def test_a_memory_as_wide_as_the_decoder_makes_the_weights_that_there_always_were():
    of_encoder = {name for name in make_wide(DIM).state_dict() if not name.startswith("encoder.")}
    assert of_encoder == {name for name in make(num_layers=(1, 2)).state_dict() if not name.startswith("encoder.")}


SHAPES = {
    "transformer": {},
    "gated units": {"layer": GatedLayers(shared_size=6)},
    "post-norm": {"norm_position": "post"},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [torch.float32, torch.int8], ids=str)
def test_packed_it_translates_as_before(shape, kind):
    model = make_wide(head_size=10, **SHAPES[shape]).eval()
    with torch.inference_mode():
        expected = at_once(model)
        pack(model, kind)
        found = stepwise(model)
    assert (found - expected).abs().max() <= (0.1 if kind == torch.int8 else 1e-4) * expected.abs().max()


def test_an_alignment_head_has_the_size_of_the_heads_whose_keys_it_reads():
    model = add_alignment_head(make_wide(head_size=10), layer=1).eval()
    tap, (source, target) = Tap(), sentences()
    model(Text(source), target, tap=tap)
    assert tap.weights().shape == (B, 3, HEADS, T, S)
    memory = model.encode(Text(source))
    assert model.decoder.layers[0].cross_attention.value_norms(memory.states_BSD).shape == (B, HEADS, S)


@pytest.mark.parametrize("recompute", [False, True])
def test_all_of_it_learns(recompute):
    model = make_wide(head_size=10).train()
    model.recompute = recompute
    source, target = sentences()
    model(Text(source), target).square().sum().backward()
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if "output" not in name)
    assert model.encoder.wide.weight.grad.abs().max() > 0
