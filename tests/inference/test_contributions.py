"""Contributions (ALTI+): what each source piece, and the target before, adds to a decoding step."""

import json

import numpy as np
import pytest
import torch

from mt import align
from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.erasure_agreement import ErasureAgreement
from mt.attention.mask import padding_mask
from mt.attention.ssru import Ssru
from mt.data.source import Text
from mt.data.tokenizer import EOS
from mt.inference.aligner import Aligner
from mt.inference.contributions import _shares, contributions, why_not
from mt.model.gated_unit import GatedLayers
from mt.model.layer import LayerSettings, Residual
from tests.model.test_seq2seq import OF_VARIANTS, PAD, SHAPES, made, make

SOURCE, TARGET = [5, 9, 6, 8], [2, 7, 11]
MODELS = [name for name in SHAPES | OF_VARIANTS if why_not(made(name)) is None]


def small(**settings):
    torch.manual_seed(3)
    model = make(**settings).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "bias" in name:  # which begin as ones and zeros
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@torch.inference_mode()
def of(model, source=SOURCE, target=TARGET):
    found = contributions(model, Text.of([source]), torch.tensor([target]))
    return [part[0].double().numpy() for part in found]


class ByHand:
    """The same in numpy, head by head and key by key, from the weights of a model with sinusoidal positions."""

    def __init__(self, model):
        self.weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
        self.heads = model.decoder.layers[0].cross_attention.num_heads
        self.is_pre = model.encoder.layers[0].attention_residual.is_pre

    def norm(self, x, name, of=None):
        """Of x; or what it makes of a part x of the sum `of`."""
        weight, bias = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        total = x if of is None else of
        if bias is None:  # RMS norm
            return x * weight / np.sqrt((total**2).mean(-1) + 1e-5)[..., None]
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(total.var(-1) + 1e-5)[..., None] * weight
        return scaled + bias if of is None else scaled

    def product(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def parts(self, h, memory, name, is_causal):
        """[query][key] -> vector, and the bias of the output."""
        q = self.product(h, f"{name}.query")
        k, v = np.split(self.product(memory, f"{name}.key_value"), 2, axis=-1)
        out, size = self.weights[f"{name}.output.weight"], q.shape[1] // self.heads
        found = np.zeros((len(h), len(memory), h.shape[1]))
        for head in range(self.heads):
            own = slice(head * size, (head + 1) * size)
            for t in range(len(h)):
                scores = k[:, own] @ q[t, own] / np.sqrt(size)
                scores = np.where(np.arange(len(memory)) <= t, scores, -np.inf) if is_causal else scores
                weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
                for s in range(len(memory)):
                    found[t, s] += out[:, own] @ (weights[s] * v[s, own])
        return found, self.weights[f"{name}.output.bias"]

    def step(self, x, memory, name, residual, *, is_causal=False, is_cross=False):
        """(the states after the step, the share of each key at each query)."""
        norm = f"{residual}.norm"
        h = self.norm(x, norm) if self.is_pre else x
        parts, bias = self.parts(h, memory if is_cross else h, name, is_causal)
        total = x + parts.sum(axis=1) + bias
        y = total if self.is_pre else self.norm(total, norm)
        shares = np.zeros((len(x), parts.shape[1] + is_cross))
        for t in range(len(x)):
            keys = [*parts[t], x[t]] if is_cross else [part + (s == t) * x[t] for s, part in enumerate(parts[t])]
            for s, key in enumerate(keys):
                key = key if self.is_pre else self.norm(key, norm, of=total[t])
                shares[t, s] = max(0.0, np.abs(y[t]).sum() - np.abs(y[t] - key).sum())
        return y, shares / shares.sum(axis=1, keepdims=True)

    def feed_forward(self, x, layer):
        norm = f"{layer}.feed_forward_residual.norm"
        h = self.norm(x, norm) if self.is_pre else x
        hidden = np.maximum(self.product(h, f"{layer}.feed_forward.up"), 0)
        x = x + self.product(hidden, f"{layer}.feed_forward.down")
        return x if self.is_pre else self.norm(x, norm)

    def __call__(self, model, source, target):
        x = model.source_embedding(torch.tensor([source]))[0].detach().double().numpy()
        of_encoder = np.eye(len(source))
        for number in range(len(model.encoder.layers)):
            layer = f"encoder.layers.{number}"
            x, shares = self.step(x, None, f"{layer}.attention", f"{layer}.attention_residual")
            of_encoder, x = shares @ of_encoder, self.feed_forward(x, layer)
        memory = self.norm(x, "encoder.norm") if self.is_pre else x
        x = model.target_embedding(torch.tensor([target]))[0].detach().double().numpy()
        whole = np.hstack([np.zeros((len(target), len(source))), np.eye(len(target))])
        for number in range(len(model.decoder.layers)):
            layer = f"decoder.layers.{number}"
            x, own = self.step(x, None, f"{layer}.self_attention", f"{layer}.self_residual", is_causal=True)
            x, cross = self.step(x, memory, f"{layer}.cross_attention", f"{layer}.cross_residual", is_cross=True)
            whole = cross[:, -1:] * (own @ whole)
            whole[:, : len(source)] += cross[:, :-1] @ of_encoder
            x = self.feed_forward(x, layer)
        return np.split(whole, [len(source)], axis=1)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_they_are_those_of_the_formula_head_by_head_and_key_by_key(norm, norm_position):
    model = small(norm=norm, norm_position=norm_position, num_layers=(2, 2))
    for found, expected in zip(of(model), ByHand(model)(model, [*SOURCE, EOS], TARGET), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_they_are_defined_for_all_variants_but_units_with_a_gate_or_an_activation_of_their_own():
    left_out = (SHAPES | OF_VARIANTS).keys() - set(MODELS)
    assert left_out == {"gated units", "gated units, squared, rotary", "ssru"}


@pytest.mark.parametrize("name", MODELS)
def test_what_the_keys_add_is_the_output_of_attention(name):
    model = made(name)
    torch.manual_seed(4)
    x, memory = torch.randn(2, 7, 24), torch.randn(2, 9, 24)
    mask = padding_mask(torch.tensor([[1] * 9, [1] * 5 + [PAD] * 4]), PAD)
    with torch.inference_mode():
        encoder, decoder = model.encoder.layers[0].attention, model.decoder.layers[0]
        own, cross = decoder.self_attention, decoder.cross_attention
        summary = cross.summarize(memory, mask)
        pairs = [
            (encoder, encoder.attend_by_key(memory, mask), encoder.attend(memory, mask)),
            (own, own.extend_by_key(x), own.extend(x, own.start(), 0)[0]),
            (cross, cross.read_by_key(x, memory, mask, summary), cross.read(x, summary)),
        ]
        for attention, parts, whole in pairs:
            torch.testing.assert_close(parts.sum(dim=2) + attention.output.bias, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_rows_sum_to_one_and_nothing_comes_from_later_pieces(name):
    of_source, of_target = of(made(name))
    np.testing.assert_allclose(of_source.sum(1) + of_target.sum(1), 1, atol=1e-6)
    assert (of_source >= 0).all() and np.allclose(np.triu(of_target, 1), 0)


@pytest.mark.parametrize("name", MODELS)
def test_neither_padding_nor_other_sentences_change_them(name):
    model = made(name)
    source = Text.of([SOURCE, [8, 8, 4, 9, 12, 6]])
    with torch.inference_mode():
        together = contributions(model, source, torch.tensor([[*TARGET, PAD, PAD], [2, 4, 4, 9, 3]]))
    for found, expected in zip(together, of(model), strict=True):
        whole = found[0].double().numpy()
        np.testing.assert_allclose(whole[: len(expected), : expected.shape[1]], expected, atol=1e-6)
        assert np.abs(whole[: len(expected), expected.shape[1] :]).max(initial=0) == 0


def test_a_row_in_which_no_part_is_near_the_sum_takes_the_lengths_of_the_parts():
    residual = Residual(LayerSettings(dim=2, num_heads=1, num_kv_heads=1, feed_forward_dim=2))
    parts = torch.tensor([[[[3.0, -3.0], [-3.0, 3.0]]]])  # they cancel, and only the bias is left
    shares = _shares(residual, torch.zeros(1, 1, 2), torch.tensor([[[0.1, 0.1]]]), parts)
    assert shares.tolist() == [[[0.5, 0.5]]]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"encoder_layer": GatedLayers(shared_size=6)},
            "needs layers of attention and feed-forward, not GatedEncoderLayer",
        ),
        ({"self_attention": Ssru}, "needs attention whose output is a sum over keys, not Ssru"),
    ],
    ids=["gated units", "ssru"],
)
def test_a_model_that_they_are_not_defined_for_is_refused_in_one_line(settings, why):
    found = why_not(small(**settings))
    assert found is not None and found == why and "\n" not in found
    assert why_not(small()) is None


def test_agreement_with_erasure_is_counted_beside_that_of_the_heads():
    weights = np.full((1, 1, 3, 3), 1 / 3)
    raw = RawAttention(
        weights,
        ["▁a", "▁b", "</s>"],
        ["▁x", "▁y", "</s>"],
        erasure_TS=np.array([[2.0, 1.0, 0.0], [0.5, 3.0, 0.0], [0.0, 0.0, 0.0]]),
        contributions_TS=np.array([[0.4, 0.1, 0.1], [0.3, 0.2, 0.1], [0.1, 0.1, 0.1]]),
        source_share_T=np.array([0.6, 0.6, 0.3]),
    )
    once = ErasureAgreement.of(raw, "a b", "x y")
    assert (once + once).to_json()["contributions"] == 0.5 and "contributions: for 50.0 %" in once.describe()
    alignment = Alignment.from_attention(raw, layer=0, signal="contributions")
    np.testing.assert_allclose(alignment.weights_TS, [[0.8, 0.2], [0.6, 0.4]])
    assert (alignment.shift, alignment.to_json()["source_share"]) == (0, [0.6, 0.6])


def test_a_trained_model_translates_the_word_that_contributes_most(trained_run, tmp_path, capsys):
    aligner = Aligner.load(trained_run, device="cpu")
    found, alone = (
        aligner.align(["eins zwei drei", *more], ["three two one", *more], signal="contributions")
        for more in ([], ["acht"])
    )
    assert found[0].weights_TS.argmax(axis=1).tolist() == [2, 1, 0]
    np.testing.assert_allclose(found[0].source_share_T, alone[0].source_share_T, atol=1e-5)

    (tmp_path / "de").write_text("eins zwei drei\n", encoding="utf-8")
    files = [f"--source={tmp_path / 'de'}", f"--output={tmp_path / 'out'}", "--formats=html,json", "--device=cpu"]
    assert align.main([f"--checkpoint={trained_run}", *files, "--signal=contributions"]) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "alignments.jsonl").read_text("utf-8"))
    about = json.loads((tmp_path / "out" / "about.json").read_text("utf-8"))
    assert out.startswith("contributions, the whole model, de-en") and f"share {about['source_share']:.2f}" in out
    assert len(record["source_share"]) == len(record["target"]) and all(0 < x < 1 for x in record["source_share"])
    assert f'"shares":{json.dumps(record["source_share"], separators=(",", ":"))}' in (
        tmp_path / "out" / "alignments.html"
    ).read_text("utf-8")
