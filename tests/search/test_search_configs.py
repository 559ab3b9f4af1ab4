"""The YAML files of the search group: each builds, names every setting, and explains it."""

import dataclasses
import importlib
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "search"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_lists_every_setting_at_its_default(path):
    node = yaml.safe_load(path.read_text("utf-8"))
    module, _, name = node.pop("_target_").rpartition(".")
    method = getattr(importlib.import_module(module), name)
    assert method(**node) == method()
    settings = {field.name for field in dataclasses.fields(method)} - {"bos", "eos"}
    if path.stem == "greedy":
        settings.remove("n_best")  # always 1
    assert set(node) == settings
    assert all("  # " in line for line in path.read_text("utf-8").splitlines()[1:])


def test_all_three_methods_are_there():
    assert {path.stem for path in FOLDER.glob("*.yaml")} >= {"beam", "greedy", "sampling"}
