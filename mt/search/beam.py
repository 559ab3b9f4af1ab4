"""Beam search: the best few hypotheses of every length, until none of them can win."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from mt.search.candidates import top_candidates
from mt.search.hypothesis import Hypothesis
from mt.search.length_penalty import length_penalty
from mt.search.places import shared_candidates
from mt.search.search import Search, Workspace, first_tokens

# N sentences still searched, W hypotheses of each (slots), K slots after this step, T tokens so far, V vocabulary


@dataclass(frozen=True, kw_only=True)
class Beam(Search):
    """Beam search with `size` hypotheses a sentence; every other setting is explained in `Search`.

    Each step keeps the `size` likeliest continuations of a sentence. Those that end in EOS move to its pool,
    the others are continued, again to `size` of them. A sentence is done when no unfinished hypothesis can still beat
    the n-th best of the pool: log-probabilities only fall, and the length penalty divides by at most its value
    at the most favourable length still possible. So stopping early never changes the result; size 1 is greedy
    search; and a size that holds every hypothesis is exhaustive search.
    """

    size: int = 5
    length_penalty: float = 0.6

    def __post_init__(self):
        super().__post_init__()
        if self.size < 1:
            raise ValueError(f"size ({self.size}) must be at least 1")
        if self.n_best > self.size:
            raise ValueError(f"n_best ({self.n_best}) must be at most size ({self.size})")

    @torch.inference_mode()
    def __call__(self, step, state, *, max_lengths, banned_ids=(), rules=(), generator=None) -> list[list[Hypothesis]]:
        rules = self.rules(max_lengths, banned_ids, rules)
        limits_N, shares_places = rules.limit.limits_N, bool(rules.demands) and self.size > 1
        pools: list[list[Hypothesis]] = [[] for _ in max_lengths]
        sentences_N = torch.arange(len(pools))  # number in the caller's batch of each sentence still here
        to_beat_N = torch.full((len(pools),), -torch.inf, dtype=torch.float64)  # n-th best score of each pool

        tokens_NW = first_tokens(state, len(pools), self.bos)
        totals_NW = torch.zeros_like(tokens_NW, dtype=torch.float32)  # log-probability so far; -inf in an empty slot
        history_NWT = tokens_NW.new_empty(len(pools), 1, 0)
        totals_NWT = totals_NW.new_empty(len(pools), 1, 0)  # log-probability after each token
        workspace = Workspace()

        while len(sentences_N):
            N, W, length = history_NWT.shape

            # 1. Run the model on all hypotheses, and leave out what is forbidden.
            logits_RV, state = step(tokens_NW.flatten(), state)
            device = logits_RV.device
            history_NWT, totals_NW, totals_NWT = history_NWT.to(device), totals_NW.to(device), totals_NWT.to(device)
            step_inputs = logits_RV, history_NWT, sentences_N, rules, workspace
            log_probs_NWV, is_cut_NW = self.allowed(*step_inputs, shares_places=shares_places)

            # 2. Keep the likeliest continuations of each sentence.
            if shares_places:
                best = shared_candidates(log_probs_NWV, totals_NW, self.size, rules, history_NWT, sentences_N)
            else:
                best = top_candidates(log_probs_NWV, totals_NW, self.size)
            del logits_RV, step_inputs  # large: the next step can reuse its memory
            sentence_N1 = torch.arange(N, device=device).unsqueeze(1)
            history_NWT = history_NWT[sentence_N1, best.parents_NK]
            totals_NWT = torch.cat([totals_NWT[sentence_N1, best.parents_NK], best.totals_NK.unsqueeze(-1)], dim=-1)

            # 3. Move those that end and are good enough to the pool; their slots stay empty for a step.
            is_eos_NK = best.tokens_NK == self.eos
            scores_NK = best.totals_NK.cpu().double() / length_penalty(length + 1, self.length_penalty)
            is_new_NK = is_eos_NK.cpu() & (scores_NK > to_beat_N.unsqueeze(1))
            if is_new_NK.any():
                self._set_aside(is_new_NK, best, history_NWT, totals_NWT, is_cut_NW, sentences_N, pools, to_beat_N)
            totals_NW = best.totals_NK.masked_fill(is_eos_NK, -torch.inf)

            # 4. See which sentences can still gain: the shortest or the longest ending is the most favourable.
            longest_N = limits_N + 1
            shortest_N = longest_N.clamp(max=max(length + 2, self.min_length + 1))
            divisor_N = torch.maximum(
                length_penalty(shortest_N.double(), self.length_penalty),
                length_penalty(longest_N.double(), self.length_penalty),
            )
            can_gain_N = totals_NW.amax(-1).cpu().double() / divisor_N > to_beat_N

            # 5. Hypotheses that continue take over their parents' rows; sentences that are done leave the batch.
            history_NWT = torch.cat([history_NWT, best.tokens_NK.unsqueeze(-1)], dim=-1)
            tokens_NW = best.tokens_NK
            rows_NK = sentence_N1 * W + best.parents_NK
            if can_gain_N.all():
                state, rules = state.rows(rows_NK.flatten()), rules.rows(best.parents_NK)
                continue
            for n in (~can_gain_N).nonzero()[:, 0].tolist():
                if not pools[sentences_N[n]]:  # nothing was allowed to end
                    ids = history_NWT[n, 0, :-1].tolist()
                    pools[sentences_N[n]].append(self.impossible(ids))
            stay_M = can_gain_N.nonzero()[:, 0]
            sentences_N, limits_N, to_beat_N = sentences_N[stay_M], limits_N[stay_M], to_beat_N[stay_M]
            if len(stay_M):
                stay_M = stay_M.to(device)
                history_NWT, tokens_NW, totals_NW = history_NWT[stay_M], tokens_NW[stay_M], totals_NW[stay_M]
                totals_NWT = totals_NWT[stay_M]
                state = state.rows(rows_NK[stay_M].flatten(), stay_M)
                rules = rules.rows(best.parents_NK[stay_M], stay_M)
        return pools

    def _set_aside(self, is_new_NK, best, history_NKT, totals_NKT, is_cut_NW, sentences_N, pools, to_beat_N) -> None:
        """Put new finished hypotheses into the pools, n best in each, and raise the scores to beat."""
        n_of, k_of = is_new_NK.to(history_NKT.device).nonzero(as_tuple=True)
        all_ids = history_NKT[n_of, k_of].tolist()
        all_cut = is_cut_NW[n_of, best.parents_NK[n_of, k_of]].tolist()
        for n, ids, totals, is_cut in zip(
            n_of.tolist(), all_ids, totals_NKT[n_of, k_of].tolist(), all_cut, strict=True
        ):
            pool = pools[sentences_N[n]]
            pool.append(self.hypothesis(ids, totals, is_finished=not is_cut))
            pool.sort(key=lambda hypothesis: -hypothesis.score)  # stable: of two equals the earlier stays first
            del pool[self.n_best :]
            if len(pool) == self.n_best:
                to_beat_N[n] = pool[-1].score


def adjusted(
    search: Search, *, beam_size: int | None = None, length_penalty: float | None = None, n_best: int | None = None
) -> Search:
    """`search` with a user's options; None leaves a setting as it is.

    With a beam size, any method becomes a beam search that keeps the other settings.
    """
    options = {"size": beam_size, "length_penalty": length_penalty, "n_best": n_best}
    changes: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if not isinstance(search, Beam) and "size" in changes:
        shared = {field.name: getattr(search, field.name) for field in fields(Search)}
        return Beam(**{**shared, **changes})
    return replace(search, **changes)
