"""How much a model needs each of its heads, neurons and layers, measured on a corpus of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mt.attention.mask import causal_mask
from mt.attention.multi_head import MultiHead
from mt.compression.pruning import attentions, feed_forwards, slot_of
from mt.data.batching import Batch
from mt.data.source import Text
from mt.data.tokenizer import PAD
from mt.model.layer import Layers
from mt.model.seq2seq import Seq2Seq
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy

# B batch, H heads, T queries, S keys, K head size, F neurons

BY = ("gradient", "variance", "confidence", "trial")


def head_importance(model: Seq2Seq, batches: Sequence[Batch], by: str = "gradient") -> dict[str, Tensor]:
    """importance_H of each attention's heads, by its name in the model; larger is more needed.

    gradient    the mean over sentences of |sum of the head's output x gradient of the loss|: the first-order change of
                the loss without the head, divided by the norm over the heads of an attention (Michel et al. 2019)
    variance    how much its map differs from query to query: the sum over keys of the variance over the queries of a
                sentence, the mean over sentences
    confidence  the mean of the greatest weight of each query (Voita et al. 2019)
    trial       how much the loss rises, in nats a token, when the head alone gives nothing

    Raises ValueError for another `by`.
    """
    if by == "gradient":
        return {name: _normalized(total_H) for name, total_H in _gradients(model, batches, _heads_of).items()}
    if by in ("variance", "confidence"):
        return _statistics(model, batches, of=_variance if by == "variance" else _confidence)
    if by == "trial":
        before = loss_nats(model, batches)
        return {
            name: torch.tensor([_without_head(model, batches, part, head) - before for head in range(part.num_heads)])
            for name, part in attentions(model).items()
        }
    raise ValueError(f"importance ({by}) must be one of {', '.join(BY)}")


def neuron_importance(model: Seq2Seq, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """importance_F of each feed-forward part's neurons: the mean over sentences of |sum of output x gradient|."""
    return _gradients(model, batches, _neurons_of)


def layer_importance(model: Seq2Seq, batches: Sequence[Batch]) -> dict[tuple[str, int], float]:
    """By half and number of a layer that can go: how much the loss rises, in nats a token, without it.

    None of a half with a single layer, and none of a decoder with an alignment head, which reads one of its layers.
    """
    before, found = loss_nats(model, batches), {}
    for half in ("encoder", "decoder") if model.decoder.alignment_head is None else ("encoder",):
        part: Any = getattr(model, half)
        whole = part.layers
        for number in range(len(whole)) if len(whole) > 1 else ():
            part.layers = Layers(layer for place, layer in enumerate(whole) if place != number)
            found[half, number] = loss_nats(model, batches) - before
            part.layers = whole
    return found


@torch.no_grad()
def loss_nats(model: Seq2Seq, batches: Sequence[Batch]) -> float:
    """The negative log-likelihood of the targets, in nats a token."""
    model.eval()
    objective = LabelSmoothedCrossEntropy(smoothing=0.0)
    total = sum(float(objective(model, batch).sums["nats"]) for batch in batches)
    return total / max(1, sum(batch.num_tokens for batch in batches))


@contextmanager
def masked_heads(heads: dict[MultiHead, Sequence[int]]) -> Iterator[None]:
    """Inside the block, these heads of these attentions give nothing; they are counted as they are now."""

    def mask(_: Any, inputs: Any, heads_BHTK: Tensor, *, gone: Sequence[int]) -> Tensor:
        keep_H = heads_BHTK.new_ones(heads_BHTK.shape[1])
        keep_H[list(gone)] = 0.0
        return heads_BHTK * keep_H[:, None, None]

    hooks = [one.head_dropout.register_forward_hook(partial(mask, gone=gone)) for one, gone in heads.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _without_head(model: Seq2Seq, batches: Sequence[Batch], attention: MultiHead, head: int) -> float:
    with masked_heads({attention: [head]}):
        return loss_nats(model, batches)


def _heads_of(model: Seq2Seq) -> dict[str, Any]:
    return {name: part.head_dropout for name, part in attentions(model).items()}


def _neurons_of(model: Seq2Seq) -> dict[str, Any]:
    return {name: part.dropout for name, part in feed_forwards(model).items()}


def _gradients(
    model: Seq2Seq, batches: Sequence[Batch], parts: Callable[[Seq2Seq], dict[str, Any]]
) -> dict[str, Tensor]:
    """The mean over sentences of |sum over positions of output x gradient|, by the parts whose outputs are looked at.

    Heads are at dimension 1 of four, neurons at the last of three.
    """
    model.eval()
    objective = LabelSmoothedCrossEntropy(smoothing=0.0)
    seen: dict[str, Tensor] = {}
    totals: dict[str, Tensor] = {}

    def look(_: Any, inputs: Any, output: Tensor, *, name: str) -> Tensor:
        output = output.clone()
        output.retain_grad()
        seen[name] = output
        return output

    hooks = [part.register_forward_hook(partial(look, name=name)) for name, part in parts(model).items()]
    try:
        with torch.enable_grad():
            for batch in batches:
                objective(model, batch).minimised.backward()
                for name, output in seen.items():
                    assert output.grad is not None
                    product = (output * output.grad).detach().float()
                    each = product.sum(dim=(2, 3)) if product.dim() == 4 else product.sum(dim=1)
                    totals[name] = totals.get(name, 0) + each.abs().sum(dim=0)
                seen.clear()
                model.zero_grad(set_to_none=True)
    finally:
        for hook in hooks:
            hook.remove()
    count = sum(len(batch.indices) for batch in batches)
    return {name: total / max(1, count) for name, total in totals.items()}


def _normalized(total_H: Tensor) -> Tensor:
    return total_H / total_H.norm().clamp(min=1e-12)


@torch.no_grad()
def _statistics(
    model: Seq2Seq, batches: Sequence[Batch], *, of: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """The mean of a statistic of the maps of each attention.

    `of` gives of weights_BHTS and is_real_BT, the queries that are no padding, a sum for each head and the count of
    what was summed.
    """
    model.eval()
    objective = LabelSmoothedCrossEntropy(smoothing=0.0)
    parts = attentions(model)
    sums: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    for batch in batches:
        text = batch.source.parts["text"]
        assert isinstance(text, Text)
        of_target_BT = batch.target_out_BT != PAD
        is_real = {"encoder": text.ids_BS != PAD, "decoder": of_target_BT, "cross": of_target_BT}

        def add(name: str, weights_BHTS: Tensor, is_real: dict[str, Tensor] = is_real) -> None:
            sum_H, count = of(weights_BHTS.float(), is_real[slot_of(name)])
            sums[name], counts[name] = sums.get(name, 0) + sum_H, counts.get(name, 0) + count

        with _seen_maps(parts, add):
            objective(model, batch)
    return {name: sum_H / counts[name].clamp(min=1) for name, sum_H in sums.items()}


@contextmanager
def _seen_maps(parts: dict[str, MultiHead], add: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Inside the block, the maps of each attention are computed beside its kernel and given to `add`."""

    def watched(mixer: Any, method: str, name: str) -> None:
        plain = getattr(mixer, method)

        def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **known: Any) -> Any:
            add(name, mixer.weights(q, k, mask, **known))
            return plain(q, k, v, mask, **known)

        def read(q: Tensor, summary: Any, **known: Any) -> Any:
            add(name, mixer.read_weights(q, summary, **known))
            return plain(q, summary, **known)

        def extend(q: Tensor, k: Tensor, v: Tensor, past: Any) -> Any:
            add(name, mixer.weights(q, k, causal_mask(q.shape[2], 0, q.device)))
            return plain(q, k, v, past)

        setattr(mixer, method, {"attend": attend, "read": read, "extend": extend}[method])

    methods = {"attention": "attend", "self_attention": "extend", "cross_attention": "read"}
    try:
        for name, part in parts.items():
            watched(part.mixer, methods[name.rpartition(".")[2]], name)
        yield
    finally:
        for name, part in parts.items():
            vars(part.mixer).pop(methods[name.rpartition(".")[2]], None)


def _variance(weights_BHTS: Tensor, is_real_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Of each sentence with a query: the sum over keys of the variance over its queries."""
    is_real_B1T1 = is_real_BT[:, None, :, None]
    num_B111 = is_real_B1T1.sum(dim=2, keepdim=True).clamp(min=1)
    mean_BH1S = (weights_BHTS * is_real_B1T1).sum(dim=2, keepdim=True) / num_B111
    squares_BHTS = (weights_BHTS - mean_BH1S).square() * is_real_B1T1
    return (squares_BHTS / num_B111).sum(dim=(0, 2, 3)), is_real_BT.any(dim=1).sum()


def _confidence(weights_BHTS: Tensor, is_real_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Of each query: its greatest weight."""
    return (weights_BHTS.amax(dim=-1) * is_real_BT[:, None]).sum(dim=(0, 2)), is_real_BT.sum()
