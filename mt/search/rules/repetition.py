"""Prevents loops: no n-gram may appear twice in one hypothesis."""

import torch
from torch import Tensor

from mt.search.rules.rule import Rule

# N sentences, W hypotheses of each, R = N * W, T tokens so far, V vocabulary, J windows, G n-gram size - 1


class Repetition(Rule):
    """Forbids each token that would complete an n-gram of `size` tokens which its hypothesis already holds.

    size = 1 forbids every token already used.
    """

    def __init__(self, size: int):
        self.size = size

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        history_RT, log_probs_RV = history_NWT.flatten(0, 1), log_probs_NWV.view(-1, log_probs_NWV.shape[-1])
        size = self.size
        num_windows = history_RT.shape[1] - size + 1
        if num_windows < 1:
            return
        # an n-gram is "G tokens, then one more"; the "one more" is forbidden wherever these G are the last G tokens
        windows_RJG = history_RT.unfold(1, size, 1)[:, :, : size - 1]
        last_RG = history_RT[:, history_RT.shape[1] - size + 1 :]
        is_repeat_RJ = (windows_RJG == last_RG.unsqueeze(1)).all(-1)
        next_RJ = history_RT[:, size - 1 :]
        rows, windows = is_repeat_RJ.nonzero(as_tuple=True)
        log_probs_RV[rows, next_RJ[rows, windows]] = -torch.inf
