"""One update: gradients of some batches, clipped, and a step of the optimizer; and what can go wrong in it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mt.data.batching import Batch, moved
from mt.device import mixed_precision
from mt.training.distributed import Ranks, replicated, sharded, whole, without_sync
from mt.training.guidance import Guidance, GuidedHead, guided_nats
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
    guided_nats: float = 0.0  # what guidance costs, without its weight
    num_guided: float = 0.0  # target pieces
    norms_of_parts: Mapping[str, float] = field(default_factory=dict)  # of the gradient, by part, where asked for


class Updater:
    """Updates `model`; with `shard`, each rank holds but a part of it (FSDP2).

    The gradient of an update is that of the summed loss over all its batches and ranks divided by their real target
    tokens, so that neither accumulation nor the number of ranks changes what is learned. Dropout is decided by the
    seed, the step and the rank alone. A batch over `max_tokens` goes in parts. Out of memory, the batches of the update
    go again in smaller parts, and those of later updates too (a resumed run finds that out anew, so that
    it equals an undisturbed one only to rounding). Of several ranks, one that is out of memory while gradients are
    summed ends the run.

    With `guidance` the loss that is minimised has the guided head's beside it; the reported one is as without.
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
        guidance: Guidance | None = None,
    ):
        self.model, self.device, self.dtype, self.ranks = model, device, dtype, ranks
        self._clip_norm, self._part_tokens, self._seed = clip_norm or math.inf, float(max_tokens), seed
        self._is_sharded = shard and ranks.world_size > 1
        loss = _Loss(model, objective, guidance or Guidance())
        self.loss = sharded(loss, model, ranks, device) if self._is_sharded else replicated(loss, ranks)

    def __call__(
        self,
        optimizer: torch.optim.Optimizer,
        batches: Sequence[Batch],
        *,
        step: int,
        learning_rate: float,
        wants_parts: bool = False,
    ) -> Update:
        """The update behind `step` others, on this rank's share of the batches; `wants_parts`: with norms by part."""
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        self.model.train()
        num_tokens = int(self.ranks.gathered(sum(batch.num_tokens for batch in batches)).sum())
        sums = self._backward(batches, num_tokens, step)
        parts = _norms_of_parts(self.model) if wants_parts else {}
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_norm)
        # the one time that a GPU is waited for
        *own, gradient_norm = torch.cat((sums, *(whole(one)[None] for one in (*parts.values(), norm)))).tolist()
        loss_nats, guided, num_guided = self.ranks.gathered(*own[: len(sums)]).sum(dim=0).tolist()
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
            guided_nats=guided,
            num_guided=num_guided,
            norms_of_parts=dict(zip(parts, own[len(sums) :], strict=True)),
        )

    def _backward(self, batches: Sequence[Batch], num_tokens: int, step: int) -> Tensor:
        """Leaves the gradients of the update; gives this rank's sums: loss and guidance in nats, guided pieces."""
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
        sums = torch.zeros(3, device=self.device)
        for number, part in enumerate(parts, start=1):
            # looked for before the batch moves, since a GPU would be waited for
            real_N = moved((part.target_out_BT != self.model.pad).flatten().nonzero().squeeze(1), self.device)
            part = part.to(self.device)
            with without_sync(self.loss, number == len(parts)):
                with mixed_precision(self.device, self.dtype):
                    loss, of_part = self.loss(
                        part.source_BS, part.target_in_BT, part.target_out_BT, real_N, part.guide_BTS, part.climbs_BSS
                    )
                # ranks are averaged over, but the loss is a sum
                try:
                    (loss * (self.ranks.world_size / num_tokens)).backward()
                except RuntimeError as error:
                    if self.ranks.world_size > 1 and number == len(parts) and _is_out_of_memory(error):
                        # gradients may be half way to the other ranks: there is no taking them back
                        raise ValueError(_out_of_memory(part)) from error
                    raise
            sums += of_part
        return sums

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
            guide_BTS=None if first.guide_BTS is None else torch.zeros_like(first.guide_BTS[:1]),
            climbs_BSS=None if first.climbs_BSS is None else first.climbs_BSS[:1],
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

    def __init__(self, model: nn.Module, objective: LabelSmoothedCrossEntropy, guidance: Guidance):
        super().__init__()
        self.model, self.objective, self.guidance = model, objective, guidance
        if guidance.is_on:
            layers = model.decoder.layers
            self.guided = guidance.at(len(layers), layers[0].cross_attention.num_heads)

    def forward(
        self,
        source_BS: Tensor,
        target_in_BT: Tensor,
        target_out_BT: Tensor,
        real_N: Tensor,
        guide_BTS: Tensor | None = None,
        climbs_BSS: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What is minimised, of the target tokens at `real_N`, places in B * T; and three sums: see `Update`."""
        tap = None if guide_BTS is None else GuidedHead(*self.guided)
        states_BTD = self.model(source_BS, target_in_BT, climbs_BSS=climbs_BSS, tap=tap)
        states_ND = states_BTD.flatten(0, 1).index_select(0, real_N)
        loss = self.objective(states_ND, self.model.output, target_out_BT.flatten().index_select(0, real_N))
        plain_nats = loss.plain_nats.detach()
        if tap is None:
            return loss.smoothed_nats, torch.stack((plain_nats, *plain_nats.new_zeros(2)))
        nats = guided_nats(tap.weights_BTS, guide_BTS)
        sums = torch.stack((plain_nats, nats.detach(), guide_BTS.sum()))
        return loss.smoothed_nats + self.guidance.weight * nats, sums


def _norms_of_parts(model: nn.Module) -> dict[str, Tensor]:
    """The length of the gradient in embeddings (and output), encoder, cross-attention, and the rest of the decoder."""
    gradients: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradients.setdefault(_part_of(name), []).append(parameter.grad)
    return {part: torch.stack([whole(one.norm()) for one in of]).norm() for part, of in gradients.items()}


def _part_of(name: str) -> str:
    if ".cross_attention." in name:
        return "cross_attention"
    part = name.partition(".")[0]
    return part if part in ("encoder", "decoder") else "embeddings"


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
