"""Minimum risk: a finished model is trained on how bad its own best translations are (Shen et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mt.data.batching import Batch
from mt.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.label_smoothing import check_settings, plain_cross_entropy
from mt.objective.teacher_forcing import teacher_forcing
from mt.objective.two_passes import check_weight, summed
from mt.search.beam import Beam
from mt.search.utilities import UTILITIES
from mt.similarity import SIMILARITIES

# B sentences, R rows: the candidates of all sentences, T target length, N real tokens of all rows, V vocabulary


class MinimumRisk:
    """cross_entropy * CE + sum over sentences of tokens * sum over candidates of Q(candidate) * (1 - utility / 100).

    Candidates are the reference and the different ones among the `candidates` best of a beam, found without dropout and
    without gradients. Q is the softmax of their mean log-probabilities a token (Edunov et al. 2018), utility the
    sentence chrF or BLEU against the reference, and tokens the reference's, so that the length of a gradient compares
    with that of other objectives. CE is the label-smoothed cross-entropy of the references, which keeps the model near
    them. "nats" is that of the references; "risk" comes with it, the mean over sentences of 1 - utility / 100 under Q.

    For a few hundred updates of a finished model (`start_from`), at a low rate: each update searches.
    """

    searches = True

    def __init__(
        self,
        *,
        candidates: int = 8,
        utility: str = "chrf",
        cross_entropy: float = 0.3,
        smoothing: float = 0.1,
        chunk_tokens: int = 512,
    ):
        check_settings(smoothing, chunk_tokens)
        check_weight("cross_entropy", cross_entropy, "0.3 is usual")
        if candidates < 2:
            raise ValueError(f"objective.candidates ({candidates}) must be at least 2: translations are compared")
        if utility not in UTILITIES:
            raise ValueError(f"objective.utility ({utility}) must be one of {', '.join(UTILITIES)}")
        self.cross_entropy, self.smoothing, self.chunk_tokens = cross_entropy, smoothing, chunk_tokens
        self._similarity = SIMILARITIES[utility]
        self._beam = Beam(size=candidates, n_best=candidates)
        self._tokenizer: Tokenizer | None = None

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        states_ND, targets_N = teacher_forcing(model, batch)
        smoothed, plain = summed(partial(self._cross_entropy, model.output), (states_ND, targets_N), self.chunk_tokens)
        candidates = self._candidates(model, batch)
        tokens_B = (batch.target_out_BT != PAD).sum(dim=1)
        risk_B = self._risk(model, batch, candidates)
        is_real_B = tokens_B > 0
        return Loss(
            self.cross_entropy * smoothed + (risk_B * tokens_B).sum(),
            {"nats": plain.detach(), "risk": risk_B[is_real_B].sum().detach()},
            {"risk": is_real_B.sum()},
        )

    def check(self, model: Seq2Seq) -> None:
        """Every model will do."""

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """All will do. Keeps the target's, which spells the translations whose utility counts."""
        self._tokenizer = tokenizers.target

    @torch.no_grad()
    def _candidates(self, model: Seq2Seq, batch: Batch) -> list[list[tuple[int, ...]]]:
        """The candidates of each sentence, the reference first."""
        references = [tuple(id_ for id_ in ids if id_ not in (PAD, EOS)) for ids in batch.target_out_BT.tolist()]
        limits = [len(ids) + len(ids) // 2 + 5 for ids in references]
        if model.max_length is not None:
            limits = [min(limit, model.max_length - 1) for limit in limits]
        # in float32, so that the candidates do not depend on how a batch is cut into parts
        with _evaluating(model), torch.autocast(batch.target_out_BT.device.type, enabled=False):
            found = self._beam(model.step, model.start(batch.source), max_lengths=limits, banned_ids=(PAD, UNK, BOS))
        return [
            list(dict.fromkeys([ids, *(one.ids for one in best)])) for ids, best in zip(references, found, strict=True)
        ]

    def _risk(self, model: Seq2Seq, batch: Batch, candidates: Sequence[Sequence[tuple[int, ...]]]) -> Tensor:
        """risk_B: the mean of 1 - utility / 100 under Q."""
        device = batch.target_out_BT.device
        owner_R = torch.tensor([place for place, of_row in enumerate(candidates) for _ in of_row], device=device)
        risks_R = torch.tensor(self._risks(candidates), device=device)
        scores_R = self._mean_log_probs(model, batch, owner_R, [ids for of_row in candidates for ids in of_row])
        lowest_B = scores_R.new_full((len(candidates),), -torch.inf)
        highest_B = lowest_B.scatter_reduce(0, owner_R, scores_R.detach(), "amax")
        weights_R = (scores_R - highest_B[owner_R]).exp()
        zeros_B = torch.zeros_like(highest_B)
        return zeros_B.index_add(0, owner_R, weights_R * risks_R) / zeros_B.index_add(0, owner_R, weights_R)

    def _risks(self, candidates: Sequence[Sequence[tuple[int, ...]]]) -> list[float]:
        """1 - utility / 100 of each row."""
        assert self._tokenizer is not None, "check_tokenizers comes before training"
        risks = []
        for of_row in candidates:
            reference, *others = (self._tokenizer.decode(ids) for ids in of_row)
            risks += [1 - utility / 100 for utility in self._similarity.to(reference, [reference, *others])]
        return risks

    def _mean_log_probs(self, model: Seq2Seq, batch: Batch, owner_R: Tensor, rows: Sequence[tuple[int, ...]]) -> Tensor:
        """scores_R: the mean log-probability of each row's tokens, EOS included."""
        longest = max(map(len, rows)) + 1
        in_RT = torch.tensor([[BOS, *ids] + [PAD] * (longest - len(ids) - 1) for ids in rows], device=owner_R.device)
        out_RT = torch.tensor([[*ids, EOS] + [PAD] * (longest - len(ids) - 1) for ids in rows], device=owner_R.device)
        # not by calling the model: what looks at its passes (`Guided`) knows only the batch's own targets
        states_RTD, _ = model.extend(in_RT, model.start(batch.source.rows(owner_R)))
        real_N = (out_RT != PAD).flatten().nonzero().squeeze(1)
        states_ND, targets_N = states_RTD.flatten(0, 1).index_select(0, real_N), out_RT.flatten()[real_N]
        chunks = zip(states_ND.split(self.chunk_tokens), targets_N.split(self.chunk_tokens), strict=True)
        log_probs_N = torch.cat(
            [
                checkpoint(_log_probs, model.output, *chunk, use_reentrant=False, preserve_rng_state=False)
                for chunk in chunks
            ]
        )
        lengths_R = (out_RT != PAD).sum(dim=1)
        return log_probs_N.new_zeros(len(rows)).index_add(0, real_N // longest, log_probs_N) / lengths_R

    def _cross_entropy(self, output: nn.Linear, states_CD: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        loss = plain_cross_entropy(output(states_CD).float().log_softmax(dim=-1), targets_C, self.smoothing)
        return loss.smoothed_nats, loss.plain_nats


def _log_probs(output: nn.Linear, states_CD: Tensor, targets_C: Tensor) -> Tensor:
    return output(states_CD).float().log_softmax(dim=-1).gather(1, targets_C[:, None]).squeeze(1)


@contextmanager
def _evaluating(model: Seq2Seq):
    """Inside the block the model has no dropout."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
