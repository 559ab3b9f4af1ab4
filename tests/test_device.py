"""What the libraries of a process are set up for."""

import os

import pytest
import torch

from mt import device
from mt.device import DECODING_PRODUCTS, KEPT_PRODUCTS, TRAINING_PRODUCTS, choose_precision, set_up_training
from mt.kernels import compiling


@pytest.mark.parametrize(
    "before, after",
    [(DECODING_PRODUCTS, TRAINING_PRODUCTS), ("7", "7")],
    ids=["as-for-decoding", "chosen-by-the-user"],
)
def test_training_keeps_few_products_unless_somebody_chose_a_number(monkeypatch, before, after):
    monkeypatch.setenv(KEPT_PRODUCTS, before)
    set_up_training()
    assert os.environ[KEPT_PRODUCTS] == after


@pytest.mark.parametrize("longest, does", [(1024, "keep_freed_memory"), (1025, "give_back_freed_memory")])
def test_only_lines_that_are_long_give_memory_back(monkeypatch, longest, does):
    done = []
    for name in ("keep_freed_memory", "give_back_freed_memory"):
        monkeypatch.setattr(device, name, lambda name=name: done.append(name))
    device.set_up_memory(torch.device("cpu"), longest=longest)
    device.set_up_memory(torch.device("cuda"), longest=longest)
    assert done == [does]


@pytest.mark.parametrize(
    "instructions, is_by_intel, chosen",
    [
        ({"avx512_bf16": True, "amx_bf16": True}, True, torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": False}, True, torch.float32),  # slower than float32 there
        ({"avx512_bf16": True, "amx_bf16": False}, False, torch.bfloat16),
        ({"avx2": True}, False, torch.float32),
        ({"bf16": True}, False, torch.bfloat16),  # Arm
    ],
)
def test_auto_is_bfloat16_only_where_products_are_faster_in_it(monkeypatch, instructions, is_by_intel, chosen):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    monkeypatch.setattr(compiling, "is_by_intel", lambda: is_by_intel)
    assert choose_precision("auto", torch.device("cpu")) is chosen
