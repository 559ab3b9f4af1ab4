"""Greedy search: the likeliest token at every step."""

from dataclasses import dataclass

import torch

from mt.search.candidates import top_candidates
from mt.search.hypothesis import Hypothesis
from mt.search.search import Search, Workspace, first_tokens

# N sentences still searched, T tokens so far, V vocabulary; every sentence has one hypothesis


@dataclass(frozen=True, kw_only=True)
class Greedy(Search):
    """Takes the likeliest token at every step until it is EOS; the same as a beam of size 1, and faster.

    The length penalty changes the reported score, not the result.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.n_best != 1:
            raise ValueError(f"n_best ({self.n_best}) must be 1: greedy search finds one hypothesis, a beam several")

    @torch.inference_mode()
    def __call__(self, step, state, *, max_lengths, banned_ids=(), rules=(), generator=None) -> list[list[Hypothesis]]:
        rules = self.rules(max_lengths, banned_ids, rules)
        found: list[list[Hypothesis]] = [[] for _ in max_lengths]
        sentences_N = torch.arange(len(found))  # number in the caller's batch of each sentence still here
        tokens_N1 = first_tokens(state, len(found), self.bos)
        totals_N1 = torch.zeros_like(tokens_N1, dtype=torch.float32)
        history_N1T = tokens_N1.new_empty(len(found), 1, 0)
        totals_N1T = totals_N1.new_empty(len(found), 1, 0)  # log-probability after each token
        workspace = Workspace()

        while len(sentences_N):
            # 1. Run the model, leave out what is forbidden, take the likeliest token.
            logits_NV, state = step(tokens_N1.flatten(), state)
            history_N1T, totals_N1T = history_N1T.to(logits_NV.device), totals_N1T.to(logits_NV.device)
            log_probs_N1V, is_cut_N1 = self.allowed(logits_NV, history_N1T, sentences_N, rules, workspace)
            best = top_candidates(log_probs_N1V, totals_N1.to(logits_NV.device), 1)
            tokens_N1, totals_N1 = best.tokens_NK, best.totals_NK
            totals_N1T = torch.cat([totals_N1T, totals_N1.unsqueeze(-1)], dim=-1)

            # 2. Sentences that end leave the batch; so do those for which nothing was allowed.
            is_over_N = ((tokens_N1 == self.eos) | (totals_N1 == -torch.inf))[:, 0]
            over = is_over_N.nonzero()[:, 0]
            for n, ids, totals, is_cut in zip(
                over.tolist(),
                history_N1T[over, 0].tolist(),
                totals_N1T[over, 0].tolist(),
                is_cut_N1[over, 0].tolist(),
                strict=True,
            ):
                found[sentences_N[n]].append(self.ended(ids, totals, is_cut=is_cut))
            history_N1T = torch.cat([history_N1T, tokens_N1.unsqueeze(-1)], dim=-1)
            if len(over):
                stay_M = (~is_over_N).nonzero()[:, 0]
                sentences_N = sentences_N[stay_M.cpu()]
                tokens_N1, totals_N1, history_N1T = tokens_N1[stay_M], totals_N1[stay_M], history_N1T[stay_M]
                totals_N1T = totals_N1T[stay_M]
                if len(stay_M):
                    state = state.rows(stay_M, stay_M)
            rules = rules.rows(torch.zeros_like(tokens_N1), stay_M if len(over) else None)
        return found
