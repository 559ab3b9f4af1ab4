"""Self-attention along the rows of a picture's regions, then along its columns (Ho et al. 2019, "Axial Attention in
Multidimensional Transformers").
"""

from __future__ import annotations

from torch import Tensor

from mt.attention.key_value import KeyValueEncoder

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class Axial(KeyValueEncoder):
    """C R with R = softmax of q kᵀ / sqrt(K) among the keys of the same row, C the same among those of the column.

    So every region reaches every other one in two steps with the same queries and keys: row sums are one. Where no
    regions are known, all keys are one row, and this is dense attention. Here both softmaxes are taken of all scores,
    masked: time and memory are those of dense attention. Scales of a picture (`ImageEncoder.scales`) share rows and
    columns by the middle of each region.
    """

    needs_from_source = ("places_BS2",)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, places_BS2: Tensor | None = None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        if places_BS2 is None:
            return scores_BHTS.softmax(dim=-1)
        rows_BSS, columns_BSS = ((of_BS[:, None] == of_BS[:, :, None])[:, None] for of_BS in places_BS2.unbind(-1))
        along_rows_BHSS = scores_BHTS.masked_fill(~rows_BSS, float("-inf")).softmax(dim=-1)
        along_columns_BHSS = scores_BHTS.masked_fill(~columns_BSS, float("-inf")).softmax(dim=-1)
        if mask is not None:
            # a row or a column may have no key that the mask allows: then it takes part in nothing
            along_rows_BHSS, along_columns_BHSS = along_rows_BHSS.nan_to_num(0.0), along_columns_BHSS.nan_to_num(0.0)
        return along_columns_BHSS @ along_rows_BHSS
