"""A checkpoint may come from a stranger: it runs no code, touches no file, takes no memory that its weights do not bear
out, and whatever is wrong with it is one line. Every folder here has a true manifest, as a stranger's would."""

import ast
import json
import os
import struct
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from mt.checkpoint.folder import MODEL_PARTS, SEARCHES, load_checkpoint
from mt.checkpoint.manifest import FILE_NAME, verify
from mt.checkpoint.outline import Shape, outline_of
from mt.checkpoint.rebuild import build
from tests.checkpoint.refusal import refused
from tests.conftest import composed_settings

resource = pytest.importorskip("resource", reason="needs limits of a process")
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's count of memory")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def node(step):
    """The `model` of the folder's model.yaml."""
    return yaml.safe_load((step / "model.yaml").read_text())["model"]


# --- code


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "mt.data.whole_folder.write_whole",
        "mt.checkpoint.run_folder.RunFolder",
        "mt.training.trainer.TrainerSettings",
        "mt.model.layer.torch.load",
        "mt.model.layer.MultiHead",  # used there, defined elsewhere
        "mt.model.layer.checkpointed",
        "mt.attention.mask.causal_mask",
        "mt.search.beam.Beam",
        "mt.model.nothing.Nothing",
        "mt.model.layer.__builtins__",
        "mt.model.seq2seq.Seq2Seq.__init__",
        "mt.compression.save",
        "",
        "os.system\n\x1b[2Jpwned",
        "mt.model." + "x" * 10_000,
    ],
    ids=lambda target: ascii(target)[:40],
)
def test_a_model_names_classes_of_models_and_nothing_else(step, edited, node, target):
    evil = {"_target_": target, "path": "evil", "content": "x"}
    places = [{"model": evil}, {"model": {**node, "layer": evil}}, {"model": {**node, "more": [[{"deep": evil}]]}}]
    for place in [*places, {"model": node, "changes": [evil]}, {"model": node, "changes": [{"x": evil}]}]:
        edited("model.yaml", **place)
        assert "_target_ (" in refused(step)


@pytest.mark.parametrize(
    "target", ["os.system", "mt.search.sampling.sentence_generators", "mt.model.feed_forward.FeedForward"]
)
def test_a_search_names_classes_of_searches_and_nothing_else(step, edited, target):
    edited("search.yaml", _target_=target)
    assert f"_target_ ({target}) must be a public class inside mt.search" in refused(step)


@pytest.mark.parametrize("room", [package.split(".")[1] for package in (*MODEL_PARTS, *SEARCHES)])
def test_the_packages_that_may_be_named_reach_neither_files_nor_processes_nor_the_net(room):
    may_import = {"__future__", "collections", "dataclasses", "functools", "hashlib", "math", "torch", "typing"}
    for path in (ROOT / "mt" / room).glob("*.py"):
        for part in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
            names += [part.module] if isinstance(part, ast.ImportFrom) else []
            for name in names:
                # native operations are called by files of these rooms, and are of a room that cannot be named
                is_ours = name.startswith(("mt.attention", "mt.model", "mt.search", "mt.kernels."))
                assert is_ours or name.split(".")[0] in may_import, f"{path} imports {name}"
            called = part.func if isinstance(part, ast.Call) else None
            name = getattr(called, "id", getattr(called, "attr", ""))
            assert name not in {"open", "eval", "exec", "compile", "__import__", "load", "save", "system"}, path


def test_pickled_weights_are_not_unpickled(step, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'evil'}",)

    torch.save({"w": Evil()}, step / "model.safetensors")
    assert "cannot be read" in refused(step)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["model.yaml", "search.yaml"])
def test_yaml_makes_no_objects(step, tmp_path, name):
    (step / name).write_text(f"!!python/object/apply:os.system ['touch {tmp_path / 'evil'}']")
    assert "cannot be read" in refused(step)
    assert not (tmp_path / "evil").exists()


# --- names and places


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0b"], ids=ascii)
def test_a_manifest_names_files_of_its_folder(step, name):
    body = json.loads((step / FILE_NAME).read_text())
    body["files"][name] = {"bytes": 1, "sha256": "0"}
    (step / FILE_NAME).write_text(json.dumps(body))
    for load in (load_checkpoint, verify):
        assert "must be one of the folder itself" in refused(step, seal=False, load=load)


@pytest.mark.parametrize(
    "language", ["../../tmp/evil", "/etc/passwd", "", "a/b", "-rf\n", ".hidden", "a" * 999, 5, None]
)
def test_a_language_is_a_part_of_a_file_name(step, edited, language):
    for side in ("source_language", "target_language"):
        edited("model.yaml", source_language="de", target_language="en")
        edited("model.yaml", **{side: language})
        assert "must be letters, digits" in refused(step)


@pytest.mark.parametrize(
    "name", ["model.yaml", "model.safetensors", "tokenizer.model", "search.yaml", "alignment.json", FILE_NAME]
)
@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero", "nowhere", "scores.json"])
def test_a_link_is_not_followed(step, name, target):
    (step / name).unlink(missing_ok=True)
    (step / name).symlink_to(target)
    said = refused(step, seal=False)
    assert "must be a plain file, not a link or a device" in said or (
        "is not a checkpoint" in said and name == "model.yaml"
    )


def test_a_pipe_is_not_waited_for(step):
    (step / "alignment.json").unlink(missing_ok=True)
    os.mkfifo(step / "alignment.json")
    assert "must be a plain file" in refused(step, seal=False)


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_run_whose_links_lead_out_of_it_is_not_followed(step, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(step)
    with pytest.raises(ValueError, match=rf"run/{name} points outside the run, to {step}: name that folder itself"):
        load_checkpoint(tmp_path / "run")
    (tmp_path / "run" / name).rename(tmp_path / "a link of a user's own")
    load_checkpoint(tmp_path / "a link of a user's own")


# --- numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 2e7, -2e7], ids=str)
def test_weights_that_are_not_finite_or_overflow_are_refused(step, value):
    weights = load_file(step / "model.safetensors")
    name = sorted(weights)[-1]
    weights[name] = weights[name].double()
    weights[name].view(-1)[-1] = value
    save_file(weights, step / "model.safetensors")
    said = refused(step)
    assert f"model.safetensors: {name} holds " in said and "must be finite and 1e+06 at most" in said


# --- sizes


@pytest.mark.parametrize(
    "changes",
    [
        {"layer.dim": 10**9},
        {"layer.dim": 10**18},
        {"layer.dim": 10**30},
        {"layer.dim": -8},
        {"layer.dim": 2.5},
        {"layer.num_heads": 10**9},
        {"layer.feed_forward_dim": 10**12},
        {"layer.positions": "learned", "max_positions": 10**12},
        {"layer.positions": "learned", "max_positions": 10**18},
        {"encoder.num_layers": 10**6},
        {"encoder.num_layers": 10**30},
        {"decoder.num_layers": 10**6},
        {"encoder.num_layers": 2},
        {"layer.dropout": 10**400},
        {"layer.dropout": float("nan")},
        {"layer.norm": ["layer"]},
        {"layer": 5},
        {"layer": {}},
        {"encoder": "x"},
        {"encoder._partial_": False},
        {"_partial_": True},
        {"tie": "none"},
        {"pad": 10**9},
        {"pad": 10**30},
        {"source_vocab_size": 10**9, "layer.dim": 16},
        {"nonsense": 1},
    ],
    ids=lambda changes: " ".join(f"{name}={value}"[:40] for name, value in changes.items()),
)
def test_a_model_that_its_weights_do_not_bear_out_is_refused_before_it_takes_memory(step, edited, node, changes):
    for name, value in changes.items():
        *path, last = name.split(".")
        place = node
        for part in path:
            place = place[part]
        place[last] = value
    edited("model.yaml", model=node)
    said = refused(step)
    assert "model.yaml" in said or "model.safetensors" in said


def test_a_class_that_asks_for_much_beside_its_weights_is_refused(step, edited, node, monkeypatch):
    class Greedy(torch.nn.Module):
        def __init__(self, **settings):
            super().__init__()
            self.table = torch.zeros(settings["size"], settings["size"])

    Greedy.__module__, Greedy.__qualname__ = "mt.model.seq2seq", "Greedy"
    monkeypatch.setattr("mt.model.seq2seq.Greedy", Greedy, raising=False)
    edited("model.yaml", model={"_target_": "mt.model.seq2seq.Greedy", "size": 10**6})
    assert "far larger than its weight file" in refused(step)


def test_a_model_larger_than_the_machine_is_refused(step, monkeypatch):
    pages = os.sysconf
    monkeypatch.setattr(
        "os.sysconf", lambda name: 0 if name == "none" else 1 if name == "SC_PHYS_PAGES" else pages(name)
    )
    assert "of memory, this machine has 0" in refused(step)


@pytest.mark.parametrize("claimed", [2**20, 2**50])
def test_weights_whose_header_claims_more_than_there_is_are_refused(step, claimed):
    weights = load_file(step / "model.safetensors")
    name = sorted(weights)[0]
    save_file(weights, step / "model.safetensors")
    content = (step / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header[name]["shape"] = [claimed, claimed]
    text = json.dumps(header).encode()
    (step / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    assert "cannot be read" in refused(step)


# --- and what is sound is loaded


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny", "small", "base", "deep_shallow"])
@pytest.mark.parametrize(
    "more",
    [[], ["layer.norm=rms", "layer.positions=learned", "tie=none", "layer.activation=swiglu"]],
    ids=["", "variants"],
)
def test_every_model_of_ours_is_within_the_bounds(model, more):
    narrow = ["layer.dim=16", "layer.num_heads=4", "layer.feed_forward_dim=8"]
    node = composed_settings([f"model={model}", *(f"model.{setting}" for setting in (*narrow, *more))])["model"]

    def make():
        return build(node, source_vocab_size=100, target_vocab_size=100)

    weights = {name: Shape.of(weight) for name, weight in make().named_parameters()}
    assert outline_of(make, weights, Path("model.yaml")) == weights
