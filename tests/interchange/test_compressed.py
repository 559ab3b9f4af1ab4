"""Pruned and rounded checkpoints, and students: exported as what they are, or refused by name."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mt.alignment.choice import Choice
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import add_file
from mt.export import main
from mt.interchange import browser_runtime
from mt.interchange.bounds import BOUNDS
from mt.interchange.measure import attention, scores
from mt.interchange.plan import plan_of
from mt.interchange.table import TARGETS
from mt.interchange.target import check_carried
from mt.prune import main as prune
from mt.quantize import main as quantize
from tests.conftest import made_once
from tests.interchange.conftest import fresh, written

HEADS, LAYERS = ["--cross-heads", "0.5", "--neurons", "0.25"], ["--layers", "decoder.0"]
COMPRESSED = {  # flags of mt.prune, and the precision of mt.quantize
    "heads and neurons": (HEADS, None),
    "a layer, heads and neurons": ([*HEADS, *LAYERS], None),  # and with it the choice of alignment.json
    "8 bits": ([], "int8"),
    "16 bits": ([], "bfloat16"),
    "heads and neurons, 8 bits": (HEADS, "int8"),
}
ZEROS = "changes: exact: removed heads are zeros, which take their room again"
FLOATS = "integers of 8 bits are multiplied out to float32"


@pytest.fixture
def files(corpus_folder):
    """The flags that name lines to measure with and their translations."""
    return ["--source", f"{corpus_folder}/test.de", "--reference", f"{corpus_folder}/test.en", "--limit", "12"]


@pytest.fixture
def compressed(trained_run, corpus_folder, tmp_path_factory):
    """name in COMPRESSED -> the checkpoint that the commands write of the trained one."""

    def make(name: str, folder: Path) -> None:
        pruning, bits = COMPRESSED[name]
        given, valid = trained_run, ["--source", f"{corpus_folder}/valid.de", "--target", f"{corpus_folder}/valid.en"]
        if pruning:
            out = folder / ("pruned" if bits else "step_000001")
            prune(["--checkpoint", str(given), "--output", str(out), *valid, *pruning])
            given = out
        if bits:
            quantize(["--checkpoint", str(given), "--output", str(folder / "step_000001"), "--to", bits])

    return lambda name: (
        made_once(tmp_path_factory, f"compressed {name}", lambda folder: make(name, folder)) / "step_000001"
    )


def needs(target):
    """Skips a test where the target's packages are missing."""
    if missing := [package for package in TARGETS[target].packages if find_spec(package) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    if target == "browser":
        if shutil.which("node") is None:
            pytest.skip("needs Node.js")
        try:
            browser_runtime.cached()
        except ValueError as error:
            pytest.skip(f"onnxruntime-web is not there: {error}")


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_compressed_is_exported_exactly(target, name, compressed, files, tmp_path):
    needs(target)
    assert main([target, "--checkpoint", str(compressed(name)), "--output", str(tmp_path / "x"), *files]) == 0
    body = json.loads((tmp_path / "x" / "certificate.json").read_text("utf-8"))
    assert body["verdict"] == "exact" and body["decoding"]["same_text"] == 12
    assert body["scores"]["max"] <= BOUNDS.nats and body["attention"]["max"] <= BOUNDS.attention


def test_8_bits_on_the_disk_stay_the_same_integers(compressed, files, tmp_path):
    needs("onnx")
    flags = ["onnx", "--checkpoint", str(compressed("8 bits")), *files]
    for name, more in (("float32", []), ("int8", ["--quantization", "int8"])):
        assert main([*flags, "--output", str(tmp_path / name), *more]) == 0
        body = json.loads((tmp_path / name / "certificate.json").read_text("utf-8"))
        assert body["verdict"] == "exact" and body["decoding"]["same_text"] == 12
    import onnx

    model = onnx.load(tmp_path / "int8" / "onnx" / "encoder_model.onnx")
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    ours = load_checkpoint(compressed("8 bits")).model.encoder.layers[0].feed_forward.up.matrix
    assert np.array_equal(stored["encoder.layers.0.feed_forward.up.int8"].T, ours.rows_OI.numpy())
    scale = stored["encoder.layers.0.feed_forward.up.scale"].ravel()
    np.testing.assert_allclose(scale, ours.scale_O.numpy(), rtol=1e-6)


def test_ctranslate2_rounds_to_the_same_integers(compressed):
    needs("ctranslate2")
    from mt.interchange.ctranslate2 import specification

    loaded = load_checkpoint(compressed("8 bits"))
    ours = loaded.model.encoder.layers[0].feed_forward.down.matrix.rows_OI.numpy().copy()
    plan = plan_of(loaded)
    spec, pieces = specification(plan), plan.tokenizers.source.pieces(range(plan.tokenizers.source.size))
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.validate()
    spec.optimize(quantization="int8")
    assert np.array_equal(spec.encoder.layer[0].ffn.linear_1.weight.numpy(), ours)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("heads and neurons", {target: ZEROS for target in TARGETS}),
        ("8 bits", {target: FLOATS for target in TARGETS}),
        ("8 bits", {"onnx": "; --quantization int8 writes the same integers\n"}),
        ("8 bits", {"ctranslate2": "the same integers, and rounds what they are multiplied with\n"}),
        ("heads and neurons, 8 bits", {"browser": f"{ZEROS}; {FLOATS}"}),
    ],
)
def test_what_says_what_becomes_of_each_change(name, said, compressed, capsys):
    main(["what", "--checkpoint", str(compressed(name))])
    lines = capsys.readouterr().out.splitlines(keepends=True)
    for target, words in said.items():
        assert any(line.startswith(f"{target}: changes: exact: ") and words in line for line in lines)
    assert f"{next(iter(said))}: takes this model\n" in "".join(lines) + "\n"


REMOVED = {"_target_": "mt.compression.pruning.remove_heads", "heads": {"decoder.layers.1.cross_attention": [0, 2]}}
ADDED = {"_target_": "mt.model.alignment_head.add_alignment_head", "layer": 1}


@pytest.mark.parametrize("changes", [[REMOVED, ADDED], [ADDED, REMOVED]], ids=["before", "after"])
@pytest.mark.parametrize(("layer", "heads"), [(3, (1, 2)), (1, (0, 3)), (0, (0, 1, 2, 3))])
def test_an_alignment_head_over_removed_heads_is_exported(changes, layer, heads, joint_tokenizer, tmp_path):
    needs("onnx")
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, changes=changes)
    add_file(checkpoint, "alignment.json", Choice(layer, heads, 0).to_json())
    engine, ours = written("onnx", checkpoint, tmp_path / "export")
    assert attention(engine, ours)["max"] <= BOUNDS.attention and scores(engine, ours)["max"] <= BOUNDS.nats


def test_a_choice_of_removed_heads_alone_is_refused(joint_tokenizer, tmp_path):
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, changes=[REMOVED])
    add_file(checkpoint, "alignment.json", Choice(1, (2,), 0).to_json())
    with pytest.raises(ValueError, match=r"alignments are read at heads \(2,\) of layer 1, which were removed"):
        plan_of(load_checkpoint(checkpoint))


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "browser"])
def test_a_portable_student_goes_everywhere(target, joint_tokenizer, tmp_path):
    checkpoint = fresh(tmp_path / "step_000001", joint_tokenizer, model="student_portable")
    plan = plan_of(load_checkpoint(checkpoint))
    for name in TARGETS:
        check_carried(name, plan)
    needs(target)
    engine, ours = written(target, checkpoint, tmp_path / "export")
    assert scores(engine, ours)["max"] <= BOUNDS.nats


@pytest.mark.parametrize(("model", "slot"), [("student_tiny", "ssru"), ("student_base", "ssru")])
@pytest.mark.parametrize("target", ["ctranslate2", "transformers"])
def test_recurrent_students_are_refused_with_the_targets_that_take_them(target, model, slot, joint_tokenizer, tmp_path):
    plan = plan_of(load_checkpoint(fresh(tmp_path / "step_000001", joint_tokenizer, model=model)))
    with pytest.raises(ValueError, match=rf"{target} cannot take decoder.self_attention \({slot} ") as refused:
        check_carried(target, plan)
    assert str(refused.value).endswith("; onnx and browser can take this model")
    assert "\n" not in str(refused.value)
