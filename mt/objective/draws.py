"""Numbers of a batch that depend on each pair alone, whatever part or rank has it: random ones, and digests."""

from __future__ import annotations

import torch
from torch import Tensor

# B batch, T length, N rows, X values of a row

_STEP = 0x9E3779B97F4A7C15 - (1 << 64)  # the golden ratio in 64 bits, as a signed number
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)


def uniform(keys_B: Tensor, length: int, *, stream: int = 0) -> Tensor:
    """numbers_BT in [0, 1), float32: number t of key b and `stream` by splitmix64 (Steele et al. 2014).

    Integer products overflow, as the generator needs it. Number t does not depend on `length`.
    """
    places_T = torch.arange(1, length + 1, device=keys_B.device) + (stream << 32)
    return (_mixed(keys_B.unsqueeze(1) + places_T * _STEP) >> 40 & 0xFFFFFF).float() / (1 << 24)


def between(keys_N: Tensor, keys_M: Tensor, *, stream: int = 0) -> Tensor:
    """numbers_NM above 0 and below 1, float32: one for each pair of keys."""
    mixed_M = _mixed(keys_M + torch.full_like(keys_M, stream + 1) * _STEP)
    return ((_mixed(keys_N.unsqueeze(1) ^ mixed_M) >> 40 & 0xFFFFFF).float() + 0.5) / (1 << 24)


def content_keys(values_NX: Tensor) -> Tensor:
    """keys_N (int64): equal for equal rows of whole numbers, and for others almost surely different.

    Each value times a fixed random number, summed modulo 2 ** 64. Zeros at the end change nothing.
    """
    places_X = torch.arange(1, values_NX.shape[1] + 1, device=values_NX.device)
    return (values_NX.long() * _mixed(places_X * _STEP)).sum(dim=1)


def _mixed(values: Tensor) -> Tensor:
    values = (values ^ _shifted(values, 30)) * _FIRST
    values = (values ^ _shifted(values, 27)) * _SECOND
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Shifted to the right, with zeros coming in: torch's own shift repeats the sign."""
    return values >> bits & (1 << 64 - bits) - 1
