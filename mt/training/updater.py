"""One update: gradients of some batches, clipped, and a step of the optimizer; and what can go wrong in it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.whole_update import WholeUpdate
from mt.device import mixed_precision
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective, make_weights, relates_pairs, searches
from mt.training.distributed import Ranks, replicated, sharded, whole, without_sync

log = logging.getLogger(__name__)

Sums = dict[str, Tensor]  # scalars by name, without gradients


@dataclass(frozen=True, kw_only=True)
class Update:
    """What an update did: sums over all ranks, and the rate that it used. A skipped update changes no weights."""

    sums: Mapping[str, float]  # what the objective summed over the batches, before the update: "nats" is the loss
    counts: Mapping[str, float]  # divisors of some of the sums; the others are divided by the target tokens
    target_tokens: int
    gradient_norm: float  # before clipping
    learning_rate: float
    is_skipped: bool  # the loss or the gradient was not finite
    norms_of_parts: Mapping[str, float] = field(default_factory=dict)  # of the gradient, by part, if requested

    @property
    def loss_nats(self) -> float:
        """The negative log-likelihood of the targets."""
        return self.sums["nats"]

    def means(self) -> dict[str, float]:
        """The objective's other sums, each divided by its count; a sum whose count is 0 is left out."""
        pairs = {name: (total, self.counts.get(name, self.target_tokens)) for name, total in self.sums.items()}
        return {name: total / count for name, (total, count) in pairs.items() if count and name != "nats"}


class Updater:
    """Updates `model`; with `shard`, each rank holds only a part of it (FSDP2).

    The gradient of an update is that of the summed loss over all its batches and ranks divided by their real target
    tokens, so that neither accumulation nor the number of ranks changes what is learned. An objective that relates
    pairs sees those of the whole update (`mt.data.whole_update`). Dropout depends on the
    seed, the step and the rank only. A batch over `max_tokens` is split. When memory runs out, the update is repeated
    in smaller parts, and later updates use them too (a resumed run learns this again, so that it then equals an
    uninterrupted one only up to rounding). Of several ranks, one that is out of memory while gradients are
    summed ends the run. `weights` are those of the objective, if it has any; they belong to `loss`, as the model does.

    Raises ValueError, naming the setting, for a model that the objective cannot train.
    """

    def __init__(
        self,
        model: Seq2Seq,
        objective: Objective,
        *,
        clip_norm: float,
        max_tokens: int,
        device: torch.device,
        dtype: torch.dtype,
        seed: int,
        ranks: Ranks,
        shard: bool = False,
    ):
        objective.check(model)
        self.model, self.device, self.dtype, self.ranks = model, device, dtype, ranks
        self._clip_norm, self._part_tokens, self._seed = clip_norm or math.inf, float(max_tokens), seed
        self._is_sharded = shard and ranks.world_size > 1
        if self._is_sharded and searches(objective):
            raise ValueError("the objective searches with the whole model: trainer.shard must be false")
        self._relates_pairs = relates_pairs(objective)
        with torch.random.fork_rng(devices=[]):  # the same on every rank, and no other draw depends on them
            torch.manual_seed(_seed_of(seed, -1, 0))  # as an update before the first
            self.weights = make_weights(objective, model).to(device)
        loss = _Loss(model, objective, self.weights)
        self.loss = sharded(loss, model, ranks, device) if self._is_sharded else replicated(loss, model, ranks)

    def __call__(
        self,
        optimizer: torch.optim.Optimizer,
        batches: Sequence[Batch],
        *,
        step: int,
        learning_rate: float,
        by_part: bool = False,
    ) -> Update:
        """Update number `step`, from 0, on this rank's share of the batches; `by_part`: also the norms of its parts."""
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        self.model.train()
        num_tokens = int(self.ranks.all_gather(sum(batch.num_tokens for batch in batches)).sum())
        sums, counts = self._backward(batches, num_tokens, step)
        parts = _norms_of_parts(self.model, self.weights) if by_part else {}
        norm = whole(nn.utils.clip_grad_norm_(self.loss.parameters(), self._clip_norm))
        # the only point that waits for the GPU
        own = torch.stack([*sums.values(), *counts.values(), *parts.values(), norm]).tolist()
        gradient_norm, num_totals = own[-1], len(sums) + len(counts)
        totals = self.ranks.all_gather(*own[:num_totals]).sum(dim=0).tolist()
        summed = dict(zip(sums, totals[: len(sums)], strict=True))
        is_skipped = not (math.isfinite(summed["nats"]) and math.isfinite(gradient_norm))
        if not is_skipped:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return Update(
            sums=summed,
            counts=dict(zip(counts, totals[len(sums) :], strict=True)),
            target_tokens=num_tokens,
            gradient_norm=gradient_norm,
            learning_rate=learning_rate,
            is_skipped=is_skipped,
            norms_of_parts=dict(zip(parts, own[num_totals:-1], strict=True)),
        )

    def _backward(self, batches: Sequence[Batch], num_tokens: int, step: int) -> tuple[Sums, Sums]:
        """Computes the gradients of the update; returns this rank's sums and counts (see `Loss`)."""
        while True:
            parts = [part for batch in batches for part in batch.within(self._part_tokens)]
            seed = _seed_of(self._seed, step, self.ranks.rank)
            try:
                ready = self._related(self._as_many(parts), seed)
                # reseeded for every update, so that a checkpoint needs no state of a generator, for any number of ranks
                torch.manual_seed(seed)
                return self._backward_in_parts(ready, num_tokens, seed)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                largest = max(parts, key=lambda part: part.padded_tokens)
                self._make_smaller(largest, error)
            for parameter in self.loss.parameters():
                parameter.grad = None
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _related(self, parts: Sequence[Batch], seed: int) -> Sequence[Batch]:
        """The parts, which know what all of them share, where the objective relates pairs of different parts."""
        if not self._relates_pairs or len(parts) == self.ranks.world_size == 1:
            return parts
        whole = WholeUpdate(len(parts), rank=self.ranks.rank, gather=self.ranks.gather)
        parts = [replace(batch, part=part) for batch, part in zip(parts, whole.parts, strict=True)]
        for number, part in enumerate(parts):
            torch.manual_seed(_seed_of_part(seed, number))
            with torch.no_grad(), mixed_precision(self.device, self.dtype):
                self.loss(part.to(self.device))
        whole.complete()
        return parts

    def _backward_in_parts(self, parts: Sequence[Batch], num_tokens: int, seed: int) -> tuple[Sums, Sums]:
        sums: Sums = {}
        counts: Sums = {}
        for number, part in enumerate(parts, start=1):
            part = part.to(self.device)
            if part.part is not None:  # what is drawn must be what was drawn when it was recorded
                torch.manual_seed(_seed_of_part(seed, part.part.number))
            is_exchanged = self._relates_pairs  # with other ranks: then the update cannot be repeated
            with without_sync(self.loss, number == len(parts)):
                try:
                    with mixed_precision(self.device, self.dtype):
                        loss = self.loss(part)
                    is_exchanged |= number == len(parts)  # gradients are averaged
                    # ranks are averaged over, but the loss is a sum
                    (loss.minimised * (self.ranks.world_size / num_tokens)).backward()
                except RuntimeError as error:
                    if self.ranks.world_size > 1 and is_exchanged and _is_out_of_memory(error):
                        raise ValueError(_out_of_memory(part)) from error
                    raise
            sums, counts = _added(sums, loss.sums), _added(counts, loss.counts)
        return sums, counts

    def _as_many(self, parts: list[Batch]) -> list[Batch]:
        """The batches' parts; the same number on every rank where ranks must step together."""
        if not self._is_sharded:
            return parts
        most = int(self.ranks.all_gather(len(parts)).max())
        return [*parts, *[parts[0].idle()] * (most - len(parts))]

    def _make_smaller(self, largest: Batch, error: RuntimeError) -> None:
        if self._is_sharded or len(largest.indices) == 1:
            raise ValueError(_out_of_memory(largest)) from error
        self._part_tokens = largest.padded_tokens // 2
        log.warning(
            "out of memory with %d padded tokens: this update is repeated, and later ones run, in parts of at most %d"
            " (batches.max_tokens=%d avoids it)",
            largest.padded_tokens,
            self._part_tokens,
            self._part_tokens,
        )


class _Loss(nn.Module):
    """The loss of a batch: model and objective as one module, which DDP copies or FSDP cuts over the ranks.

    Its parameters are all that the updates change: those of the model, then the objective's own.
    """

    def __init__(self, model: Seq2Seq, objective: Objective, weights: nn.Module):
        super().__init__()
        self.model, self.objective, self.weights = model, objective, weights

    def forward(self, batch: Batch) -> Loss:
        return self.objective(self.model, batch)


def _added(totals: Sums, more: Mapping[str, Tensor]) -> Sums:
    """Adds `new` to the sums so far, by name."""
    return {name: totals[name] + value if name in totals else value for name, value in more.items()}


def _norms_of_parts(model: nn.Module, weights: nn.Module) -> dict[str, Tensor]:
    """The norm of the gradient of embeddings (and output), encoder, cross-attention, the rest of the decoder, and the
    objective's own weights."""
    gradients: dict[str, list[Tensor]] = {}
    named = ((_part_of(name), parameter) for name, parameter in model.named_parameters())
    for part, parameter in (*named, *(("objective", parameter) for parameter in weights.parameters())):
        if parameter.grad is not None:
            gradients.setdefault(part, []).append(parameter.grad)
    return {part: torch.stack([whole(one.norm()) for one in of]).norm() for part, of in gradients.items()}


def _part_of(name: str) -> str:
    if ".cross_attention." in name:
        return "cross_attention"
    part = name.partition(".")[0]
    return part if part in ("encoder", "decoder") else "embeddings"


def _seed_of(seed: int, step: int, rank: int) -> int:
    # multiples far apart, so that neither the steps nor the ranks of two seeds meet
    return ((seed * 1_000_003 + step) * 65_537 + rank) % 2**63


def _seed_of_part(seed: int, number: int) -> int:
    # far from those of other ranks, which follow one another
    return (seed + (number + 1) * 1_000_000_007) % 2**63


def _out_of_memory(part: Batch) -> str:
    return (
        f"out of memory with {part.padded_tokens} padded tokens ({len(part.indices)} sentences): lower"
        " batches.max_tokens or data.max_pieces, or take a smaller model; the same command then resumes"
    )


def _is_out_of_memory(error: RuntimeError) -> bool:
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        text in words for text in ("out of memory", "can't allocate memory", "not enough memory")
    )
