"""transformers computes what the model computes: in its own classes where it can, else by modeling_mt.py."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from mt import translate
from mt.checkpoint.folder import load_checkpoint
from mt.data.source import Text
from mt.data.tokenizer import BOS, EOS
from mt.export import main
from mt.interchange import transformers as target_file
from mt.interchange.bounds import BOUNDS
from mt.interchange.measure import attention, constants, scores, tokenizer
from mt.interchange.plan import plan_of
from mt.interchange.target import check_carried
from tests.conftest import made_once
from tests.interchange.conftest import NUM_LINES, TARGETS, fresh, written

pytestmark = pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers is not installed: make test-transformers"
)
LAYER = "layer."
PEGASUS, MARIAN, OWN = "PegasusForConditionalGeneration", "MarianMTModel", "MtForConditionalGeneration"
POST, LEARNED = f"{LAYER}norm_position=post", [f"{LAYER}positions=learned", "max_positions=60"]


def slots(*names):
    """Overrides: a variant for encoder self-attention, decoder self-attention, cross-attention."""
    places = ("encoder.self_attention", "decoder.self_attention", "decoder.cross_attention")
    return [f"attention@model.{slot}={name}" for slot, name in zip(places, names, strict=True)]


SETTINGS = {
    "as it is": (PEGASUS, []),
    "gelu, learned": (PEGASUS, [f"{LAYER}activation=gelu", *LEARNED]),
    "two key-value heads": (PEGASUS, [f"{LAYER}num_kv_heads=2"]),
    "chunked, five and one layers": (
        PEGASUS,
        [*slots("chunked", "chunked", "chunked"), "encoder.num_layers=5", "decoder.num_layers=1"],
    ),
    "post-norm, swish": (MARIAN, [POST, f"{LAYER}activation=swish"]),
    "post-norm, tie target, learned": (MARIAN, [POST, "tie=target", *LEARNED]),
    "post-norm, tie none": (MARIAN, [POST, "tie=none"]),
    "tie none, swish": (OWN, ["tie=none", f"{LAYER}activation=swish"]),
    "rms, swiglu, rotary": (
        OWN,
        [f"{LAYER}norm=rms", f"{LAYER}activation=swiglu", f"{LAYER}positions=rotary", f"{LAYER}num_kv_heads=1"],
    ),
    "post-norm, rms, wide heads": (OWN, [POST, f"{LAYER}norm=rms", f"{LAYER}head_size=10", "tie=target"]),
    "window, relative": (
        OWN,
        [*slots("window", "relative", "top_k"), "encoder.self_attention.reach=2", "decoder.cross_attention.k=3"],
    ),
    "relative, window": (OWN, [*slots("relative", "window", "gated"), "decoder.self_attention.reach=2"]),
    "average, local": (OWN, slots("gated", "average", "local")),
    "diagonal": (OWN, [*slots("dense", "average", "diagonal"), "decoder.cross_attention.reach=4"]),
    "sparse": (OWN, slots("entmax", "sparsemax", "threshold")),
    "rectified": (OWN, slots("rectified", "squared", "rectified")),
}


@pytest.mark.parametrize(("name", "settings"), SETTINGS.values(), ids=SETTINGS)
def test_every_setting_has_the_same_probabilities(name, settings, joint_tokenizer, tmp_path):
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, *settings)
    engine, ours = written("transformers", checkpoint, tmp_path / "export")
    assert type(engine._model).__name__ == name
    found, weights = scores(engine, ours), attention(engine, ours)
    assert found["tokens"] > 5 * NUM_LINES and found["max"] <= BOUNDS.nats
    assert weights["pairs"] == NUM_LINES and weights["max"] <= BOUNDS.attention
    assert all(pair["model"] == pytest.approx(pair["export"], rel=1e-6) for pair in constants(engine, ours).values())
    if name != OWN:
        assert largest_difference(checkpoint, engine._model, ours) == 0.0


@torch.inference_mode()
def largest_difference(checkpoint, theirs, ours):
    """Of log-probabilities, one sentence at a time on both sides."""
    model, worst = load_checkpoint(checkpoint).model.eval(), 0.0
    for source, target in zip(ours.source_ids, ours.target_ids, strict=True):
        decoder = torch.tensor([[BOS, *target]])
        a = model.output(model(Text.of([source]), decoder)).log_softmax(-1)
        b = theirs(input_ids=torch.tensor([[*source, EOS]]), decoder_input_ids=decoder).logits.log_softmax(-1)
        worst = max(worst, float((a - b).abs().max()))
    return worst


@pytest.fixture(params=["Pegasus", "own code"])
def folder(request, trained_run, corpus_folder, tmp_path_factory, tmp_path, monkeypatch):
    """What the command wrote of the trained run, in a path with blanks; "own code" by a plan that forbids Pegasus."""
    files = ["--source", f"{corpus_folder}/test.de", "--reference", f"{corpus_folder}/test.en"]
    if request.param == "own code":
        monkeypatch.setattr(target_file, "their_class", lambda plan: None)

    def make(made):
        main(["transformers", "--checkpoint", str(trained_run), "--output", str(made / "export"), *files])

    made = made_once(tmp_path_factory, f"transformers {request.param}", make) / "export"
    return Path(shutil.copytree(made, tmp_path / "with a blank" / "export"))


def test_the_certificate_is_exact_and_a_plain_call_of_generate_translates(folder, corpus_folder):
    body = json.loads((folder / "certificate.json").read_text("utf-8"))
    assert body["verdict"] == "exact" and body["decoding"]["same_text"] == body["decoding"]["sentences"] == 60
    code = (folder / "README.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    lines = (corpus_folder / "test.de").read_text("utf-8").splitlines()[:8]
    said = []
    code = code.replace('["A line."]', "lines, padding=True").replace('"."', "folder").replace("print(", "said.extend(")
    exec(code, {"lines": lines, "folder": folder, "said": said})
    assert said == (corpus_folder / "test.en").read_text("utf-8").splitlines()[:8]


def test_translate_with_the_engine_gives_what_our_own_engine_gives(folder, trained_run, corpus_folder, capsys):
    said = []
    for flags in (["--engine", "transformers", "--checkpoint", str(folder)], ["--checkpoint", str(trained_run)]):
        for more in (["--n-best", "2"], ["--beam-size", "1"]):
            capsys.readouterr()
            assert translate.main([*flags, *more, "--input", str(corpus_folder / "test.de")]) == 0
            said.append(capsys.readouterr().out.splitlines())
    assert len(said[0]) == 120 and len(said[1]) == 60
    assert said[0][::2] == said[2][::2] and said[1] == said[3]  # second best ones come from another search


def test_what_is_changed_is_not_run(folder):
    for name in ("translate.py", "modeling_mt.py"):
        if not (folder / name).is_file():
            continue
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + b"raise SystemExit('run')\n")
        with pytest.raises(ValueError, match=f"{name} is not the program of this version, so it is not run"):
            translate.main(["eins", "--engine", "transformers", "--checkpoint", str(folder)])
        (folder / name).write_bytes(before)


def test_separate_vocabularies_have_two_tokenizers(separate_tokenizers, tmp_path):
    checkpoint = fresh(tmp_path / "step_000001", separate_tokenizers, "tie=target")
    engine, ours = written("transformers", checkpoint, tmp_path / "export")
    found = tokenizer(engine, ours)
    assert scores(engine, ours)["max"] <= BOUNDS.nats
    assert not any(found[name] for name in ("different_ids", "hostile_different_ids")), found
    assert engine.detokenize(ours.target_ids) == TARGETS[:NUM_LINES], found


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["attention@model.decoder.self_attention=ssru"], r"decoder.self_attention \(ssru"),
        (["attention@model.encoder.self_attention=linear"], r"encoder.self_attention \(linear"),
    ],
)
def test_what_the_file_does_not_hold_is_refused_by_name(settings, said, joint_tokenizer, tmp_path):
    plan = plan_of(load_checkpoint(fresh(tmp_path / "step_000001", joint_tokenizer, *settings)))
    with pytest.raises(ValueError, match=f"transformers cannot take {said}.*modeling_mt.py does not hold it"):
        check_carried("transformers", plan)
