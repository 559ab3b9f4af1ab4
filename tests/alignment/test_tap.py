"""The tap keeps what the decoder hands it, step by step or all at once."""

import pytest
import torch

from mt.alignment.tap import Tap

B, L, H, T, S = 3, 2, 4, 5, 7


@pytest.fixture
def weights_BLHTS():
    return torch.rand(B, L, H, T, S, generator=torch.Generator().manual_seed(0))


def record(tap, weights_BLHTS, steps):
    for start, stop in steps:
        for layer in range(L):
            if tap.needs(layer):
                tap.record(layer, weights_BLHTS[:, layer, :, start:stop])


@pytest.mark.parametrize(
    "steps", [[(0, 5)], [(t, t + 1) for t in range(5)], [(0, 2), (2, 5)]], ids=["one", "each", "two"]
)
def test_steps_join_to_what_one_step_gives(weights_BLHTS, steps):
    tap = Tap()
    record(tap, weights_BLHTS, steps)
    assert torch.equal(tap.weights(), weights_BLHTS)


def test_only_the_chosen_layers_are_kept(weights_BLHTS):
    tap = Tap([1])
    record(tap, weights_BLHTS, [(0, 5)])
    assert [tap.needs(0), tap.needs(1)] == [False, True]
    assert torch.equal(tap.weights(), weights_BLHTS[:, 1:])


def test_rows_commutes_with_recording(weights_BLHTS):
    index = torch.tensor([2, 0, 0])
    before, after = Tap(), Tap()
    record(before, weights_BLHTS, [(0, 2)])
    before = before.rows(index)
    record(before, weights_BLHTS[index], [(2, 5)])
    record(after, weights_BLHTS[index], [(0, 5)])
    assert torch.equal(before.weights(), after.weights())


def test_gives_float32_without_a_graph():
    tap = Tap()
    tap.record(0, torch.ones(1, 1, 1, 1, dtype=torch.bfloat16, requires_grad=True))
    assert tap.weights().dtype == torch.float32
    assert not tap.weights().requires_grad


def test_a_layer_that_never_came_is_named(weights_BLHTS):
    tap = Tap([0, 5])
    record(tap, weights_BLHTS, [(0, 5)])
    with pytest.raises(ValueError, match=r"\[5\]"):
        tap.weights()
    with pytest.raises(ValueError, match="at all"):
        Tap().weights()
