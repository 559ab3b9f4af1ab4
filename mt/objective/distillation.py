"""Distillation of words: a student predicts what its teachers predict (Hinton et al. 2015; Kim and Rush 2016).

The divergence of a target token is KL(teacher || student), both at a temperature. Of the teacher's distribution the
`best` likeliest pieces count one by one and all others as one mass, so that memory does not grow with the vocabulary;
the divergence is then at most that of whole distributions, and the same where `best` is the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss
from mt.objective.label_smoothing import check_settings, plain_cross_entropy
from mt.objective.teacher import Teachers
from mt.objective.teacher_forcing import teacher_forcing

# N real target tokens, C tokens of one chunk, D model, V vocabulary, K pieces that count one by one

LEAST = 1e-20  # of a mass in a logarithm


class Distillation:
    """(1 - weight) * label-smoothed cross-entropy + weight * temperature ** 2 * the divergence from the teachers.

    Of several teachers the mean probabilities count. The square keeps the size of gradients comparable (Hinton et al.
    2015). "divergence" is reported beside the loss, without weight and square. Logits of `chunk_tokens` target tokens
    are held at once, and the student's computed again in the backward pass.
    """

    def __init__(
        self,
        *,
        teacher: Teachers,
        weight: float = 0.5,
        temperature: float = 1.0,
        best: int = 32,
        smoothing: float = 0.1,
        chunk_tokens: int = 512,
    ):
        check_settings(smoothing, chunk_tokens)
        check_weight(weight, most=1.0)
        check_temperature(temperature)
        if best < 1:
            raise ValueError(f"objective.best ({best}) must be at least 1")
        self.teacher, self.weight, self.temperature, self.best = teacher, weight, temperature, best
        self.smoothing, self.chunk_tokens = smoothing, chunk_tokens

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        states_ND, targets_N = teacher_forcing(model, batch)
        teachers = self.teacher.models(states_ND.device)
        with torch.no_grad():
            taught = [(teacher.output, teacher_forcing(teacher, batch)[0]) for teacher in teachers]
        sums = []
        for start in range(0, max(1, len(states_ND)), self.chunk_tokens):
            part = slice(start, start + self.chunk_tokens)
            with torch.no_grad():
                chunks = [(output, states[part]) for output, states in taught]
                known = best_and_rest(mean_log_probs(chunks, self.temperature), self.best)
            arguments = (model.output, states_ND[part], targets_N[part], *known)
            sums.append(checkpoint(self._sums, *arguments, use_reentrant=False, preserve_rng_state=False))
        smoothed, plain, divergence = (torch.stack(parts).sum() for parts in zip(*sums, strict=True))
        minimised = (1 - self.weight) * smoothed + self.weight * self.temperature**2 * divergence
        return Loss(minimised, {"nats": plain.detach(), "divergence": divergence.detach()}, {})

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a teacher that cannot be loaded."""
        self.teacher.models()

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """Raises ValueError unless the teachers have the same."""
        self.teacher.check_tokenizers(tokenizers)

    def _sums(
        self, output: nn.Linear, states_CD: Tensor, targets_C: Tensor, ids_CK: Tensor, logs_CK: Tensor, rest_C: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        logits_CV = output(states_CD).float()
        entropy = plain_cross_entropy(logits_CV.log_softmax(dim=-1), targets_C, self.smoothing)
        divergence = divergence_from(ids_CK, logs_CK, rest_C, (logits_CV / self.temperature).log_softmax(dim=-1))
        return entropy.smoothed_nats, entropy.plain_nats, divergence


def check_weight(weight: float, *, most: float = float("inf")) -> None:
    """Raises ValueError naming the setting."""
    if not 0 < weight <= most or weight == float("inf"):
        raise ValueError(
            f"objective.weight ({weight}) must be above 0 and {f'at most {most:g}' if most <= 1 else 'finite'}"
        )


def check_temperature(temperature: float) -> None:
    """Raises ValueError naming the setting."""
    if not 0.01 <= temperature <= 100:
        raise ValueError(f"objective.temperature ({temperature}) must be from 0.01 to 100; 1 leaves it unchanged")


def mean_log_probs(taught: Sequence[tuple[nn.Linear, Tensor]], temperature: float) -> Tensor:
    """log_probs_CV of the mean distribution of teachers, each given by its output projection and its states_CD."""
    logs = [(output(states_CD).float() / temperature).log_softmax(dim=-1) for output, states_CD in taught]
    if len(logs) == 1:
        return logs[0]
    return torch.stack(logs).logsumexp(dim=0) - torch.tensor(float(len(logs))).log()


def best_and_rest(log_probs_CV: Tensor, best: int) -> tuple[Tensor, Tensor, Tensor]:
    """ids_CK of the likeliest pieces, their log-probabilities logs_CK, and rest_C, the mass of all others."""
    logs_CK, ids_CK = log_probs_CV.topk(min(best, log_probs_CV.shape[-1]), dim=-1)
    rest_C = (1 - logs_CK.exp().sum(dim=-1)).clamp(min=0.0)
    if ids_CK.shape[-1] == log_probs_CV.shape[-1]:
        rest_C = torch.zeros_like(rest_C)  # nothing is left, whatever rounding says
    return ids_CK, logs_CK, rest_C


def divergence_from(ids_CK: Tensor, logs_CK: Tensor, rest_C: Tensor, student_CV: Tensor) -> Tensor:
    """The sum over tokens of KL(teacher || student) in nats, given the student's log-probabilities student_CV."""
    one_by_one = (logs_CK.exp() * (logs_CK - student_CV.gather(-1, ids_CK))).sum()
    if ids_CK.shape[-1] == student_CV.shape[-1]:
        return one_by_one
    others_C = student_CV.scatter(-1, ids_CK, -torch.inf).logsumexp(dim=-1)
    return one_by_one + (rest_C * (rest_C.clamp(min=LEAST).log() - others_C)).sum()
