"""What the libraries of a process are set up for."""

import os

import pytest
import torch

from mt.device import DECODING_PRODUCTS, KEPT_PRODUCTS, TRAINING_PRODUCTS, set_up_training


@pytest.mark.parametrize(
    "before, after",
    [(DECODING_PRODUCTS, TRAINING_PRODUCTS), ("7", "7")],
    ids=["as-for-decoding", "chosen-by-the-user"],
)
def test_training_keeps_few_products_unless_somebody_chose_a_number(monkeypatch, before, after):
    monkeypatch.setenv(KEPT_PRODUCTS, before)
    set_up_training(torch.device("cpu"), has_long_lines=False)
    assert os.environ[KEPT_PRODUCTS] == after
