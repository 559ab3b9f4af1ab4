"""Combines all rules of a search into one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mt.search.rules.length import Limit
from mt.search.rules.rule import Demand, Rule

# N sentences still searched, W hypotheses of each, K hypotheses after this step, T tokens so far, V vocabulary


@dataclass
class Rules:
    """The rules, and the length limit, which has priority over all of them.

    `is_due_NW`: hypotheses that were given a demanded token by the last `bring_forward`.
    """

    rules: tuple[Rule, ...]
    limit: Limit
    is_due_NW: Tensor | None = None

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The rules that also demand tokens."""
        return tuple(rule for rule in self.rules if isinstance(rule, Demand))

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        """Sets what is forbidden to -inf, in place, and returns is_cut_NW (`Limit.cut`)."""
        where = history_NWT, sentences_N
        forced = [ids_N for rule in self.rules if (ids_N := rule.forced(*where)) is not None]
        kept = [_values(log_probs_NWV, ids_N) for ids_N in forced]
        for rule in self.rules:
            rule.forbid(log_probs_NWV, *where)
        for places_M, ids_M, values_MW in kept:
            if len(places_M):
                log_probs_NWV[places_M] = -torch.inf
                log_probs_NWV[places_M, :, ids_M] = values_MW
        return self.limit.cut(log_probs_NWV, *where)

    def rows(self, parents_NK: Tensor, stay_M: Tensor | None = None) -> Rules:
        """The rules for the next step; see `Rule.rows`."""
        is_due_NK = self.is_due_NW
        if is_due_NK is not None:
            is_due_NK = (is_due_NK if stay_M is None else is_due_NK[stay_M]).gather(1, parents_NK)
        return Rules(tuple(rule.rows(parents_NK, stay_M) for rule in self.rules), self.limit, is_due_NK)

    def bring_forward(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor, ends_NW: Tensor) -> None:
        """Leaves only demanded tokens, in place, where the model would end (`ends_NW`) or room is short.

        A phrase that was begun in this way is also completed. For searches that share no places.
        """
        device, V = log_probs_NWV.device, log_probs_NWV.shape[-1]
        (N, W, T), where = history_NWT.shape, (history_NWT, sentences_N)
        for rule in self.demands:
            rule.keep(log_probs_NWV, *where)
        next_NWC = self.next_tokens(*where).to(device)
        C, needed_N1 = next_NWC.shape[-1], self.needed(sentences_N).to(device)[:, None]
        room_N1 = (self.limit.limits_N[sentences_N] - T).to(device)[:, None]
        parents_NW = torch.arange(W, device=device).expand(N, W)
        # what would be missing after one more token that no rule demands, here EOS
        rest_NW = needed_N1 - self.progress_after(*where, parents_NW, torch.full_like(parents_NW, self.limit.eos))
        missing_NW = needed_N1 - self.progress(*where)
        is_due_NW = ends_NW | (room_N1 <= rest_NW)
        if self.is_due_NW is not None:
            is_due_NW = is_due_NW | (self.is_due_NW & (rest_NW > missing_NW))
        is_due_NW &= missing_NW > 0
        self.is_due_NW = is_due_NW
        if not is_due_NW.any():
            return
        values_NWC = log_probs_NWV.gather(-1, next_NWC.clamp(min=0)).masked_fill(next_NWC < 0, -torch.inf)
        is_due_NW = is_due_NW & (values_NWC > -torch.inf).any(-1)  # other rules may forbid all of them
        # those with the most progress: a phrase that has begun is continued
        parents_NC = parents_NW.repeat_interleave(C, dim=1)
        progress_NWC = self.progress_after(*where, parents_NC, next_NWC.clamp(min=0).flatten(1)).view(N, W, C)
        progress_NWC = progress_NWC.masked_fill(values_NWC == -torch.inf, -1)
        values_NWC = values_NWC.masked_fill(progress_NWC < progress_NWC.amax(-1, keepdim=True), -torch.inf)
        n_of, w_of = is_due_NW.nonzero(as_tuple=True)
        only_MV = log_probs_NWV.new_full((len(n_of), V), -torch.inf)
        only_MV.scatter_reduce_(-1, next_NWC[n_of, w_of].clamp(min=0), values_NWC[n_of, w_of], "amax")
        log_probs_NWV[n_of, w_of] = only_MV

    def needed(self, sentences_N: Tensor) -> Tensor:
        """count_N: tokens that all rules together demand."""
        return torch.stack([rule.needed(sentences_N) for rule in self.demands]).sum(0)

    def progress(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        """count_NW: how many of them each hypothesis has."""
        return torch.stack([rule.progress(history_NWT, sentences_N) for rule in self.demands]).sum(0)

    def progress_after(self, history_NWT: Tensor, sentences_N: Tensor, parents_NC: Tensor, tokens_NC: Tensor) -> Tensor:
        """count_NC: the progress of hypotheses parents_NC with one more token each."""
        history_NCT = history_NWT[torch.arange(len(history_NWT), device=history_NWT.device)[:, None], parents_NC]
        history_NCT = torch.cat([history_NCT, tokens_NC.unsqueeze(-1)], dim=-1)
        return self.rows(parents_NC).progress(history_NCT, sentences_N)

    def next_tokens(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        """ids_NWC: the tokens that raise each hypothesis's progress; -1 where there is none."""
        return torch.cat([rule.next_tokens(history_NWT, sentences_N) for rule in self.demands], dim=-1)


def _values(log_probs_NWV: Tensor, ids_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Places of the sentences with a forced token, these tokens, and their log-probabilities."""
    places_M = (ids_N >= 0).nonzero()[:, 0].to(log_probs_NWV.device)
    ids_M = ids_N.to(log_probs_NWV.device)[places_M]
    return places_M, ids_M, log_probs_NWV[places_M, :, ids_M].clone()
