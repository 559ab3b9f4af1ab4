"""What an update holds is counted exactly, and parts of a batch tell what the whole would hold."""

import subprocess
import sys

import pytest
import torch

from mt.data.batching import Batch
from mt.data.source import Text
from mt.training.memory import LiveTensors, state_bytes, update_bytes

MEBIBYTE = 2**20


def batch_of(rows, length):
    ids_BS = torch.arange(rows * length).reshape(rows, length) % 50 + 4
    return Batch(
        source=Text(ids_BS),
        target_in_BT=ids_BS,
        target_out_BT=ids_BS,
        num_tokens=rows * length,
        indices=torch.arange(rows),
        keys_B=torch.arange(rows),
    )


@pytest.fixture
def update():
    """A stand-in for an update: activations that grow with the batch, gradients and a state that do not."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Embedding(64, 128), torch.nn.Linear(128, 512), torch.nn.ReLU())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)

    def run(batch):
        model(batch.source.ids_BS).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    run.model, run.optimizer = model, optimizer
    return run


def test_tensors_count_from_when_they_are_made_until_they_are_gone():
    outside = torch.zeros(MEBIBYTE // 4)
    with LiveTensors() as tensors:
        assert outside.view(2, -1).sum() == 0  # somebody else's memory, under another shape
        first = outside + 1
        assert tensors.live == pytest.approx(MEBIBYTE, abs=64)
        second = first.view(-1)  # the same memory
        third = first * 2
        assert tensors.live == pytest.approx(2 * MEBIBYTE, abs=64)
        del first, second, third
        assert tensors.live <= 64
    assert tensors.peak == pytest.approx(2 * MEBIBYTE, abs=64)


@pytest.mark.parametrize("rows", [64, 7, 2, 1])
def test_parts_of_a_batch_tell_what_the_whole_holds(update, rows):
    batch = batch_of(rows, 100)
    predicted = update_bytes(update, batch)
    with LiveTensors() as tensors:
        update(batch)
    assert predicted == pytest.approx(tensors.peak, rel=0.05)


def test_the_state_of_adam_is_twice_the_weights(update):
    assert state_bytes(update.optimizer) == 0
    update(batch_of(2, 5))
    weights = sum(parameter.nbytes for parameter in update.model.parameters())
    steps = 4 * len(list(update.model.parameters()))
    assert state_bytes(update.optimizer) == 2 * weights + steps


PEAKS = """
import torch
from mt.training.memory import held_bytes, peak_bytes

device = torch.device("cpu")
before = held_bytes(device)
with peak_bytes(device) as peak:
    torch.ones(200 * 2**20 // 4).sum()
with peak_bytes(device) as later:
    pass
if before is not None and peak:
    print((peak[0] - before) // 2**20, (later[0] - before) // 2**20)
"""


def test_the_peak_of_the_process_is_seen_and_forgotten():
    # in a process of its own: what this one has freed before may be used again
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    if not done.stdout:
        pytest.skip("this system does not say what a process holds, or does not count peaks anew")
    peak, later = map(int, done.stdout.split())
    assert 150 < peak < 300
    assert later < peak - 100
