"""Tests that use `way` run with every variant of the role that they name, in the ways that may differ for it."""

import inspect

import pytest
import torch

from mt.attention import dense
from mt.attention.contract import (
    CausalMixer,
    MemoryMixer,
    Mixer,
)
from mt.attention.dense import Dense
from tests.attention.table import VARIANTS, WAYS, WITH_AND_WITHOUT_GRADIENTS, H, K


def pytest_generate_tests(metafunc):
    """Each test with the variants of the role that it names, each in the ways that can make a difference to it."""
    if "way" not in metafunc.fixturenames:
        return
    roles = {"memory_mixer": MemoryMixer, "causal_mixer": CausalMixer, "mixer": Mixer}
    role = next((role for fixture, role in roles.items() if fixture in metafunc.fixturenames), None)
    if role is None:
        asks = "way" in inspect.signature(metafunc.function).parameters
        metafunc.parametrize("way", WAYS if asks else WITH_AND_WITHOUT_GRADIENTS, indirect=True)
        return
    made = {name: factory(H, K) for name, factory in VARIANTS.items()}
    pairs = [
        pytest.param(name, way, id=f"{way}-{name}")
        for name, mixer in made.items()
        if isinstance(mixer, role)
        for way in (WAYS if any(isinstance(part, Dense) for part in mixer.modules()) else WITH_AND_WITHOUT_GRADIENTS)
    ]
    metafunc.parametrize(("mixer", "way"), pairs, indirect=True)


@pytest.fixture
def way(request, monkeypatch):
    has_gradients, bounds = WAYS[request.param]
    for name, value in bounds.items():
        monkeypatch.setattr(dense, name, value)
    with torch.set_grad_enabled(has_gradients):
        yield


@pytest.fixture
def mixer(request):
    torch.manual_seed(0)
    return VARIANTS[request.param](H, K).eval()


@pytest.fixture
def memory_mixer(mixer):
    return mixer


@pytest.fixture
def causal_mixer(mixer):
    return mixer
