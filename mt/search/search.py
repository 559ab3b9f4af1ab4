"""What all search methods share: the step function, the settings, and which tokens are allowed next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from mt.search.hypothesis import Hypothesis
from mt.search.length_penalty import check_alpha
from mt.search.rules.banned import Banned
from mt.search.rules.length import LeastLength, Limit
from mt.search.rules.repetition import Repetition
from mt.search.rules.rule import Rule
from mt.search.rules.together import Rules

# N sentences in the batch, W hypotheses of each, R = N * W rows, T tokens so far, V vocabulary


class State(Protocol):
    """The state of a step function: one row per hypothesis; at the start one row per sentence."""

    def rows(self, index_R: Tensor, sentences_M: Tensor | None = None) -> Any:
        """The state whose row i is this one's row index_R[i]: selects, repeats and reorders hypotheses.

        `sentences_M` numbers the sentences that stay, among the current ones; None where all stay.
        """


Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""step(tokens_R, state) -> (logits_RV, state after those tokens). Row r belongs to sentence r // W."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Settings of every search method. Calling it searches; the methods are Greedy, Beam and Sampling.

    n_best           hypotheses returned for a sentence
    length_penalty   alpha of `length_penalty`; 0 ranks by plain log-probability
    min_length       tokens before EOS is allowed, EOS not counted; a sentence's length limit goes before it
    max_length       tokens allowed, EOS not counted, if less than the caller's limit; None: only the caller's limit
    no_repeat_ngram  n-grams of this size appear once at most in a hypothesis; 0: no such rule
    bos, eos         ids that start and end every sentence

    Forbidden tokens are left out, but probabilities are not renormalized: `log_prob` is the model's.
    """

    n_best: int = 1
    length_penalty: float = 0.0
    min_length: int = 0
    max_length: int | None = None
    no_repeat_ngram: int = 0
    bos: int = field(default=2, repr=False)
    eos: int = field(default=3, repr=False)

    def __post_init__(self):
        if self.n_best < 1:
            raise ValueError(f"n_best ({self.n_best}) must be at least 1")
        check_alpha("length_penalty", self.length_penalty)
        if self.min_length < 0:
            raise ValueError(f"min_length ({self.min_length}) must be at least 0")
        if self.max_length is not None and self.max_length < max(1, self.min_length):
            raise ValueError(f"max_length ({self.max_length}) must be at least 1 and min_length ({self.min_length})")
        if self.no_repeat_ngram < 0:
            raise ValueError(f"no_repeat_ngram ({self.no_repeat_ngram}) must be at least 0")

    def __call__(
        self,
        step: Step,
        state: State,
        *,
        max_lengths: Sequence[int],
        banned_ids: Sequence[int] = (),
        rules: Sequence[Rule] = (),
        generator=None,
    ) -> list[list[Hypothesis]]:
        """The n best hypotheses of each of N sentences, best first.

        max_lengths  N numbers: maximum tokens of each sentence's hypotheses, EOS not counted. A hypothesis of that many
                     tokens can only continue with EOS, with the probability that the model gives it there, so the step
                     function is called at most max_length + 1 times.
        banned_ids   tokens that never appear
        rules        more rules about which token may come next (`mt.search.rules`), for these N sentences
        generator    source of random numbers, for methods that draw any

        The first tokens are on `state.device` if the state has one, else on the CPU. The result for a sentence
        depends only on its own rows and limit, not on the batch. Fewer than n hypotheses only where no more exist;
        never none: where no token is allowed, one with log_prob -inf holds the tokens found so far.
        """
        raise NotImplementedError

    def rules(self, max_lengths: Sequence[int], banned_ids: Sequence[int], others: Sequence[Rule]) -> Rules:
        """The rules of one search: those of the settings and `others`; checks the caller's arguments."""
        if self.eos in banned_ids:
            raise ValueError(f"banned_ids holds {self.eos}, the id of EOS: no hypothesis could end")
        if min(max_lengths, default=0) < 0:
            raise ValueError(f"max_lengths ({min(max_lengths)}) must be at least 0")
        limits_N = torch.tensor(list(max_lengths), dtype=torch.long)
        if self.max_length is not None:
            limits_N = limits_N.clamp(max=self.max_length)
        own: list[Rule] = [Banned(banned_ids)] if banned_ids else []
        if self.no_repeat_ngram:
            own.append(Repetition(self.no_repeat_ngram))
        if self.min_length:
            own.append(LeastLength(self.min_length, limits_N, self.eos))
        return Rules((*own, *others), Limit(limits_N, self.eos))

    def allowed(
        self,
        logits_RV: Tensor,
        history_NWT: Tensor,
        sentences_N: Tensor,
        rules: Rules,
        workspace: Workspace,
        *,
        shares_places: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the next token, -inf where it is forbidden, and which hypotheses are being cut.

        `shares_places`: the search keeps places for hypotheses that have what the rules demand. Where it does not, a
        hypothesis follows the model, but takes a demanded token where the model would end, and where there is only
        room for what is demanded.

        Returns (log_probs_NWV in float32, valid until the workspace's next use,
        is_cut_NW: True at the length limit where EOS is not the likeliest token). Raises ValueError for NaN.
        """
        N, W, _ = history_NWT.shape
        log_probs_NWV = workspace.log_softmax(logits_RV).view(N, W, -1)
        check_is_number(log_probs_NWV)
        if shares_places or not rules.demands:
            return log_probs_NWV, rules.forbid(log_probs_NWV, history_NWT, sentences_N)
        ends_NW = log_probs_NWV[..., self.eos] == log_probs_NWV.amax(-1)
        is_cut_NW = rules.forbid(log_probs_NWV, history_NWT, sentences_N)
        rules.bring_forward(log_probs_NWV, history_NWT, sentences_N, ends_NW)
        return log_probs_NWV, is_cut_NW

    def hypothesis(self, ids: Sequence[int], totals: Sequence[float], *, is_finished: bool) -> Hypothesis:
        """The hypothesis of these ids, scored; `totals` are its log-probabilities after each token, EOS included."""
        return Hypothesis.of(ids, totals, alpha=self.length_penalty, is_finished=is_finished)

    def ended(self, ids: Sequence[int], totals: Sequence[float], *, is_cut: bool) -> Hypothesis:
        """The hypothesis of these ids, which ends here: by EOS, or because nothing was allowed."""
        return (
            self.impossible(ids) if totals[-1] == -torch.inf else self.hypothesis(ids, totals, is_finished=not is_cut)
        )

    def impossible(self, ids: Sequence[int]) -> Hypothesis:
        """The hypothesis of a sentence for which no token was allowed."""
        return Hypothesis.impossible(ids, alpha=self.length_penalty)


class Workspace:
    """Memory for log-probabilities, reused at every step: allocating it costs more time than filling it."""

    def __init__(self):
        self._memory_RV: Tensor | None = None

    def log_softmax(self, logits_RV: Tensor) -> Tensor:
        """Log-probabilities in float32, valid until the next call."""
        R, V = logits_RV.shape
        if self._memory_RV is None or len(self._memory_RV) < R:
            self._memory_RV = torch.empty(R, V, dtype=torch.float32, device=logits_RV.device)
        return torch.log_softmax(logits_RV, dim=-1, dtype=torch.float32, out=self._memory_RV[:R])


def first_tokens(state: State, num_sentences: int, bos: int) -> Tensor:
    """What every hypothesis starts from, one row a sentence."""
    return torch.full((num_sentences, 1), bos, dtype=torch.long, device=getattr(state, "device", None))


def check_is_number(log_probs_NWV: Tensor) -> None:
    """Raises ValueError for a model whose probabilities are NaN.

    One token shows it: a single NaN among the logits of a hypothesis makes all of its log-probabilities NaN. The best
    candidates would not show it: as bits (`top_candidates`), a NaN with a sign, which inf - inf gives on most
    processors, is below -inf.
    """
    if log_probs_NWV[..., 0].isnan().any():
        raise ValueError("the model gives probabilities that are not numbers (NaN): it is damaged or has diverged")
