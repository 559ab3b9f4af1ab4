"""onnxruntime computes what the model computes, for every setting that can be written as a graph."""

from importlib.util import find_spec

import pytest
import torch

from mt.checkpoint.folder import load_checkpoint
from mt.data.source import Text
from mt.data.tokenizer import BOS, EOS
from mt.interchange.bounds import BOUNDS
from mt.interchange.exported import write_common
from mt.interchange.plan import plan_of
from mt.interchange.target import check_carried, find_target
from tests.interchange.conftest import fresh

pytestmark = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs the extra `export`")
LAYER = "layer."
ENCODER, DECODER, CROSS = "encoder.self_attention", "decoder.self_attention", "decoder.cross_attention"

SETTINGS = {
    "as it is": [],
    "post-norm": [f"{LAYER}norm_position=post"],
    "rms": [f"{LAYER}norm=rms"],
    "gelu": [f"{LAYER}activation=gelu"],
    "swish": [f"{LAYER}activation=swish"],
    "swiglu": [f"{LAYER}activation=swiglu"],
    "learned": [f"{LAYER}positions=learned", "max_positions=60"],
    "rotary": [f"{LAYER}positions=rotary"],
    "randomized": [f"{LAYER}positions=randomized"],
    "one key-value head, rotary": [f"{LAYER}num_kv_heads=1", f"{LAYER}positions=rotary"],
    "wide heads": [f"{LAYER}head_size=10"],
    "tie target": ["tie=target"],
    "tie none": ["tie=none"],
    "deep encoder, shallow decoder": ["encoder.num_layers=5", "decoder.num_layers=1"],
    "much at once": [
        *(f"{LAYER}{one}" for one in ("norm_position=post", "norm=rms", "activation=swiglu", "positions=learned")),
        *(f"{LAYER}num_kv_heads=2", "tie=none", "max_positions=60"),
    ],
}
KINDS = {
    "chunked": (ENCODER, DECODER, CROSS),
    "linear": (ENCODER, DECODER, CROSS),
    "threshold": (ENCODER, DECODER, CROSS),
    "sparsemax": (ENCODER, DECODER, CROSS),
    "entmax": (ENCODER, DECODER, CROSS),
    "rectified": (ENCODER, DECODER, CROSS),
    "squared": (ENCODER, DECODER, CROSS),
    "gated": (ENCODER, DECODER, CROSS),
    "top_k": (ENCODER, DECODER, CROSS),
    "relative": (ENCODER, DECODER),
    "window": (ENCODER, DECODER),
    "average": (DECODER,),
    "ssru": (DECODER,),
    "low_rank": (ENCODER, CROSS),
    "pooled": (ENCODER, CROSS),
    "multi_scale": (ENCODER, CROSS),
    "dynamic_heads": (ENCODER, CROSS),
    "hierarchical": (ENCODER, CROSS),
    "sections": (ENCODER, CROSS),
    "local": (CROSS,),
    "diagonal": (CROSS,),
    "prior": (CROSS,),
}
MORE = {
    "window": [f"{ENCODER}.reach=2", f"{DECODER}.reach=2"],
    "top_k": [f"{slot}.k=3" for slot in (ENCODER, DECODER, CROSS)],
    "low_rank": [f"{slot}.rank=4" for slot in (ENCODER, CROSS)],
    "relative": [f"{slot}.{one}" for slot in (ENCODER, DECODER) for one in ("buckets=8", "furthest=5")],
    "hierarchical": [f"{slot}.max_sentences=2" for slot in (ENCODER, CROSS)],
    "sections": [f"{slot}.furthest=1" for slot in (ENCODER, CROSS)],
}
SEPARATORS = ["separator=11", "separator_after=12"]
LENGTHS = ((11, 7), (4, 9), (1, 1))  # pieces of source and target


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_has_the_same_probabilities(settings, joint_tokenizer, tmp_path):
    assert_equal(fresh(tmp_path / "step_000001", joint_tokenizer, *settings), tmp_path / "export")


@pytest.mark.parametrize(("kind", "slots"), KINDS.items(), ids=KINDS)
def test_every_variant_has_the_same_probabilities_in_every_slot(kind, slots, joint_tokenizer, tmp_path):
    settings = [*(f"attention@model.{slot}={kind}" for slot in slots), *MORE.get(kind, [])]
    assert_equal(fresh(tmp_path / "step_000001", joint_tokenizer, *settings), tmp_path / "export")


@pytest.mark.parametrize("kind", ["sections", "hierarchical"])
def test_sentences_of_a_document(kind, joint_tokenizer, tmp_path):
    settings = [f"attention@model.{slot}={kind}" for slot in KINDS[kind]]
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, *settings, *MORE[kind], *SEPARATORS)
    assert_equal(checkpoint, tmp_path / "export", [([20, 21, 11, 22, 11, 23, 24, 12, 25], [30, 31]), ([20], [30])])


def test_a_lexicon_that_knows_pieces(joint_tokenizer, tmp_path):
    def fill(model):
        pieces, starts = torch.arange(20, 30).repeat(5), torch.arange(0, model.lexicon.pieces_VM.shape[0] + 1) * 10
        model.lexicon.fill(starts.clamp_max(50), pieces, torch.linspace(0.01, 0.2, 50))

    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, f"attention@model.{CROSS}=prior", change=fill)
    assert_equal(checkpoint, tmp_path / "export", [([22, 20, 29, 100], [2, 3, 4]), ([20, 21], [1, 200])])


@pytest.mark.parametrize("features", ["relu", "hedgehog", "random"])
def test_features_of_linear_attention(features, joint_tokenizer, tmp_path):
    settings = [
        one
        for slot in (ENCODER, DECODER, CROSS)
        for one in (f"attention@model.{slot}=linear", f"{slot}.features={features}")
    ]
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


class Tap:
    def __init__(self, layer):
        self.layer = layer

    def needs(self, layer):
        return layer == self.layer

    def record(self, layer, weights_RHTS):
        self.weights_RHTS = weights_RHTS
