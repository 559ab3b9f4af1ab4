"""Sampling: tokens drawn at random from the model's distribution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor

from mt.search.hypothesis import Hypothesis
from mt.search.search import Search, Workspace, first_tokens
from mt.search.temperature import COLDEST, HOTTEST

# N sentences still searched, W samples of each, T tokens so far, V vocabulary, C candidate tokens


@dataclass(frozen=True, kw_only=True)
class Sampling(Search):
    """Draws `n_best` samples of each sentence, independently, best score first; equal ones are kept.

    temperature  divides the logits first: below 1 bolder, above 1 more varied
    top_k        only this many likeliest tokens may be drawn; 0: all
    top_p        only the likeliest tokens that together reach this probability may be drawn; 1: all
                 (Holtzman et al. 2020); the likeliest token always stays
    epsilon      only tokens of at least this probability may be drawn, which the temperature does not change; 0: all
                 (Hewitt et al. 2022); the likeliest token always stays

    `log_prob` stays the model's own: without temperature and before tokens were left out.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    epsilon: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if not COLDEST <= self.temperature <= HOTTEST:
            rule = f"from {COLDEST:g} to {HOTTEST:g}; greedy search is the limit at 0"
            raise ValueError(f"temperature ({self.temperature}) must be {rule}")
        if self.top_k < 0:
            raise ValueError(f"top_k ({self.top_k}) must be at least 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p ({self.top_p}) must be above 0 and at most 1")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon ({self.epsilon}) must be from 0 to 1")

    @property
    def num_samples(self) -> int:
        """How many are drawn of each sentence."""
        return self.n_best

    @torch.inference_mode()
    def __call__(self, step, state, *, max_lengths, banned_ids=(), rules=(), generator=None) -> list[list[Hypothesis]]:
        """As for every `Search`. `generator` may be one torch.Generator (CPU), torch's own where it is None, or N.

        With one of its own for every sentence (`sentence_generators`), what is drawn does not depend on the batch.
        """
        rules = self.rules(max_lengths, banned_ids, rules)
        W = self.num_samples
        uniform_NWT = _uniform(rules.limit.limits_N.tolist(), W, generator)
        drawn: list[list[Hypothesis]] = [[] for _ in max_lengths]
        sentences_N = torch.arange(len(drawn))  # number in the caller's batch of each sentence still here
        tokens_NW = first_tokens(state, len(drawn), self.bos)
        totals_NW = tokens_NW.new_zeros(len(drawn), W, dtype=torch.float32)
        is_over_NW = tokens_NW.new_zeros(len(drawn), W, dtype=torch.bool)
        history_NWT = tokens_NW.new_empty(len(drawn), 1, 0)
        totals_NWT = totals_NW.new_empty(len(drawn), W, 0)  # log-probability after each token
        workspace = Workspace()

        while len(sentences_N):
            N, width, length = history_NWT.shape

            # 1. Run the model; after the first step every sentence has a row for each of its samples.
            logits_RV, state = step(tokens_NW.flatten(), state)
            device = logits_RV.device
            history_NWT, totals_NW, is_over_NW = history_NWT.to(device), totals_NW.to(device), is_over_NW.to(device)
            totals_NWT = totals_NWT.to(device)
            log_probs_NWV, is_cut_NW = self.allowed(logits_RV, history_NWT, sentences_N, rules, workspace)
            rows_NW = torch.arange(N * width, device=device).view(N, width).expand(N, W)
            history_NWT, is_cut_NW = history_NWT.expand(N, W, length), is_cut_NW.expand(N, W)
            log_probs_NWV = log_probs_NWV.expand(N, W, -1)

            # 2. Draw. Finished samples repeat EOS for free, so that the batch keeps its shape.
            tokens_NW = self.draw(log_probs_NWV, uniform_NWT[:, :, length].to(device))
            log_prob_NW = log_probs_NWV.gather(-1, tokens_NW.unsqueeze(-1)).squeeze(-1)
            tokens_NW = tokens_NW.masked_fill(is_over_NW, self.eos)
            totals_NW = totals_NW + log_prob_NW.masked_fill(is_over_NW, 0.0)
            totals_NWT = torch.cat([totals_NWT, totals_NW.unsqueeze(-1)], dim=-1)

            # 3. Keep the samples that end here.
            ends_NW = ((tokens_NW == self.eos) | (totals_NW == -torch.inf)) & ~is_over_NW
            n_of, w_of = ends_NW.nonzero(as_tuple=True)
            for n, ids, totals, is_cut in zip(
                n_of.tolist(),
                history_NWT[n_of, w_of].tolist(),
                totals_NWT[n_of, w_of].tolist(),
                is_cut_NW[n_of, w_of].tolist(),
                strict=True,
            ):
                drawn[sentences_N[n]].append(self.ended(ids, totals, is_cut=is_cut))
            is_over_NW = is_over_NW | ends_NW
            history_NWT = torch.cat([history_NWT, tokens_NW.unsqueeze(-1)], dim=-1)

            # 4. Sentences whose samples are all finished leave the batch.
            is_open_N = ~is_over_NW.all(-1)
            if is_open_N.all():
                if width != W:
                    state = state.rows(rows_NW.flatten())
                rules = rules.rows(rows_NW % width)
                continue
            stay_M = is_open_N.nonzero()[:, 0]
            on_cpu_M = stay_M.cpu()
            sentences_N, uniform_NWT = sentences_N[on_cpu_M], uniform_NWT[on_cpu_M]
            tokens_NW, totals_NW, is_over_NW = tokens_NW[stay_M], totals_NW[stay_M], is_over_NW[stay_M]
            history_NWT, totals_NWT = history_NWT[stay_M], totals_NWT[stay_M]
            rules = rules.rows(rows_NW[stay_M] % width, stay_M)
            if len(stay_M):
                state = state.rows(rows_NW[stay_M].flatten(), stay_M)
        for samples in drawn:
            samples.sort(key=lambda hypothesis: -hypothesis.score)
        return drawn

    def draw(self, log_probs_NWV: Tensor, uniform_NW: Tensor) -> Tensor:
        """One token for each row, by inverting the distribution at a number in [0, 1): tokens_NW.

        Candidates are in order of probability where some are left out, else in order of their ids.
        """
        if self.epsilon:
            least_NW1 = log_probs_NWV.amax(-1, keepdim=True).clamp(max=math.log(self.epsilon))
            log_probs_NWV = log_probs_NWV.masked_fill(log_probs_NWV < least_NW1, -torch.inf)
        scaled_NWC = log_probs_NWV / self.temperature
        ids_NWC = None
        if self.top_k or self.top_p < 1:
            V = scaled_NWC.shape[-1]
            scaled_NWC, ids_NWC = scaled_NWC.topk(min(self.top_k or V, V), dim=-1)
        # the maximum is subtracted before exp, so that only rows where nothing is allowed have zero probability
        greatest_NW1 = scaled_NWC.amax(-1, keepdim=True).clamp(min=torch.finfo(torch.float32).min)
        summed_NWC = (scaled_NWC - greatest_NW1).exp().cumsum(-1)
        whole_NW1 = summed_NWC[..., -1:].clone()
        if self.top_p < 1:
            # up to and including the first candidate that reaches top_p
            last_NW1 = (summed_NWC < self.top_p * whole_NW1).sum(-1, keepdim=True).clamp(max=summed_NWC.shape[-1] - 1)
            whole_NW1 = summed_NWC.gather(-1, last_NW1)
        # strictly below the sum, so that rounding never picks a token of probability 0
        aim_NW1 = torch.minimum(uniform_NW.unsqueeze(-1) * whole_NW1, whole_NW1.nextafter(torch.zeros_like(whole_NW1)))
        place_NW1 = torch.searchsorted(summed_NWC, aim_NW1, right=True).clamp(max=summed_NWC.shape[-1] - 1)
        return (place_NW1 if ids_NWC is None else ids_NWC.gather(-1, place_NW1)).squeeze(-1)


def sentence_generators(seed: int, numbers: Sequence[int | str]) -> list[torch.Generator]:
    """A generator for each sentence, from the seed and the sentence's number (or name) in its text."""
    digests = [blake2b(f"{seed} {number}".encode(), digest_size=4).digest() for number in numbers]
    return [torch.Generator().manual_seed(int.from_bytes(digest, "big")) for digest in digests]


def _uniform(limits: list[int], width: int, generator) -> Tensor:
    """Every random number that the search will need, in [0, 1): each sentence's from its own generator."""
    generators = list(generator) if isinstance(generator, Sequence) else [generator] * len(limits)
    assert len(generators) == len(limits), (len(generators), len(limits))
    uniform_NWT = torch.zeros(len(limits), width, max(limits, default=0) + 1)
    for n, (limit, own) in enumerate(zip(limits, generators, strict=True)):
        # sample by time, transposed, so that a shorter limit draws the same first numbers
        uniform_NWT[n, :, : limit + 1] = torch.rand(limit + 1, width, generator=own).T
    return uniform_NWT
