"""How long a hypothesis may be and must be; EOS is not counted."""

import torch
from torch import Tensor

from mt.search.rules.rule import Rule

# N sentences still searched, W hypotheses of each, T tokens so far, V vocabulary, A sentences at their limit


class LeastLength(Rule):
    """Forbids EOS before `min_length` tokens; a sentence's own length limit has priority."""

    def __init__(self, min_length: int, limits_N: Tensor, eos: int):
        self.least_N, self.eos = limits_N.clamp(max=min_length), eos

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        is_short_N = self.least_N[sentences_N] > history_NWT.shape[-1]
        if is_short_N.any():
            log_probs_NWV[is_short_N.nonzero()[:, 0].to(log_probs_NWV.device), :, self.eos] = -torch.inf


class Limit(Rule):
    """Forbids all tokens but EOS after as many tokens as a sentence may have (`limits_N`, on the CPU)."""

    def __init__(self, limits_N: Tensor, eos: int):
        self.limits_N, self.eos = limits_N, eos

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        self.cut(log_probs_NWV, history_NWT, sentences_N)

    def cut(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        """The same; returns is_cut_NW: True at the limit where a token other than EOS was the likeliest one left."""
        N, W, T = history_NWT.shape
        is_cut_NW = torch.zeros(N, W, dtype=torch.bool, device=log_probs_NWV.device)
        at_limit_A = (self.limits_N[sentences_N] == T).nonzero()[:, 0].to(log_probs_NWV.device)
        if len(at_limit_A):
            eos_AW = log_probs_NWV[at_limit_A, :, self.eos]
            is_cut_NW[at_limit_A] = log_probs_NWV[at_limit_A].amax(-1) > eos_AW
            log_probs_NWV[at_limit_A] = -torch.inf
            log_probs_NWV[at_limit_A, :, self.eos] = eos_AW
        return is_cut_NW
