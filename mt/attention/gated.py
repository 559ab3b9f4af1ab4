"""Gated attention: a gate of the query scales the output of each head (Qiu et al. 2025, "Gated Attention for Large
Language Models"; there the gate reads the layer's input, of which the query is a projection).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.dense import Dense

# B batch, H heads, G key-value heads, T queries, S keys, K head size

PER = ("head", "element")
OPEN = 2.0  # initial bias of the gate: sigmoid(2) = 0.88


class Gated(Dense):
    """sigmoid(q W + b) * dense attention, each head has its W and b: one gate `per` "head" or per "element" of it.

    A head without a useful value closes its gate; it need not put its weights on "</s>". Time and memory are those of
    dense attention. With rotary positions the gate reads rotated queries, so it depends on the position. Raises
    ValueError for a `per` that is not in PER.
    """

    def __init__(self, num_heads: int, head_size: int, *, per: str = "element", dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if per not in PER:
            raise ValueError(f"per ({per}) must be one of {', '.join(PER)}")
        self.per = per
        size = head_size if per == "element" else 1
        self.weight_HKE = nn.Parameter(torch.randn(num_heads, head_size, size) * 0.02)
        self.bias_H1E = nn.Parameter(torch.full((num_heads, 1, size), OPEN))

    def gate(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return (q_BHTK @ self.weight_HKE.to(q_BHTK.dtype) + self.bias_H1E.to(q_BHTK.dtype)).sigmoid()

    def attend(
        self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, **known: Tensor | None
    ) -> Tensor:
        return self.gate(q_BHTK, k_BGSK, mask) * super().attend(q_BHTK, k_BGSK, v_BGSK, mask, **known)
