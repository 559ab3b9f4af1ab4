"""The interface of rules: they forbid tokens at the next step, and may demand some in the target."""

from __future__ import annotations

from torch import Tensor

# N sentences still searched, W hypotheses of each, K hypotheses after this step, T tokens so far, V vocabulary,
# M sentences that stay, C choices of a hypothesis


class Rule:
    """Limits the next token. A rule is immutable: its memory of hypotheses is in the rule that `rows` returns.

    `sentences_N` (on the CPU) says which sentence of the caller's batch each entry is, so that a rule can store
    values per sentence in the caller's order. What a rule allows for a sentence must not depend on the others.
    """

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        """Sets to -inf, in place, each token that may not follow its hypothesis of `history_NWT`."""
        raise NotImplementedError

    def forced(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor | None:
        """ids_N: the only token that may follow, even if other rules forbid it; -1 where none is forced."""
        return None

    def rows(self, parents_NK: Tensor, stay_M: Tensor | None = None) -> Rule:
        """The rule for the next step, where hypothesis k continues hypothesis parents_NK[n, k].

        `stay_M` numbers the sentences that stay, among the current ones; None where all stay.
        """
        return self


class Demand(Rule):
    """A rule that also demands tokens. The beam shares its places by `progress` (Post and Vilar 2018)."""

    def needed(self, sentences_N: Tensor) -> Tensor:
        """count_N: how many tokens are demanded of each sentence."""
        raise NotImplementedError

    def progress(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        """count_NW: how many of the demanded tokens each hypothesis has; `needed` where the demand is met."""
        raise NotImplementedError

    def keep(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        """Sets to -inf, in place, tokens that would undo a hypothesis's progress.

        For searches with one hypothesis, which cannot keep an alternative.
        """

    def next_tokens(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        """ids_NWC: tokens that raise each hypothesis's progress by one; -1 where there are fewer than C."""
        raise NotImplementedError
