"""Encoder self-attention with a learned bias by the path through the dependency tree from word to word (relative
 positions of Shaw et al. 2018 in a tree: Wang et al. 2019, "Self-Attention with Structural Position Representations";
Omote et al. 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.key_value import KeyValueEncoder, bias_at

# B batch, H heads, G key-value heads, T queries, S keys, K head size, U steps up and D steps down, N paths


class Structured(KeyValueEncoder):
    """softmax(q kᵀ / sqrt(K) + b[up, down]): the word of t reaches that of s by `up` steps up the tree, then `down`.

    So b[0, 0] is for the pieces of one word, b[1, 0] for a word's head, b[0, 1] for its dependents, b[1, 1] for its
    siblings; steps beyond `most_steps` count as `most_steps`. Each head has its own b, zero at the start. The papers
    add vectors to keys and distinguish left from right; here positions do that. Between pieces without a path (in two
    trees, in none, "</s>") the bias is 0: without trees this is dense attention. For the encoder only: only the source
    has trees. Time and memory are those of dense attention, unfused. Raises ValueError for `most_steps` below 1.
    """

    needs_from_source = ("tree_distance_BSS",)

    def __init__(self, num_heads: int, head_size: int, *, most_steps: int = 3, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if most_steps < 1:
            raise ValueError(f"most_steps ({most_steps}) must be at least 1")
        self.most_steps = most_steps
        self.bias_HUD = nn.Parameter(torch.zeros(num_heads, most_steps + 1, most_steps + 1))

    def bias(self, tree_distance_BSS: Tensor) -> Tensor:
        """bias_BHSS of the path from each piece to each other."""
        up_BSS = tree_distance_BSS.long()
        path_BSS = up_BSS.clamp(0, self.most_steps) * (self.most_steps + 1)
        path_BSS = path_BSS + up_BSS.transpose(1, 2).clamp(0, self.most_steps)
        bias_BHSS = bias_at(self.bias_HUD.flatten(1), path_BSS)
        return bias_BHSS.masked_fill((up_BSS < 0)[:, None], 0.0)

    def weights(
        self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, tree_distance_BSS: Tensor | None = None
    ) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        if tree_distance_BSS is not None:
            scores_BHTS = scores_BHTS + self.bias(tree_distance_BSS)
        return scores_BHTS.softmax(dim=-1)
