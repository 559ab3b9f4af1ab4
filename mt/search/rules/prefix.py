"""The target begins with given tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.search.rules.rule import Rule

# N sentences still searched, A all sentences of the batch, P longest prefix, T tokens so far, V vocabulary


class Prefix(Rule):
    """Each sentence's target begins with its own ids; none of them may be EOS. After them everything is allowed.

    Prefix tokens are exempt from other rules, such as the one about repetition, but not from the length limit.
    """

    def __init__(self, prefixes: Sequence[Sequence[int]]):
        longest = max(map(len, prefixes), default=0)
        self.ids_AP = torch.tensor([[*ids, *[-1] * (longest - len(ids))] for ids in prefixes], dtype=torch.long)

    def forced(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor | None:
        T = history_NWT.shape[-1]
        return self.ids_AP[sentences_N, T] if self.ids_AP.shape[1] > T else None

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        ids_N = self.forced(history_NWT, sentences_N)
        for n, id_ in enumerate([] if ids_N is None else ids_N.tolist()):
            if id_ >= 0:
                kept_W = log_probs_NWV[n, :, id_].clone()
                log_probs_NWV[n] = -torch.inf
                log_probs_NWV[n, :, id_] = kept_W
