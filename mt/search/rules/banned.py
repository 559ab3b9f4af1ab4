"""Tokens that never appear."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.search.rules.rule import Rule


class Banned(Rule):
    """Forbids some ids everywhere: padding, the unknown piece, BOS."""

    def __init__(self, ids: Sequence[int]):
        self.ids = list(ids)

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        log_probs_NWV[..., self.ids] = -torch.inf
