"""Translating without torch: the same text, and whatever the native code does not have is left to torch."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import FILE_NAME as MANIFEST
from mt.checkpoint.manifest import write_manifest
from mt.checkpoint.steps import WEIGHTS, find_step
from mt.checkpoint.tensor_file import TensorFile, write_tensors
from mt.inference.job import Job
from mt.inference.native import NativeTranslator, _plan
from mt.inference.options import Options
from mt.inference.searching import plan_of, search_of
from mt.inference.translator import Translator
from mt.inference.window import Window
from mt.kernels.decoding import can_translate
from mt.prune import main as prune
from mt.search.beam import Beam
from mt.shortlist import main as shortlist

pytestmark = pytest.mark.skipif(not can_translate("float32"), reason="no native code here")

OPTIONS = Options(device="cpu")
LINES = ["one two three", "", "two two two four", "five six seven eight nine one", "x", " ".join(["three"] * 300)]


@pytest.fixture
def folder(trained_run, tmp_path):
    """A copy of the trained step, which may be changed."""
    return Path(shutil.copytree(find_step(trained_run), tmp_path / "step"))


def changed(folder, **values):
    """The step with other values at the top of model.yaml or of its `model`."""
    path = folder / "model.yaml"
    body = yaml.safe_load(path.read_text("utf-8"))
    for name, value in values.items():
        (body if name in body else body["model"])[name] = value
    path.write_text(yaml.safe_dump(body), "utf-8")
    return signed(folder)


def signed(folder):
    (folder / MANIFEST).unlink()
    write_manifest(folder, {})
    return folder


def weights_of(folder):
    """Copies: the file will be overwritten."""
    return {name: weight.clone() for name, weight in TensorFile(folder / WEIGHTS).items()}


def rows(folder, options, lines=LINES):
    return Job([folder], options)(Window(0, lines))


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        replace(OPTIONS, beam_size=1),
        replace(OPTIONS, n_best=3),
        replace(OPTIONS, beam_size=3, length_penalty=1.5, min_length=2, max_length=7, batch_tokens=10),
    ],
    ids=["as it is", "greedy", "n-best", "lengths"],
)
def test_native_text_and_notes_are_those_of_torch(trained_run, options, monkeypatch):
    assert NativeTranslator.load([trained_run], options) is not None
    found = rows(trained_run, options)
    monkeypatch.setattr(NativeTranslator, "load", lambda *_: None)
    by_torch = Job([trained_run], options)
    by_torch.load().native = None
    expected = by_torch(Window(0, LINES))
    assert (found.text, found.notes) == (expected.text, expected.notes)


def test_a_translator_of_python_searches_natively_and_finds_the_same(trained_run):
    translator = Translator.load(trained_run, device="cpu")
    assert translator.native is not None
    found = list(translator.translate(LINES, search=Beam(n_best=2)))
    translator.native = None
    expected = list(translator.translate(LINES, search=Beam(n_best=2)))
    assert [one.text for one in found] == [one.text for one in expected]
    assert [[c.parts[0].ids for c in one.candidates if c.parts] for one in found] == [
        [c.parts[0].ids for c in one.candidates if c.parts] for one in expected
    ]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-3)


@pytest.mark.parametrize(
    "more",
    [
        *({"alignment": True}, {"markup": True}, {"coverage": True, "json": True}, {"sample": True}, {"prefix": "a"}),
        *({"no_repeat_ngram": 2}, {"trees": "file"}, {"device": "cuda"}, {"precision": "no"}),
        {"mbr": 4},
        *({"beam_size": 2, "n_best": 3}, {"min_length": 9, "max_length": 3}, {"length_penalty": 99.0}),
    ],
    ids=str,
)
def test_what_native_code_does_not_have_is_left_to_torch(trained_run, more):
    assert NativeTranslator.load([trained_run], replace(OPTIONS, **more)) is None


def test_several_checkpoints_are_one_model(trained_run, folder, monkeypatch):
    other = weights_of(folder)
    torch.manual_seed(3)
    for weight in other.values():
        weight += torch.randn_like(weight) * 0.02
    write_tensors(folder / WEIGHTS, other)
    both = [trained_run, signed(folder)]
    native = NativeTranslator.load(both, OPTIONS)
    assert native is not None and len(native._native._members) == 2
    found = Job(both, OPTIONS)(Window(0, LINES)).text
    monkeypatch.setattr(NativeTranslator, "load", lambda *_: None)
    translator = Translator.load(*both, device="cpu")
    assert translator.native is not None and len(translator.native._members) == 2
    monkeypatch.setattr("mt.inference.translator.NativeSearch.together", lambda _: None)
    assert Translator.load(*both, device="cpu").native is None
    assert found == Job(both, OPTIONS)(Window(0, LINES)).text  # by torch
    assert found != rows(trained_run, OPTIONS).text


def test_an_ensemble_of_other_vocabularies_is_left_to_torch(trained_run, folder, monkeypatch):
    tokenizers = iter([b"one", b"another"])
    monkeypatch.setattr("mt.inference.native._vocabularies", lambda _: next(tokenizers))
    assert NativeTranslator.load([trained_run, folder], OPTIONS) is None


def test_an_ensemble_with_shortlists_is_left_to_torch(folder):
    options = replace(OPTIONS, shortlist=True)
    lines = "".join(f"{line}\n" for line in LINES[:4])
    (folder.parent / "text").write_text(lines, "utf-8")
    text = str(folder.parent / "text")
    assert shortlist(["--checkpoint", str(folder), "--source", text, "--target", text]) == 0
    assert NativeTranslator.load([folder], options) is not None
    assert NativeTranslator.load([folder, folder], options) is None


def test_links_come_with_the_same_text(trained_run):
    text = rows(trained_run, OPTIONS, LINES[:1]).text
    both = rows(trained_run, replace(OPTIONS, alignment=True), LINES[:1]).text
    assert both.split("\t")[0] == text.removesuffix("\n")
    assert both.count("\t") == 1 and "-" in both


@pytest.mark.parametrize(
    "slot, target",
    [
        (("encoder", "self_attention"), "mt.attention.linear.Linear"),
        (("decoder", "self_attention"), "mt.attention.average.Average"),
        (("decoder", "cross_attention"), "mt.attention.top_k.TopK"),
    ],
)
def test_other_attention_is_left_to_torch(folder, slot, target):
    body = yaml.safe_load((folder / "model.yaml").read_text("utf-8"))["model"]
    body[slot[0]][slot[1]]["_target_"] = target
    changed(folder, **{slot[0]: body[slot[0]]})
    assert NativeTranslator.load([folder], OPTIONS) is None


def test_a_changed_model_and_an_unknown_setting_are_left_to_torch(folder):
    layer = yaml.safe_load((folder / "model.yaml").read_text("utf-8"))["model"]["layer"]
    for values in (
        {"changes": [{"_target_": "mt.x.y"}]},
        {"layer": {**layer, "new": 1}},
        {"layer": {**layer, "dim": 40}},
    ):
        before = (folder / "model.yaml").read_text("utf-8")
        assert NativeTranslator.load([changed(folder, **values)], OPTIONS) is None
        (folder / "model.yaml").write_text(before, "utf-8")
    assert NativeTranslator.load([signed(folder)], OPTIONS) is not None


def test_a_pruned_checkpoint_is_translated_natively_and_as_by_torch(folder, tmp_path, corpus_folder, monkeypatch):
    texts = ["--source", str(corpus_folder / "valid.de"), "--target", str(corpus_folder / "valid.en")]
    pruned = tmp_path / "pruned"
    flags = ["--heads", "0.3", "--neurons", "0.4"]
    assert prune(["--checkpoint", str(folder), "--output", str(pruned), *texts, *flags]) == 0
    assert "remove_heads" in (find_step(pruned) / "model.yaml").read_text("utf-8")
    assert NativeTranslator.load([pruned], OPTIONS) is not None
    found = rows(pruned, OPTIONS)
    monkeypatch.setattr(NativeTranslator, "load", lambda *_: None)
    by_torch = Job([pruned], OPTIONS)
    by_torch.load().native = None
    assert found.text == by_torch(Window(0, LINES)).text


def test_a_checkpoint_whose_changes_are_not_those_of_its_weights_is_left_to_torch(folder):
    heads = {"decoder.layers.0.cross_attention": [0]}
    changed(folder, changes=[{"_target_": "mt.compression.pruning.remove_heads", "heads": heads}])
    assert NativeTranslator.load([folder], OPTIONS) is None
    with pytest.raises(ValueError, match="has shape"):
        Job([folder], OPTIONS).load()


@pytest.mark.parametrize("value", [float("nan"), 1e9])
def test_weights_that_cannot_be_are_refused_with_the_message_of_torch(folder, value):
    weights = weights_of(folder)
    name = next(name for name in weights if name.endswith("up.weight"))
    weights[name][0, 0] = value
    write_tensors(folder / WEIGHTS, weights)
    with pytest.raises(ValueError, match=f"{name} holds"):
        Job([signed(folder)], OPTIONS).load()


def test_a_missing_weight_and_half_precision_are_left_to_torch(folder):
    weights = weights_of(folder)
    write_tensors(folder / WEIGHTS, {name: weight.half() for name, weight in weights.items()})
    assert NativeTranslator.load([signed(folder)], OPTIONS) is None
    assert NativeTranslator.load([folder], OPTIONS) is None
    weights.popitem()
    write_tensors(folder / WEIGHTS, weights)
    assert NativeTranslator.load([signed(folder)], OPTIONS) is None
    with pytest.raises(ValueError, match="lacks the weight"):
        Job([folder], OPTIONS).load()


def test_damage_is_found_before_anything_is_translated(folder):
    path = folder / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Job([folder], OPTIONS).load()


@pytest.mark.parametrize("target", ["Beam", "Greedy"])
@pytest.mark.parametrize("stored", [{}, {"n_best": 1, "length_penalty": 1.0}, {"min_length": 3}, {"max_length": 40}])
@pytest.mark.parametrize(
    "flags", [{}, {"beam_size": 3}, {"beam_size": 1}, {"n_best": 7}, {"length_penalty": 0.0, "max_length": 5}], ids=str
)
def test_the_search_of_checkpoint_and_options_is_read_as_torch_reads_it(folder, target, stored, flags):
    node = {"_target_": f"mt.search.{target.lower()}.{target}", **stored}
    (folder / "search.yaml").write_text(yaml.safe_dump(node), "utf-8")
    options = replace(OPTIONS, **flags)
    expected = plan_of(search_of(options, load_checkpoint(signed(folder)).search))
    assert _plan(options, folder / "search.yaml") == expected


def test_the_search_of_no_file_is_that_of_torch(tmp_path):
    assert _plan(OPTIONS, tmp_path / "search.yaml") == plan_of(search_of(OPTIONS, Beam()))


def test_one_sentence_is_translated_without_torch(trained_run):
    code = (
        "import sys\nfrom mt.translate import main\n"
        f"main(['--checkpoint', {str(trained_run)!r}, '--device', 'cpu', 'one two'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == rows(trained_run, OPTIONS, ["one two"]).text


def test_native_arrays_are_those_of_the_file(trained_run):
    from mt.checkpoint.array_file import read_arrays

    arrays = read_arrays(find_step(trained_run) / WEIGHTS)
    tensors = TensorFile(find_step(trained_run) / WEIGHTS)
    assert arrays.keys() == set(tensors)
    assert all(np.array_equal(array, tensors[name].numpy()) for name, array in arrays.items())
    assert all(tensors[name].dtype == torch.float32 for name in tensors)
