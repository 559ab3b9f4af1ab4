"""Which tests are slow: those that start a process or a server, train a model, write an export for an engine or drive
a browser, themselves or in a fixture."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests import children

STARTS_PROCESSES = (subprocess, children.Fork, children.ForkOfCommand, children.run, children.run_ranks)
TAKES_LONG = {
    ("mt.train", "main"),
    ("mt.compare_attention", "main"),
    ("mt.doctor", "main"),
    ("mt.training.trainer", "Trainer"),
    ("mt.training.trial", "run_trial"),
    ("mt.training.updater", "Updater"),
    ("mt.comparison.costs", "measure_alone"),
    ("mt.data.workers", "map_in_order"),
    ("mt.data.workers", "Workers"),
    ("mt.inference.spread", "in_order"),
    ("mt.alignment.statistical_aligner", "StatisticalAligner"),
    ("mt.evaluation.systems", "ask"),
    ("tests.alignment.known", "train"),
    ("tests.browser", "chromium"),
    ("tests.interchange.conftest", "written"),
    ("tests.interchange.test_onnx", "assert_equal"),
}
FIXTURES = {"trained_run", "model_of", "with_server", "hub"}  # these import what they need when they run

_quick: set[FunctionType] = set()  # functions that reach nothing of the above


def is_slow(item: pytest.Function) -> bool:
    """Whether a test, a fixture of it, or a function of the tests that one of them calls does what takes long."""
    if FIXTURES & set(item.fixturenames):
        return True
    definitions = item._fixtureinfo.name2fixturedefs.values()
    seen: set[FunctionType] = set()
    fixtures = [definition.func for each in definitions for definition in each]
    found = any(_takes_long(function, seen) for function in (item.function, *fixtures))
    if not found:
        _quick.update(seen)
    return found


def _takes_long(function: Any, seen: set[FunctionType]) -> bool:
    if not isinstance(function, FunctionType) or function in seen or function in _quick:
        return False
    seen.add(function)
    names = set(_names(function.__code__))
    if {"os", "fork"} <= names:
        return True
    used = [function.__globals__.get(name) for name in names]
    if any(one is slow for one in used for slow in STARTS_PROCESSES):
        return True
    if any((getattr(one, "__module__", None), getattr(one, "__name__", None)) in TAKES_LONG for one in used):
        return True
    if any(isinstance(one, ModuleType) and (one.__name__, "main") in TAKES_LONG for one in used):
        return True
    return any(_takes_long(one, seen) for one in used if str(getattr(one, "__module__", "")).startswith("tests"))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
