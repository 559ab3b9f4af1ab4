"""CTranslate2 computes what the model computes, for every setting that the target takes."""

from importlib.util import find_spec

import pytest
import torch

from mt.alignment.choice import Choice
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import add_file
from mt.data.source import Text
from mt.data.tokenizer import BOS
from mt.interchange.bounds import BOUNDS
from mt.interchange.measure import attention, constants, scores, tokenizer
from mt.interchange.plan import plan_of
from mt.interchange.target import check_carried
from tests.interchange.conftest import NUM_LINES, fresh, written

pytestmark = pytest.mark.skipif(find_spec("ctranslate2") is None, reason="needs the extra `export`")
LAYER = "layer."

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
    "two key-value heads": [f"{LAYER}num_kv_heads=2"],
    "one key-value head, rotary": [f"{LAYER}num_kv_heads=1", f"{LAYER}positions=rotary"],
    "wide heads": [f"{LAYER}head_size=10"],
    "tie target": ["tie=target"],
    "tie none": ["tie=none"],
    "deep encoder, shallow decoder": ["encoder.num_layers=5", "decoder.num_layers=1"],
    "chunked": [f"attention@model.{slot}=chunked" for slot in ("encoder.self_attention", "decoder.cross_attention")],
    "window in the decoder": ["attention@model.decoder.self_attention=window", "decoder.self_attention.reach=2"],
    "much at once": [
        *(f"{LAYER}{one}" for one in ("norm_position=post", "norm=rms", "activation=swiglu", "positions=learned")),
        *(f"{LAYER}num_kv_heads=2", "tie=none", "max_positions=60"),
    ],
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_has_the_same_probabilities(settings, joint_tokenizer, tmp_path):
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, *settings)
    engine, ours = written("ctranslate2", checkpoint, tmp_path / "export")
    found = scores(engine, ours)
    if "window" in str(settings):
        assert "window" in found["not_measured"]
        model = load_checkpoint(checkpoint).model.eval()
        for source, theirs in zip(ours.source_ids, engine.translate(ours.lines), strict=True):
            assert abs(theirs.log_prob - cut_log_prob(model, source, theirs.ids)) <= BOUNDS.nats * len(theirs.ids)
    else:
        assert found["tokens"] > 5 * NUM_LINES and found["max"] <= BOUNDS.nats
        weights = attention(engine, ours)
        assert weights["pairs"] == NUM_LINES and weights["max"] <= BOUNDS.attention
    assert all(pair["model"] == pytest.approx(pair["export"], rel=1e-6) for pair in constants(engine, ours).values())


@torch.inference_mode()
def cut_log_prob(model, source, target):
    """Of a target that ends at the limit of length, without EOS, as fresh models go on for ever."""
    logits_TV = model.output(model(Text.of([source]), torch.tensor([[BOS, *target[:-1]]])))[0]
    return float(logits_TV.log_softmax(-1)[range(len(target)), list(target)].sum())


def test_separate_vocabularies_go(separate_tokenizers, tmp_path):
    engine, ours = written(
        "ctranslate2", fresh(tmp_path / "step_000001", separate_tokenizers, "tie=target"), tmp_path / "export"
    )
    assert scores(engine, ours)["max"] <= BOUNDS.nats
    found = tokenizer(engine, ours)
    assert not any(found[name] for name in ("different_ids", "hostile_different_ids", "different_text"))


@pytest.mark.parametrize(("heads", "groups"), [((2,), 1), ((3, 1), 2), ((2,), 4), ((0, 1, 2, 3), 2), ((3, 1), 4)])
def test_any_heads_are_alignment_heads(heads, groups, joint_tokenizer, tmp_path):
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, f"layer.num_kv_heads={groups}")
    add_file(checkpoint, "alignment.json", Choice(1, heads, 0).to_json())
    engine, ours = written("ctranslate2", checkpoint, tmp_path / "export")
    assert attention(engine, ours)["max"] <= BOUNDS.attention
    assert scores(engine, ours)["max"] <= BOUNDS.nats


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["attention@model.decoder.self_attention=average"], r"decoder.self_attention \(average\)"),
        (["attention@model.encoder.self_attention=window"], r"encoder.self_attention \(window \(reach 16\)\)"),
        (["attention@model.decoder.cross_attention=entmax"], "decoder.cross_attention"),
        (["attention@model.encoder.self_attention=relative"], r"encoder.self_attention \(relative"),
    ],
)
def test_a_setting_that_ctranslate2_does_not_have_is_refused_by_name(settings, said, joint_tokenizer, tmp_path):
    plan = plan_of(load_checkpoint(fresh(tmp_path / "step_000001", joint_tokenizer, *settings)))
    with pytest.raises(ValueError, match=f"ctranslate2 cannot take {said}.*CTranslate2 has no such operation"):
        check_carried("ctranslate2", plan)
