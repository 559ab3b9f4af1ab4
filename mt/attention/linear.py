"""Linear attention: a product of features replaces the exponential of a score, so that sums replace caches.

weights_ts = phi(q_t) . phi(k_s) / sum over s' of phi(q_t) . phi(k_s'), and so heads_t = phi(q_t) A / (phi(q_t) . z)
with A = sum over s of phi(k_s) v_sᵀ and z = sum over s of phi(k_s) (Katharopoulos et al. 2020, "Transformers are
RNNs").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer, repeat_heads
from mt.attention.dropout import refuse_weight_dropout
from mt.attention.mask import mask_of_keys
from mt.attention.precision import full_precision

# B batch, H heads, G key-value heads, T queries, S keys, K head size, F features, N sentences, R rows (hypotheses)

FEATURES = ("elu", "relu", "hedgehog", "random")
BLOCK = 64  # target positions computed at once in training
LEAST = 1e-6  # added to every feature, so that no row is zero


@dataclass(frozen=True)
class Sums:
    """The sums over keys, in float32: sum_BGFK of phi(k) vᵀ and total_BGF of phi(k)."""

    sum_BGFK: Tensor
    total_BGF: Tensor

    def rows(self, index: Tensor) -> Sums:
        return Sums(self.sum_BGFK[index], self.total_BGF[index])


@dataclass(frozen=True)
class LinearSummary:
    """Cross-attention's cache: the sums; keys and mask are kept only for `read_weights`."""

    sums: Sums
    k_NGSK: Tensor
    mask_N11S: Tensor | None

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.k_NGSK)

    def rows(self, index: Tensor) -> LinearSummary:
        mask = None if self.mask_N11S is None else self.mask_N11S[index]
        return LinearSummary(self.sums.rows(index), self.k_NGSK[index], mask)


class Linear(EncoderMixer, MemoryMixer, CausalMixer):
    """phi(q) (phi(k)ᵀ v) by `features`: elu(x) + 1, relu(x), "hedgehog", or positive "random" ones.

    Hedgehog features are softmax(W x) and softmax(-W x) over the rows of a W that each head learns: weights can be as
    sharp as those of softmax attention (Zhang et al. 2024, "The Hedgehog & the Porcupine", where W is square and starts
    as the identity; a random start with more rows distinguishes more keys). Where query heads share keys, each head
    still has its own features of them. Random features: exp(w . x - |x|² / 2) / sqrt(F) with orthogonal Gaussian rows
    w; their products are exp(q . k) in expectation (Choromanski et al. 2021, "Rethinking Attention with Performers";
    the sines and cosines and the gate of RFA, Peng et al. 2021, are not used). Time grows with T + S; time and memory
    of a decoding step do not grow with the position. Sums stay in float32 also under autocast: in bfloat16 small
    addends get lost. Raises ValueError for unknown features, for num_features below 1, and for dropout of weights.
    """

    def __init__(
        self, num_heads: int, head_size: int, *, features: str = "elu", num_features: int = 64, dropout: float = 0.0
    ):
        super().__init__()
        if features not in FEATURES:
            raise ValueError(f"features ({features}) must be one of {', '.join(FEATURES)}")
        if num_features < 1:
            raise ValueError(f"num_features ({num_features}) must be at least 1")
        refuse_weight_dropout(dropout, "linear attention")
        self.num_features = {"random": num_features, "hedgehog": 2 * num_features}.get(features, head_size)
        # queries and keys are each scaled, so that their product is divided by sqrt(K); hedgehog has a softmax instead
        self.features, self.scale = features, 1.0 if features == "hedgehog" else head_size**-0.25
        if features == "hedgehog":
            self.map_HFK = nn.Parameter(torch.randn(num_heads, num_features, head_size) * head_size**-0.5)
        if features == "random":  # saved with the weights, so that a loaded model has the same
            self.directions_FK = nn.Parameter(_orthogonal_gaussian(num_features, head_size), requires_grad=False)

    def phi(self, x_BHTK: Tensor) -> Tensor:
        """features_BHTF of queries or keys, above 0."""
        x_BHTK = x_BHTK.float() * self.scale
        if self.features == "elu":
            return nn.functional.elu(x_BHTK) + 1 + LEAST
        if self.features == "relu":
            return x_BHTK.relu() + LEAST
        if self.features == "hedgehog":
            scores_BHTF = repeat_heads(x_BHTK, len(self.map_HFK)) @ self.map_HFK.float().transpose(-1, -2)
            return torch.stack((scores_BHTF, -scores_BHTF), dim=-2).softmax(dim=-1).flatten(-2) + LEAST
        with full_precision(x_BHTK):
            scores_BHTF = x_BHTK @ self.directions_FK.float().T - x_BHTK.square().sum(-1, keepdim=True) / 2
        return scores_BHTF.exp() * len(self.directions_FK) ** -0.5 + LEAST

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return _shares(self.phi(q_BHTK) @ repeat_heads(self.phi(k_BGSK), q_BHTK.shape[1]).transpose(-1, -2), mask)

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        T, S, K, F = q_BHTK.shape[2], *k_BGSK.shape[2:], self.num_features
        is_short = T * S * (F + K) < (T + S) * F * K  # then all pairs cost less than the sums
        if is_short or (mask is not None and mask.shape[-2] > 1):  # queries that see different keys have different sums
            v_BHSK = repeat_heads(v_BGSK, q_BHTK.shape[1])
            return (self.weights(q_BHTK, k_BGSK, mask) @ v_BHSK.float()).to(v_BGSK.dtype)
        return self._read(q_BHTK, _summed(self._masked_features(k_BGSK, mask), v_BGSK)).to(v_BGSK.dtype)

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> LinearSummary:
        mask = mask_of_keys(mask, k_BGSK)
        return LinearSummary(_summed(self._masked_features(k_BGSK, mask), v_BGSK), k_BGSK, mask)

    def read(self, q_NHUK: Tensor, summary: LinearSummary) -> Tensor:
        return self._read(q_NHUK, summary.sums).to(q_NHUK.dtype)

    def read_weights(self, q_NHUK: Tensor, summary: LinearSummary) -> Tensor:
        return self.weights(q_NHUK, summary.k_NGSK, summary.mask_N11S)

    def start(self) -> Sums | None:
        return None

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: Sums | None) -> tuple[Tensor, Sums]:
        heads = []
        for q, k, v in zip(*(x.split(BLOCK, dim=2) for x in (q_BHTK, k_BGTK, v_BGTK)), strict=True):
            new, past = self._extend(q, k, v, past)
            heads.append(new)
        assert past is not None
        return torch.cat(heads, dim=2).to(v_BGTK.dtype), past

    def _extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: Sums | None) -> tuple[Tensor, Sums]:
        """One block: its positions look at earlier ones in the block, and at the sums of all positions before it."""
        features_BGTF = self.phi(k_BGTK)
        new = _summed(features_BGTF, v_BGTK)
        now = new if past is None else Sums(past.sum_BGFK + new.sum_BGFK, past.total_BGF + new.total_BGF)
        if q_BHTK.shape[2] == 1:
            return self._read(q_BHTK, now), now
        num_heads, phi_BHTF = q_BHTK.shape[1], self.phi(q_BHTK)
        products_BHTT = (phi_BHTF @ repeat_heads(features_BGTF, num_heads).transpose(-1, -2)).tril()
        above_BHTK = products_BHTT @ repeat_heads(v_BGTK.float(), num_heads)
        below_BHT1 = products_BHTT.sum(dim=-1, keepdim=True, dtype=torch.float32)
        if past is not None:
            above_BHTK = above_BHTK + phi_BHTF @ repeat_heads(past.sum_BGFK, num_heads)
            below_BHT1 = below_BHT1 + phi_BHTF @ repeat_heads(past.total_BGF, num_heads).unsqueeze(-1)
        return above_BHTK / below_BHT1, now

    def _masked_features(self, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """Features of the keys, zero where the mask hides them. mask: B 1 1 S"""
        features_BGSF = self.phi(k_BGSK)
        return features_BGSF if mask is None else features_BGSF * mask.transpose(-1, -2)

    def _read(self, q_BHTK: Tensor, sums: Sums) -> Tensor:
        phi_BHTF, num_heads = self.phi(q_BHTK), q_BHTK.shape[1]
        below_BHT1 = phi_BHTF @ repeat_heads(sums.total_BGF, num_heads).unsqueeze(-1)
        return phi_BHTF @ repeat_heads(sums.sum_BGFK, num_heads) / below_BHT1


def _summed(features_BGSF: Tensor, v_BGSK: Tensor) -> Sums:
    v_BGSK = repeat_heads(v_BGSK.float(), features_BGSF.shape[1])
    return Sums((features_BGSF.transpose(-1, -2) @ v_BGSK).float(), features_BGSF.sum(dim=2, dtype=torch.float32))


def _shares(products_BHTS: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None:
        products_BHTS = products_BHTS * mask
    return products_BHTS / products_BHTS.sum(dim=-1, keepdim=True)


def _orthogonal_gaussian(num_features: int, head_size: int) -> Tensor:
    """Rows that are orthogonal within each block of `head_size`, with the lengths of Gaussian ones."""
    blocks = [torch.linalg.qr(torch.randn(head_size, head_size))[0] for _ in range(-(-num_features // head_size))]
    lengths_F1 = torch.randn(num_features, head_size).norm(dim=-1, keepdim=True)
    return torch.cat(blocks)[:num_features] * lengths_F1
