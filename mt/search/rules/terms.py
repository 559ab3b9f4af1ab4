"""Demands that the target contains given phrases."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mt.search.rules.rule import Demand

# N sentences still searched, A all sentences of the batch, W hypotheses of each, T tokens so far, V vocabulary,
# C phrases of a sentence, L tokens of the longest phrase


class Terms(Demand):
    """Each phrase (a sequence of ids) must occur in the target of its sentence as often as its count says.

    `phrases` has for each sentence its phrases and their counts. A phrase that is followed by one of `continuing_V`
    does not count: such a token continues the same word. Two different phrases may share tokens. EOS is forbidden
    until the demand is met.
    """

    def __init__(self, phrases: Sequence[Mapping[tuple[int, ...], int]], *, eos: int, continuing_V: Tensor):
        most = max(map(len, phrases), default=0)
        longest = max((len(ids) for of_sentence in phrases for ids in of_sentence), default=0)
        self.ids_ACL = torch.full((len(phrases), most, longest), -1)
        self.lengths_AC = torch.zeros(len(phrases), most, dtype=torch.long)
        self.counts_AC = torch.zeros(len(phrases), most, dtype=torch.long)
        for a, of_sentence in enumerate(phrases):
            for c, (ids, count) in enumerate(of_sentence.items()):
                assert len(ids) and eos not in ids, ids
                self.ids_ACL[a, c, : len(ids)] = torch.tensor(ids)
                self.lengths_AC[a, c], self.counts_AC[a, c] = len(ids), count
        self.eos, self.continuing_V = eos, continuing_V

    def needed(self, sentences_N: Tensor) -> Tensor:
        return (self.lengths_AC * self.counts_AC).sum(-1)[sentences_N]

    def forbid(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        missing_NWC = self._state(history_NWT, sentences_N)[0]
        is_open_NW = (missing_NWC > 0).any(-1)
        log_probs_NWV[..., self.eos] = log_probs_NWV[..., self.eos].masked_fill(is_open_NW, -torch.inf)

    def progress(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        missing_NWC, begun_NWC = self._state(history_NWT, sentences_N)
        lengths_NC, needed_N = self._of(self.lengths_AC, sentences_N, history_NWT), self.needed(sentences_N)
        met_NW = needed_N.to(history_NWT.device)[:, None] - (missing_NWC * lengths_NC[:, None]).sum(-1)
        # only one phrase is in progress at a time
        return met_NW + (begun_NWC.amax(-1) if begun_NWC.shape[-1] else 0)

    def next_tokens(self, history_NWT: Tensor, sentences_N: Tensor) -> Tensor:
        missing_NWC, begun_NWC = self._state(history_NWT, sentences_N)
        ids_NCL = self._of(self.ids_ACL, sentences_N, history_NWT)
        N, W = history_NWT.shape[:2]
        ids_NWC = ids_NCL[:, None].expand(N, W, -1, -1).gather(-1, begun_NWC.unsqueeze(-1)).squeeze(-1)
        return ids_NWC.masked_fill(missing_NWC == 0, -1)

    def keep(self, log_probs_NWV: Tensor, history_NWT: Tensor, sentences_N: Tensor) -> None:
        if not history_NWT.shape[-1]:
            return
        # any token that continues the word undoes a phrase that ends here
        some = int(self.continuing_V.long().argmax())
        after_NWT = torch.cat([history_NWT, torch.full_like(history_NWT[..., :1], some)], dim=-1)
        before_NWC, after_NWC = (self._state(of, sentences_N)[0] for of in (history_NWT, after_NWT))
        n_of, w_of = (after_NWC > before_NWC).any(-1).nonzero(as_tuple=True)
        is_kept_V = self.continuing_V.to(log_probs_NWV.device)
        log_probs_NWV[n_of, w_of] = log_probs_NWV[n_of, w_of].masked_fill(is_kept_V, -torch.inf)

    def _of(self, all_A: Tensor, sentences_N: Tensor, history_NWT: Tensor) -> Tensor:
        return all_A[sentences_N].to(history_NWT.device)

    def _state(self, history_NWT: Tensor, sentences_N: Tensor) -> tuple[Tensor, Tensor]:
        """How often each phrase is still missing, and how many tokens of a missing one the end holds (both NWC)."""
        ids_NCL, lengths_NC, counts_NC = (
            self._of(all_A, sentences_N, history_NWT) for all_A in (self.ids_ACL, self.lengths_AC, self.counts_AC)
        )
        (N, W, T), L = history_NWT.shape, ids_NCL.shape[-1]
        continuing_V = self.continuing_V.to(history_NWT.device)
        found_NWC = history_NWT.new_zeros(N, W, ids_NCL.shape[1])
        begun_NWC = found_NWC.clone()
        for length in range(1, min(L, T) + 1):
            windows_NWJL = history_NWT.unfold(-1, length, 1)
            is_equal_NWCJ = (windows_NWJL[:, :, None] == ids_NCL[:, None, :, None, :length]).all(-1)
            # a prefix of a phrase at the end of the hypothesis: the phrase has begun
            is_beginning_NWC = is_equal_NWCJ[..., -1] & (lengths_NC > length)[:, None]
            begun_NWC = torch.where(is_beginning_NWC, length, begun_NWC)
            # a following token that continues the word makes the phrase a part of another word
            is_equal_NWCJ[..., :-1] &= ~continuing_V[history_NWT[:, :, None, length:]]
            is_whole_NWCJ = is_equal_NWCJ & (lengths_NC == length)[:, None, :, None]
            found_NWC += is_whole_NWCJ.sum(-1)
        missing_NWC = (counts_NC[:, None] - found_NWC).clamp(min=0)
        return missing_NWC, begun_NWC.masked_fill(missing_NWC == 0, 0)
