"""A guard against loops: no n-gram may appear twice in one hypothesis."""

import torch
from torch import Tensor

# R hypotheses, T tokens so far, V vocabulary, J windows, N n-gram size - 1


def forbid_repeated_ngrams(log_probs_RV: Tensor, history_RT: Tensor, size: int) -> None:
    """Set to -inf, in place, each token that would complete an n-gram of `size` tokens which its row already holds.

    size = 0 forbids nothing; size = 1 forbids every token already used.
    """
    num_windows = history_RT.shape[1] - size + 1
    if size < 1 or num_windows < 1:
        return
    # the n-grams so far are "N tokens, then one more"; forbidden is the "one more" wherever the N tokens are the last N
    windows_RJN = history_RT.unfold(1, size, 1)[:, :, : size - 1]
    last_N = history_RT[:, history_RT.shape[1] - size + 1 :]
    is_repeat_RJ = (windows_RJN == last_N.unsqueeze(1)).all(-1)
    next_RJ = history_RT[:, size - 1 :]
    rows, windows = is_repeat_RJ.nonzero(as_tuple=True)
    log_probs_RV[rows, next_RJ[rows, windows]] = -torch.inf
