"""The simpler simple recurrent unit, SSRU, in place of the decoder's self-attention (Kim et al. 2019, "From Research to
Production and Back: Ludicrously Fast Neural Machine Translation").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import CausalMixer, repeat_heads
from mt.attention.dropout import refuse_weight_dropout
from mt.attention.gated import PER

# B batch, H heads, G key-value heads, T queries, S keys, K head size, E gates of a head: K, or 1


@dataclass(frozen=True)
class SsruPast:
    """The state after the last position, in float32; None before the first."""

    state_BG1K: Tensor | None = None

    def rows(self, index: Tensor) -> SsruPast:
        return self if self.state_BG1K is None else SsruPast(self.state_BG1K[index])


class Ssru(CausalMixer):
    """relu(c_t), c_t = f_t * c_(t-1) + (1 - f_t) * v_t, with the forget gate f_t = sigmoid(k_t) of the key.

    `per` "element" is the paper; per "head" all elements share sigmoid(sum(k_t) / sqrt(K)). Queries are not used.
    The first state is c_1 = v_1, so that rows of weights sum to one: the weight of s is
    (1 - f_s) * f_(s+1) * ... * f_t. With a gate per element each element has its own weights, and `weights` are their
    mean. Time grows with T log T in training; time and memory of a decoding step do not grow with the position. Rotary
    positions are left out here: they would rotate the gates. It is refused in an encoder, where every
    position would get the last state. Raises ValueError for a `per` that is not in
    PER, and for dropout of weights.
    """

    asks_queries = False
    takes_rotary = False  # they would rotate the gates, and order is known by recurrence

    def __init__(self, num_heads: int, head_size: int, *, per: str = "element", dropout: float = 0.0):
        super().__init__()
        refuse_weight_dropout(dropout, "a recurrent unit")
        if per not in PER:
            raise ValueError(f"per ({per}) must be one of {', '.join(PER)}")
        self.per = per

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self._shares(q_BHTK, k_BGSK, mask).mean(dim=-1)

    def activation(self, mixed_BHTK: Tensor) -> Tensor:
        return mixed_BHTK.relu()

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        v_BHSK = repeat_heads(v_BGSK, q_BHTK.shape[1])
        mixed_BHTK = (self._shares(q_BHTK, k_BGSK, mask) * v_BHSK.float()[:, :, None]).sum(dim=3)
        return self.activation(mixed_BHTK).to(v_BGSK.dtype)

    def start(self) -> SsruPast:
        return SsruPast()

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: SsruPast) -> tuple[Tensor, SsruPast]:
        scores_BGTE, v_BGTK32 = self._scores(k_BGTK), v_BGTK.float()
        keep_BGTK, new_BGTK = scores_BGTE.sigmoid().expand_as(v_BGTK32), (-scores_BGTE).sigmoid() * v_BGTK32
        before = v_BGTK32[:, :, :1] if past.state_BG1K is None else past.state_BG1K
        first_BG1K = new_BGTK[:, :, :1] + keep_BGTK[:, :, :1] * before  # so that c_1 = v_1
        states_BGTK = scan(keep_BGTK, torch.cat((first_BG1K, new_BGTK[:, :, 1:]), dim=2))
        heads_BHTK = repeat_heads(self.activation(states_BGTK).to(v_BGTK.dtype), q_BHTK.shape[1])
        return heads_BHTK, SsruPast(states_BGTK[:, :, -1:])

    def _scores(self, k_BGSK: Tensor) -> Tensor:
        """scores_BGSE of the gates before the sigmoid, in float32."""
        k_BGSK = k_BGSK.float()
        return k_BGSK if self.per == "element" else k_BGSK.sum(dim=-1, keepdim=True) * k_BGSK.shape[-1] ** -0.5

    def _shares(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """shares_BHTSE by the definition, over the keys that each query may look at, in order."""
        B, H, T, _ = q_BHTK.shape
        scores_BHSE = repeat_heads(self._scores(k_BGSK), H)
        seen_BHTS = torch.ones(B, H, T, scores_BHSE.shape[2], dtype=torch.bool, device=q_BHTK.device)
        seen_BHTS = seen_BHTS if mask is None else seen_BHTS & mask
        is_first_BHTS = seen_BHTS & (seen_BHTS.cumsum(dim=-1) == 1)
        logsigmoid, scores_BH1SE = nn.functional.logsigmoid, scores_BHSE[:, :, None]
        kept_BHTSE = logsigmoid(scores_BH1SE) * seen_BHTS[..., None]
        after_BHTSE = kept_BHTSE.flip(3).cumsum(dim=3).flip(3) - kept_BHTSE  # log of the product of later forget gates
        own_BHTSE = logsigmoid(-scores_BH1SE).masked_fill(is_first_BHTS[..., None], 0.0)
        return (after_BHTSE + own_BHTSE).exp() * seen_BHTS[..., None]


def scan(keep_BGTK: Tensor, new_BGTK: Tensor) -> Tensor:
    """states_t = keep_t * states_(t-1) + new_t for all t at once, in log2(T) steps (Hillis and Steele 1986).

    The state before the first is zero. There is no division and products of gates are at most 1, so any T is stable.
    """
    length, step = new_BGTK.shape[2], 1
    while step < length:
        # each position adds the sum that ends `step` before it, so it then covers twice as many
        later = keep_BGTK[:, :, step:]
        new_BGTK = torch.cat((new_BGTK[:, :, :step], new_BGTK[:, :, step:] + later * new_BGTK[:, :, :-step]), dim=2)
        keep_BGTK = torch.cat((keep_BGTK[:, :, :step], later * keep_BGTK[:, :, :-step]), dim=2)
        step *= 2
    return new_BGTK
