"""Heads that a router switches on and off for each sentence, so that easy sentences cost less."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import EncoderMixer, MemoryMixer, repeat_heads
from mt.attention.dense import Dense
from mt.attention.key_value import KeyValueSummary

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, R rows (hypotheses),
# X pairs of a sentence and a head that is on for it

OPEN = 2.0  # initial bias of the router: all heads are on


@dataclass(frozen=True)
class PairsOn:
    """Keys and values of the (sentence, head) pairs that are on, each stored like a sentence with one head."""

    n_X: Tensor
    h_X: Tensor
    k_X1SK: Tensor
    v_X1SK: Tensor
    mask_X11S: Tensor | None


@dataclass(frozen=True)
class DynamicSummary:
    """Keys and values of N sentences, gates of 0 or 1, and, without gradients, the pairs that are on."""

    full: KeyValueSummary
    gate_NH: Tensor
    pairs: PairsOn | None

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.gate_NH)

    def rows(self, index: Tensor) -> DynamicSummary:
        return summary_of(self.full.rows(index), self.gate_NH[index])


class DynamicHeads(EncoderMixer, MemoryMixer):
    """Dense attention times the gates of a `Router`, which sees the mean of the sentence's keys: 0 or 1 for each head.

    Without gradients, only the heads that are on are computed for each sentence, so time falls with their share; keys
    and values of these heads are stored twice. With gradients all heads are computed, so that a head that is off can be
    switched on again. `weights` of a head that is off are those that it would have. The router reads the keys of the
    whole sentence, so decoder self-attention is refused. For `price` see `Router`.
    """

    def __init__(self, num_heads: int, head_size: int, *, price: float = 0.1, dropout: float = 0.0):
        super().__init__()
        self.dense = Dense(num_heads, head_size, dropout=dropout)
        self.router = Router(num_heads, head_size, price=price)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self.dense.weights(q_BHTK, k_BGSK, mask)

    def gate(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self.router(k_BGSK, mask)[:, :, None, None]

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self.read(q_BHTK, self.summarize(k_BGSK, v_BGSK, mask))

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> DynamicSummary:
        full = self.dense.summarize(k_BGSK, v_BGSK, mask)
        return summary_of(full, self.router(k_BGSK, full.mask_N11S))

    def read(self, q_NHUK: Tensor, summary: DynamicSummary) -> Tensor:
        pairs = summary.pairs
        if pairs is None:
            full = summary.full
            heads_NHUK = self.dense.attend(q_NHUK, full.k_NGSK, full.v_NGSK, full.mask_N11S)
            heads_NHUK = summary.gate_NH[:, :, None, None].to(heads_NHUK.dtype) * heads_NHUK
        else:
            q_X1UK = q_NHUK[pairs.n_X, pairs.h_X].unsqueeze(1)
            heads_X1UK = self.dense.attend(q_X1UK, pairs.k_X1SK, pairs.v_X1SK, pairs.mask_X11S)
            heads_NHUK = heads_X1UK.new_zeros(q_NHUK.shape)
            heads_NHUK[pairs.n_X, pairs.h_X] = heads_X1UK.squeeze(1)
        return heads_NHUK

    def read_weights(self, q_NHUK: Tensor, summary: DynamicSummary) -> Tensor:
        return self.dense.read_weights(q_NHUK, summary.full)


class Router(nn.Module):
    """on = 1 where w . mean(keys) / sqrt(K) + b > 0, with w and b of each head; gradients are those of its sigmoid.

    This is a straight-through threshold (Bengio et al. 2013): training and decoding compute the same. No head would be
    switched off without a cost, so the backward pass adds `price` times the mean absolute gradient of the batch's gates
    to the gradient of each gate: a head whose effect on the loss is smaller is pushed towards 0. The price has no unit,
    so neither the scale of the loss nor the number of tokens matters. Raises ValueError for a price below 0.
    """

    def __init__(self, num_heads: int, head_size: int, *, price: float):
        super().__init__()
        if not price >= 0:
            raise ValueError(f"price ({price}) must be 0 or more")
        self.price = price
        self.weight_HK = nn.Parameter(torch.randn(num_heads, head_size) * 0.02)
        self.bias_H = nn.Parameter(torch.full((num_heads,), OPEN))

    def forward(self, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """gate_BH, 0 or 1 in float32. mask: B 1 1 S"""
        k_BGSK = k_BGSK.float()
        if mask is None:
            mean_BGK = k_BGSK.mean(dim=2)
        else:
            real_B1S1 = mask.transpose(-1, -2)
            mean_BGK = (k_BGSK * real_B1S1).sum(dim=2) / real_B1S1.sum(dim=2)
        scale, num_heads = k_BGSK.shape[-1] ** -0.5, len(self.bias_H)
        scores_BH = (repeat_heads(mean_BGK, num_heads) * self.weight_HK.float()).sum(-1) * scale + self.bias_H.float()
        share_BH = _Priced.apply(scores_BH.sigmoid(), self.price)
        return (scores_BH > 0).float() + (share_BH - share_BH.detach())


def summary_of(full: KeyValueSummary, gate_NH: Tensor) -> DynamicSummary:
    """The summary with its pairs; with gradients there are none."""
    if torch.is_grad_enabled():
        return DynamicSummary(full, gate_NH, None)
    n_X, h_X = gate_NH.nonzero(as_tuple=True)
    g_X = h_X // (gate_NH.shape[1] // full.k_NGSK.shape[1])
    k_X1SK, v_X1SK = (x[n_X, g_X].unsqueeze(1) for x in (full.k_NGSK, full.v_NGSK))
    mask_X11S = None if full.mask_N11S is None else full.mask_N11S[n_X]
    return DynamicSummary(full, gate_NH, PairsOn(n_X, h_X, k_X1SK, v_X1SK, mask_X11S))


class _Priced(torch.autograd.Function):
    """The identity, whose gradient has the price added."""

    @staticmethod
    def forward(context, share, price):
        context.price = price
        return share.view_as(share)

    @staticmethod
    def backward(context, gradient):
        return gradient + context.price * gradient.abs().mean(), None
