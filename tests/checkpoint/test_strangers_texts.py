"""Descriptions, settings and tokenizers of a strange checkpoint that are no such thing: each is refused in one line."""

from pathlib import Path

import pytest

from mt.checkpoint.folder import read_training
from mt.checkpoint.manifest import FILE_NAME
from mt.inference.aligner import Aligner
from tests.checkpoint.refusal import refused

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's count of memory")


@pytest.mark.parametrize(
    "name, size",
    [
        ("model.yaml", 2**19),
        ("search.yaml", 2**19),
        ("alignment.json", 2**21),
        (FILE_NAME, 2**21),
        ("scores.json", 2**21),
    ],
)
def test_a_huge_description_is_not_read(step, name, size):
    with open(step / name, "ab") as file:
        file.truncate(size)
    assert f"{name} has {size} bytes, must have" in refused(step, seal=False)


def test_a_huge_tokenizer_is_not_read(step):
    with open(step / "tokenizer.model", "ab") as file:
        file.truncate(2**40)
    assert "tokenizer.model has 1099511627776 bytes, must have 33554432 at most" in refused(step, seal=False)


BOMB = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10) if n else 'x'}]\n" for n in range(30))


@pytest.mark.parametrize("name", ["model.yaml", "search.yaml"])
@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a [*a]\n",
        "model: " + "[" * 100_000,
        "model: " + "{a: " * 40_000,
        "".join(" " * n + f"a{n}:\n" for n in range(500)),
        "a: " + "9" * 100_000,
        "a: " + ":59" * 50_000,
        "a: 2001-99-99\n",
        "a: !!int ''\n",
        "? [a, b]\n: c\n",
        "\0",
        "- a\n",
        "",
        "a: b: c\n",
    ],
    ids=[
        "bomb", "endless", "deep list", "deep mapping", "deep block", "long number", "sexagesimal", "no date",
        "no number", "key that is a list", "no text", "a list", "nothing", "no yaml",
    ],
)  # fmt: skip
def test_yaml_that_is_none_of_ours_is_one_line(step, name, text):
    (step / name).write_text(text)
    assert name in refused(step)


@pytest.mark.parametrize("name", [FILE_NAME, "alignment.json"])
@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 150_000, "9" * 100_000, "", "[]", "\0", '{"layer": 1e999, "heads": [], "shift": 0}'],
    ids=["deep list", "deep mapping", "long number", "nothing", "a list", "no text", "infinite"],
)
def test_json_that_is_none_of_ours_is_one_line(step, name, text):
    (step / name).write_text(text)
    assert name in refused(step, seal=name != FILE_NAME, load=lambda step: Aligner.load(step, device="cpu"))


def test_bytes_that_are_no_text_are_one_line(step):
    (step / "model.yaml").write_bytes(b"model: \xff\xfe\n")
    assert "model.yaml cannot be read" in refused(step)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 10**9},
        {"size": 10**6, "n_best": 10**6},
        {"min_length": 10**30},
        {"length_penalty": 1e308},
        {"length_penalty": float("nan")},
        {"length_penalty": float("inf")},
        {"bos": 10**9},
        {"eos": -5},
        {"size": "many"},
        {"_target_": "mt.search.sampling.Sampling", "n_best": 10**9},
        {"_target_": "mt.search.sampling.Sampling", "temperature": float("nan")},
        {"_target_": "mt.search.search.Workspace"},
        {"_target_": "mt.search.search.State"},
        {"_partial_": True},
    ],
    ids=str,
)
def test_a_search_that_would_take_all_memory_or_is_none_is_refused(step, edited, settings):
    edited("search.yaml", **{"_target_": "mt.search.beam.Beam", **settings})
    assert "search.yaml" in refused(step)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 1000, b"\x0a" + b"\xff" * 1000, b"not a model", "cut", "mixed up"],
    ids=["empty", "zeros", "lengths that lie", "text", "cut", "mixed up"],
)
def test_a_tokenizer_that_is_none_is_one_line(step, content):
    path = step / "tokenizer.model"
    whole = path.read_bytes()
    content = {"cut": whole[:300], "mixed up": whole[300:] + whole[:300]}.get(content, content)
    path.write_bytes(content)
    said = refused(step)
    assert "tokenizer.model" in said or "weights" in said or "shape" in said


def test_a_training_state_that_is_none_is_one_line(step):
    for text in ("[" * 200_000, "[]", '{"a": ' + "9" * 100_000 + "}"):
        (step / "training.json").write_text(text)
        assert "cannot be resumed from" in refused(step, load=read_training)
    (step / "training.json").unlink()
    (step / "training.json").symlink_to("/dev/zero")
    assert "must be a plain file" in refused(step, seal=False, load=read_training)
