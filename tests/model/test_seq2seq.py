from functools import cache, partial

import pytest
import torch

from mt.alignment.tap import Tap
from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer, Mixer
from mt.attention.dense import Dense
from mt.attention.rectified import Rectified
from mt.data.source import Text
from mt.model.decoder import Decoder, DecoderLayer
from mt.model.encoder import Encoder, EncoderLayer
from mt.model.gated_unit import GatedLayers
from mt.model.layer import LayerSettings
from mt.model.seq2seq import Seq2Seq, parameter_counts
from mt.search.beam import Beam
from tests.variants import variants

PAD, BOS = 0, 2
B, S, T, V, LAYERS = 3, 9, 7, 37, 1

SHAPES = {
    "pre-norm": {},
    "post-norm": {"norm_position": "post"},
    "rms, swiglu, rotary": {"norm": "rms", "activation": "swiglu", "positions": "rotary"},
    "gelu, learned": {"activation": "gelu", "positions": "learned"},
    "randomized": {"positions": "randomized"},
    "grouped queries": {"num_kv_heads": 2, "positions": "rotary"},
    "one key-value head": {"num_kv_heads": 1},
    "heads of their own size": {"num_kv_heads": 2, "head_size": 10, "positions": "rotary"},
    "gated units": {
        "encoder_layer": GatedLayers(shared_size=6),
        "decoder_layer": GatedLayers(shared_size=6),
    },
    "gated units, squared, rotary": {
        "encoder_layer": GatedLayers(shared_size=6, expansion=3),
        "decoder_layer": GatedLayers(shared_size=10),
        "encoder_attention": partial(Rectified, power=2),
        "self_attention": partial(Rectified, power=2),
        "positions": "rotary",
        "norm_position": "post",
    },
}
SLOTS = {"encoder_attention": EncoderMixer, "self_attention": CausalMixer, "cross_attention": MemoryMixer}
OF_VARIANTS = {  # each in all the slots that it is for
    variant.id: {slot: factory for slot, role in SLOTS.items() if isinstance(factory(2, 4), role)}
    for variant in variants(Mixer)
    for factory in variant.values
}


def make(
    tie="all",
    recompute=False,
    separator=None,
    separator_after=None,
    source_vocab_size=V,
    target_vocab_size=V,
    *,
    encoder_attention=Dense,
    self_attention=Dense,
    cross_attention=Dense,
    encoder_layer=EncoderLayer,
    decoder_layer=DecoderLayer,
    num_layers=(LAYERS, LAYERS + 1),
    **layer,
):
    torch.manual_seed(0)
    settings = {"dim": 24, "num_heads": 4, "num_kv_heads": 4, "feed_forward_dim": 40, "dropout": 0.0} | layer
    return Seq2Seq(
        layer=LayerSettings(**settings),
        encoder=partial(Encoder, num_layers=num_layers[0], self_attention=encoder_attention, layer=encoder_layer),
        decoder=partial(
            Decoder,
            num_layers=num_layers[1],
            self_attention=self_attention,
            cross_attention=cross_attention,
            layer=decoder_layer,
        ),
        source_vocab_size=source_vocab_size,
        target_vocab_size=target_vocab_size,
        tie=tie,
        recompute=recompute,
        separator=separator,
        separator_after=separator_after,
        max_positions=32,
    )


def sentences():
    torch.manual_seed(1)
    source, target = torch.randint(4, V, (B, S)), torch.randint(4, V, (B, T))
    source[1, 5:], target[:, 0] = PAD, BOS
    return source, target


@cache
def made(name):
    return make(**(SHAPES | OF_VARIANTS)[name]).eval()


@pytest.fixture(params=SHAPES | OF_VARIANTS, ids=str)
def model(request):
    """One model for all tests, none of which changes it, as it translates: without gradients."""
    built = made(request.param)
    with torch.no_grad():
        yield built


def test_token_by_token_equals_all_at_once(model):
    source, target = sentences()
    full = model.output(model(Text(source), target))
    state, logits = model.start(Text(source)), []
    for t in range(T):
        now, state = model.step(target[:, t], state)
        logits.append(now)
    assert state.position == T
    torch.testing.assert_close(torch.stack(logits, dim=1), full, rtol=1e-4, atol=1e-5)


def test_alone_equals_within_a_padded_batch(model):
    source, target = sentences()
    together = model(Text(source), target)
    torch.testing.assert_close(model(Text(source[1:2, :5]), target[1:2]), together[1:2], rtol=1e-4, atol=1e-5)


def test_no_position_sees_what_comes_later(model):
    source, target = sentences()
    before = model(Text(source), target)
    target[:, 4:] = 5
    torch.testing.assert_close(model(Text(source), target)[:, :4], before[:, :4], rtol=1e-4, atol=1e-5)


def test_hypotheses_can_be_repeated_reordered_and_sentences_dropped(model):
    source, target = sentences()
    full = model.output(model(Text(source), target))
    _, state = model.step(target[:, 0], model.start(Text(source)))
    state = state.rows(torch.tensor([0, 0, 1, 1, 2, 2]))  # two hypotheses each
    _, state = model.step(target[:, 1].repeat_interleave(2), state)
    state = state.rows(torch.tensor([5, 4, 1, 0]), torch.tensor([2, 0]))  # sentence 1 leaves, the others change places
    logits, _ = model.step(target[[2, 2, 0, 0], 2], state)
    torch.testing.assert_close(logits, full[[2, 2, 0, 0], 2], rtol=1e-4, atol=1e-5)


def test_beam_search_finds_hypotheses_as_likely_as_the_whole_target_says(model):
    source, eos = sentences()[0], 3
    for sentence, found in enumerate(
        Beam(size=3, n_best=3)(model.step, model.start(Text(source)), max_lengths=[6] * B)
    ):
        assert len(found) == 3
        for one in found:
            target = torch.tensor([[BOS, *one.ids]])
            with torch.inference_mode():
                log_probs = model.output(model(Text(source[sentence : sentence + 1]), target))[0].log_softmax(-1)
            expected = log_probs[torch.arange(len(one.ids) + 1), torch.tensor([*one.ids, eos])].sum()
            assert one.log_prob == pytest.approx(float(expected), abs=1e-4)


def test_tapped_attention_is_the_same_forced_and_step_by_step_and_leaves_the_output_alone(model):
    source, target = sentences()
    plain, tap = model(Text(source), target), Tap()
    states, _ = model.extend(target, model.start(Text(source)), tap=tap)
    assert states.equal(plain)
    stepwise, state = Tap(), model.start(Text(source))
    for t in range(T):
        _, state = model.extend(target[:, t : t + 1], state, tap=stepwise)
    assert tap.weights().shape == (B, LAYERS + 1, 4, T, S)
    torch.testing.assert_close(stepwise.weights(), tap.weights(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tap.weights().sum(-1), torch.ones(B, LAYERS + 1, 4, T))


def test_gradient_checkpointing_gives_the_same_gradients():
    source, target = sentences()
    gradients = []
    for recompute in (False, True):
        model = make(recompute=recompute, dropout=0.1, attention_dropout=0.1).train()
        torch.manual_seed(5)
        model(Text(source), target).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 10
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


@pytest.mark.parametrize("tie, matrices", [("all", 1), ("target", 2), ("none", 3)])
def test_tying_shares_matrices_and_the_count_says_so(tie, matrices):
    model = make(tie=tie)
    counts = parameter_counts(model)
    embedded = counts["source_embedding"] + counts["target_embedding"] + counts["output"]
    assert embedded == matrices * V * 24
    assert counts["total"] == sum(p.numel() for p in model.parameters()) == sum(counts.values()) - counts["total"]


def test_padding_is_never_learned():
    model = make()
    source, target = sentences()
    model(Text(source), target).sum().backward()
    assert model.source_embedding.tokens.weight[PAD].abs().sum() == 0


@pytest.mark.parametrize(
    "layer, message",
    [
        ({"dim": 25}, r"dim \(25\) must be a multiple of num_heads \(4\)"),
        ({"num_kv_heads": 3}, r"num_heads \(4\) must be a multiple of num_kv_heads \(3\)"),
        ({"activation": "tanh"}, r"activation \(tanh\) must be one of relu, gelu, swish, swiglu"),
        ({"norm": "batch"}, r"norm \(batch\) must be one of layer, rms"),
        ({"attention_dropout_of": "words"}, r"attention_dropout_of \(words\) must be one of weights, keys, heads"),
        ({"positions": "none"}, r"positions \(none\) must be one of"),
        ({"tie": "some"}, r"tie \(some\) must be one of"),
        ({"target_vocab_size": 50}, r"tie \(all\) needs one joint vocabulary, not 37 source and 50 target"),
        ({"feed_forward_dim": 0}, r"feed_forward_dim \(0\) must be at least 1"),
        ({"head_size": 0}, r"head_size \(0\) must be at least 1, or null for dim / num_heads"),
        ({"head_size": 5, "positions": "rotary"}, r"head size \(5\) must be even for rotary positions"),
    ],
)
def test_impossible_settings_are_refused_by_name_rule_and_value(layer, message):
    with pytest.raises(ValueError, match=message):
        make(**layer)


def test_randomized_positions_rise_and_are_drawn_anew_for_each_sentence():
    positions = make(positions="randomized").source_embedding.positions
    places = positions.draw(200, T, torch.device("cpu"))
    assert (places.diff(dim=1) > 0).all()
    assert places.min() == 0 and 16 < places.max() < 32
    assert len(places.unique(dim=0)) > 150
    assert positions.draw(B, 40, torch.device("cpu")).equal(torch.arange(40).expand(B, -1))  # longer than drawn


def test_randomized_positions_are_those_of_both_sides_in_training_and_plain_ones_in_use(monkeypatch):
    source, target = sentences()
    model, plain = make(positions="randomized"), make(positions="sinusoidal")
    seen = []
    for embedding in (model.source_embedding, model.target_embedding):
        at = embedding.positions.at
        monkeypatch.setattr(embedding.positions, "at", lambda x, places, at=at: seen.append(places) or at(x, places))
    trained = model.train()(Text(source), target)
    assert [places.shape for places in seen] == [(B, S), (B, T)]
    assert seen[0][:, :T].equal(seen[1])
    used = model.eval()(Text(source), target)
    assert used.equal(plain.eval()(Text(source), target)) and not used.allclose(trained)
    assert len(seen) == 2


def test_learned_positions_refuse_what_is_too_long():
    model = make(positions="learned")
    with pytest.raises(ValueError, match=r"sequence length \(33\) must be at most max_positions \(32\)"):
        model.encode(Text(torch.full((1, 33), 5)))
