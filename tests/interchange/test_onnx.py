"""onnxruntime computes what the model computes, for every setting that can be written as a graph."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from mt.checkpoint.folder import load_checkpoint
from mt.data.source import Text
from mt.data.tokenizer import BOS, EOS
from mt.interchange.bounds import BOUNDS
from mt.interchange.exported import write_common
from mt.interchange.onnx_engine import check_free
from mt.interchange.plan import plan_of
from mt.interchange.target import check_carried, find_target
from tests.interchange.conftest import fresh

pytestmark = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs the extra `export`")
LAYER = "layer."
ENCODER, DECODER, CROSS = "encoder.self_attention", "decoder.self_attention", "decoder.cross_attention"

SETTINGS = {  # a variant for each slot, and other settings of the model
    "as it is": (("dense", "dense", "dense"), []),
    "post-norm": (("chunked", "chunked", "chunked"), [f"{LAYER}norm_position=post"]),
    "rms": (("threshold", "threshold", "threshold"), [f"{LAYER}norm=rms"]),
    "gelu": (("sparsemax", "sparsemax", "sparsemax"), [f"{LAYER}activation=gelu"]),
    "swish": (("entmax", "entmax", "entmax"), [f"{LAYER}activation=swish"]),
    "swiglu": (("rectified", "rectified", "rectified"), [f"{LAYER}activation=swiglu"]),
    "learned": (("squared", "squared", "squared"), [f"{LAYER}positions=learned", "max_positions=60"]),
    "rotary": (("gated", "gated", "gated"), [f"{LAYER}positions=rotary"]),
    "randomized": (("top_k", "top_k", "top_k"), [f"{LAYER}positions=randomized"]),
    "one key-value head": (("linear", "linear", "linear"), [f"{LAYER}num_kv_heads=1", f"{LAYER}positions=rotary"]),
    "wide heads": (("relative", "relative", "low_rank"), [f"{LAYER}head_size=10"]),
    "tie target": (("window", "window", "pooled"), ["tie=target"]),
    "tie none": (("low_rank", "average", "local"), ["tie=none"]),
    "deep encoder": (("pooled", "ssru", "diagonal"), ["encoder.num_layers=5", "decoder.num_layers=1"]),
    "two key-value heads": (("multi_scale", "dense", "multi_scale"), [f"{LAYER}num_kv_heads=2"]),
    "much at once": (
        ("dynamic_heads", "ssru", "dynamic_heads"),
        [
            *(f"{LAYER}{one}" for one in ("norm_position=post", "norm=rms", "activation=swiglu", "positions=learned")),
            *(f"{LAYER}num_kv_heads=2", "tie=none", "max_positions=60"),
        ],
    ),
}
MORE = {
    "window": ["reach=2"],
    "top_k": ["k=3"],
    "low_rank": ["rank=4"],
    "relative": ["buckets=8", "furthest=5"],
    "hierarchical": ["max_sentences=2"],
    "sections": ["furthest=1"],
}
SEPARATORS = ["separator=11", "separator_after=12"]
LENGTHS = ((11, 7), (4, 9), (1, 1))  # pieces of source and target


def slots(*kinds):
    """Overrides: a variant for encoder self-attention, decoder self-attention and cross-attention, and its settings."""
    chosen = dict(zip((ENCODER, DECODER, CROSS), kinds, strict=True))
    return [
        *(f"attention@model.{slot}={kind}" for slot, kind in chosen.items()),
        *(f"{slot}.{setting}" for slot, kind in chosen.items() for setting in MORE.get(kind, ())),
    ]


@pytest.mark.parametrize(("kinds", "settings"), SETTINGS.values(), ids=SETTINGS)
def test_every_setting_and_variant_has_the_same_probabilities(kinds, settings, joint_tokenizer, tmp_path):
    assert_equal(fresh(tmp_path / "step_000001", joint_tokenizer, *slots(*kinds), *settings), tmp_path / "export")


@pytest.mark.parametrize("kind", ["sections", "hierarchical"])
def test_sentences_of_a_document(kind, joint_tokenizer, tmp_path):
    settings = [*slots(kind, "dense", kind), *SEPARATORS]
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, *settings)
    assert_equal(checkpoint, tmp_path / "export", [([20, 21, 11, 22, 11, 23, 24, 12, 25], [30, 31]), ([20], [30])])


def test_a_lexicon_that_knows_pieces(joint_tokenizer, tmp_path):
    def fill(model):
        pieces, starts = torch.arange(20, 30).repeat(5), torch.arange(0, model.lexicon.pieces_VM.shape[0] + 1) * 10
        model.lexicon.fill(starts.clamp_max(50), pieces, torch.linspace(0.01, 0.2, 50))

    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, f"attention@model.{CROSS}=prior", change=fill)
    assert_equal(checkpoint, tmp_path / "export", [([22, 20, 29, 100], [2, 3, 4]), ([20, 21], [1, 200])])


def test_features_of_linear_attention(joint_tokenizer, tmp_path):
    features = {ENCODER: "relu", DECODER: "hedgehog", CROSS: "random"}
    settings = [*slots("linear", "linear", "linear"), *(f"{slot}.features={one}" for slot, one in features.items())]
    assert_equal(fresh(tmp_path / "step_000001", joint_tokenizer, *settings), tmp_path / "export")


def assert_equal(checkpoint, folder, pairs=None):
    """Probabilities and alignment weights are those of the model, in one step, step by step, and in a padded batch."""
    loaded = load_checkpoint(checkpoint)
    model, plan = loaded.model.eval(), plan_of(loaded)
    check_carried("onnx", plan)
    folder.mkdir()
    find_target("onnx").write(plan, loaded, folder, quantization=None)
    write_common(folder, plan, loaded, name="onnx", quantization=None)
    engine, generator = find_target("onnx").engine(folder), torch.Generator().manual_seed(1)
    assert all(
        engine.constants()[name] == pytest.approx(value, rel=1e-6)
        for name, value in plan.constants.items()
        if name in engine.constants()
    )
    drawn = [[torch.randint(4, 300, (n,), generator=generator).tolist() for n in lengths] for lengths in LENGTHS]
    pairs = pairs or drawn
    decodable = find_target("onnx").decodable(folder, device="cpu", shortlist=False)
    batch = decodable.start(Text.of([source for source, _ in pairs]))
    for row, ((source, target), theirs, weights) in enumerate(
        zip(pairs, engine.log_probs(pairs), engine.attention(pairs), strict=True)
    ):
        tap = Tap(plan.alignment.layer)
        with torch.inference_mode():
            logits_TV = model.output(model(Text.of([source]), torch.tensor([[BOS, *target]]), tap=tap))[0]
        expected_TV = logits_TV.log_softmax(-1)
        assert theirs == pytest.approx(expected_TV[range(len(target) + 1), [*target, EOS]].tolist(), abs=BOUNDS.nats)
        chosen_TS = tap.weights_RHTS[0, list(plan.alignment.heads)].mean(0)[:-1, :-1].numpy()
        assert abs(chosen_TS - weights).max() <= BOUNDS.attention
        state = batch.rows(torch.tensor([row, row]))
        for place, piece in enumerate([BOS, *target]):
            step_RV, state = decodable.step(
                torch.tensor([piece, piece]), state.rows(torch.tensor([1, 0])) if place else state
            )
            assert (step_RV.log_softmax(-1) - expected_TV[place]).abs().max() <= BOUNDS.nats


@pytest.mark.parametrize(
    ("name", "shape"),
    [("input_ids", ["batch_size", 7]), ("logits", [2, "n", 400]), ("present.0.decoder.key", ["b", 4, 16, 8])],
)
def test_a_graph_with_a_frozen_size_is_refused(name, shape):
    one = SimpleNamespace(name=name, shape=shape)
    session = SimpleNamespace(get_inputs=lambda: [one], get_outputs=lambda: [])
    with pytest.raises(ValueError, match=rf"{name} has a fixed size at axis \d"):
        check_free(session)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            [f"attention@model.{ENCODER}=structured"],
            r"encoder.self_attention \(structured.*it needs trees of its sources",
        ),
        (
            [f"attention@model.{ENCODER}=squared", "layer@model.encoder.layer=gated_unit"],
            r"encoder.layer \(gated_unit\)",
        ),
    ],
)
def test_what_has_no_graph_is_refused_by_name(settings, said, joint_tokenizer, tmp_path):
    plan = plan_of(load_checkpoint(fresh(tmp_path / "step_000001", joint_tokenizer, *settings)))
    with pytest.raises(ValueError, match=f"onnx cannot take {said}"):
        check_carried("onnx", plan)


class Tap:
    def __init__(self, layer):
        self.layer = layer

    def needs(self, layer):
        return layer == self.layer

    def record(self, layer, weights_RHTS):
        self.weights_RHTS = weights_RHTS
