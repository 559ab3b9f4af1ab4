"""Attention without the rest of mt: what it exports, and the worked examples."""

import os
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

import mt.attention
from mt.attention import CausalMixer, EncoderMixer, KeyValueMemory, KeyValueMixer, MemoryMixer, Mixer

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "attention_examples.py"
CONFIGS = sorted((ROOT / "configs" / "attention").glob("*.yaml"))
ROLES = {Mixer, EncoderMixer, MemoryMixer, CausalMixer, KeyValueMemory, KeyValueMixer}


@pytest.fixture(scope="module")
def examples():
    return runpy.run_path(str(SCRIPT))


def test_importing_it_imports_nothing_else_of_mt_but_the_operations():
    code = "import sys; from mt.attention import Dense, MultiHead; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("mt.")}
    # mt/__init__.py, whatever is imported, sets how threads wait
    assert {name for name in ours if name.split(".")[1] not in ("attention", "kernels")} == {"mt.cores"}
    assert "mt.attention.dense" in ours


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_variant_that_can_be_chosen_is_exported(config):
    module, _, name = yaml.safe_load(config.read_text("utf-8"))["_target_"].rpartition(".")
    assert getattr(mt.attention, name).__module__ == module


def test_every_variant_that_is_exported_is_among_the_examples(examples):
    exported = {x for x in vars(mt.attention).values() if isinstance(x, type) and issubclass(x, Mixer)} - ROLES
    shown = {make.func if isinstance(make, partial) else make for make in examples["VARIANTS"].values()}
    assert exported == shown


def test_the_examples_hold_and_show_every_variant(examples, capsys):
    examples["main"]()
    printed = capsys.readouterr().out
    *_, caches, _, maps, own = printed.split("\n----")
    for name in examples["VARIANTS"]:
        assert name in caches and name in maps
    assert own.count("@@") == len(examples["LINKS"])  # a row has one best key
    assert printed.isascii() and max(map(len, printed.splitlines())) <= 120
