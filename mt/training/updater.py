"""One update: gradients of some batches, clipped, and a step of the optimizer; and what can go wrong in it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mt.data.batching import Batch, moved
from mt.device import mixed_precision
from mt.training.distributed import Ranks, replicated, sharded, whole, without_sync
from mt.training.objective import LabelSmoothedCrossEntropy

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Update:
    """What an update did: sums over all ranks, and the rate that it used. A skipped one left the weights alone."""

    loss_nats: float  # of the batches, before the update
    target_tokens: int
    gradient_norm: float  # before clipping
    learning_rate: float
    is_skipped: bool  # the loss or the gradient was not finite


class Updater:
    """Updates `model`; with `shard`, each rank holds but a part of it (FSDP2).

    The gradient of an update is that of the summed loss over all its batches and ranks divided by their real target
    tokens, so that neither accumulation nor the number of ranks changes what is learned. Dropout is decided by the
    seed, the step and the rank alone. A batch over `max_tokens` goes in parts. Out of memory, the batches of the update
    go again in smaller parts, and those of later updates too (a resumed run finds that out anew, so that
    it equals an undisturbed one only to rounding). Of several ranks, one that is out of memory while gradients are
    summed ends the run.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: LabelSmoothedCrossEntropy,
        *,
        clip_norm: float,
        max_tokens: int,
        device: torch.device,
        dtype: torch.dtype,
        seed: int,
        ranks: Ranks,
        shard: bool = False,
    ):
        self.model, self.device, self.dtype, self.ranks = model, device, dtype, ranks
        self._clip_norm, self._part_tokens, self._seed = clip_norm or math.inf, float(max_tokens), seed
        self._is_sharded = shard and ranks.world_size > 1
        loss = _Loss(model, objective)
        self.loss = sharded(loss, model, ranks, device) if self._is_sharded else replicated(loss, ranks)

    def __call__(
        self, optimizer: torch.optim.Optimizer, batches: Sequence[Batch], *, step: int, learning_rate: float
    ) -> Update:
        """The update behind `step` others, on this rank's share of the batches."""
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        self.model.train()
        num_tokens = int(self.ranks.gathered(sum(batch.num_tokens for batch in batches)).sum())
        nats = self._backward(batches, num_tokens, step)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_norm)
        own_nats, gradient_norm = torch.stack((nats, whole(norm))).tolist()  # the one time that a GPU is waited for
        loss_nats = float(self.ranks.gathered(own_nats).sum())
        is_skipped = not (math.isfinite(loss_nats) and math.isfinite(gradient_norm))
        if not is_skipped:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return Update(
            loss_nats=loss_nats,
            target_tokens=num_tokens,
            gradient_norm=gradient_norm,
            learning_rate=learning_rate,
            is_skipped=is_skipped,
        )

    def _backward(self, batches: Sequence[Batch], num_tokens: int, step: int) -> Tensor:
        """Leaves the gradients of the update; gives this rank's summed loss in nats."""
        while True:
            parts = [part for batch in batches for part in batch.within(self._part_tokens)]
            # reseeded for every update, so that a checkpoint needs no state of a generator, for any number of ranks
            torch.manual_seed(_seed_of(self._seed, step, self.ranks.rank))
            try:
                return self._backward_in_parts(self._as_many(parts), num_tokens)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                largest = max(parts, key=lambda part: part.padded_tokens)
                self._make_smaller(largest, error)
            for parameter in self.model.parameters():
                parameter.grad = None
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _backward_in_parts(self, parts: Sequence[Batch], num_tokens: int) -> Tensor:
        nats = torch.zeros((), device=self.device)
        for number, part in enumerate(parts, start=1):
            # looked for before the batch moves, since a GPU would be waited for
            real_N = moved((part.target_out_BT != self.model.pad).flatten().nonzero().squeeze(1), self.device)
            part = part.to(self.device)
            with without_sync(self.loss, number == len(parts)):
                with mixed_precision(self.device, self.dtype):
                    smoothed, plain = self.loss(part.source_BS, part.target_in_BT, part.target_out_BT, real_N)
                # ranks are averaged over, but the loss is a sum
                try:
                    (smoothed * (self.ranks.world_size / num_tokens)).backward()
                except RuntimeError as error:
                    if self.ranks.world_size > 1 and number == len(parts) and _is_out_of_memory(error):
                        # gradients may be half way to the other ranks: there is no taking them back
                        raise ValueError(_out_of_memory(part)) from error
                    raise
            nats += plain.detach()
        return nats

    def _as_many(self, parts: list[Batch]) -> list[Batch]:
        """As many parts on every rank where they must step together."""
        if not self._is_sharded:
            return parts
        most = int(self.ranks.gathered(len(parts)).max())
        first = parts[0]
        idle = replace(
            first,
            source_BS=first.source_BS[:1],
            target_in_BT=first.target_in_BT[:1],
            target_out_BT=torch.zeros_like(first.target_out_BT[:1]).fill_(self.model.pad),
            num_tokens=0,
            indices=first.indices[:1],
        )
        return [*parts, *[idle] * (most - len(parts))]

    def _make_smaller(self, largest: Batch, error: RuntimeError) -> None:
        if self._is_sharded or len(largest.indices) == 1:
            raise ValueError(_out_of_memory(largest)) from error
        self._part_tokens = largest.padded_tokens // 2
        log.warning(
            "out of memory with %d padded tokens: this update again, and later ones, in parts of at most %d"
            " (batches.max_tokens=%d avoids it)",
            largest.padded_tokens,
            self._part_tokens,
            self._part_tokens,
        )


class _Loss(nn.Module):
    """Model and objective as one module: what is copied or cut over ranks."""

    def __init__(self, model: nn.Module, objective: LabelSmoothedCrossEntropy):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(
        self, source_BS: Tensor, target_in_BT: Tensor, target_out_BT: Tensor, real_N: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of the target tokens at `real_N`, places in B * T."""
        states_BTD = self.model(source_BS, target_in_BT)
        states_ND = states_BTD.flatten(0, 1).index_select(0, real_N)
        loss = self.objective(states_ND, self.model.output, target_out_BT.flatten().index_select(0, real_N))
        return loss.smoothed_nats, loss.plain_nats


def _seed_of(seed: int, step: int, rank: int) -> int:
    # multiples far apart, so that neither the steps nor the ranks of two seeds meet
    return ((seed * 1_000_003 + step) * 65_537 + rank) % 2**63


def _out_of_memory(part: Batch) -> str:
    return (
        f"out of memory with {part.padded_tokens} padded tokens ({len(part.indices)} sentences): lower"
        " batches.max_tokens or data.max_pieces, or take a smaller model; the same command then goes on"
    )


def _is_out_of_memory(error: RuntimeError) -> bool:
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        text in words for text in ("out of memory", "can't allocate memory", "not enough memory")
    )
