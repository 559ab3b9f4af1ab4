"""The source pieces that a target piece is linked to, for attention that uses them (`mt.attention.prior`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# R rows (hypotheses), N sentences, T target positions, S source length, V target vocabulary, M links of a piece

MOST = 32  # source pieces per target piece; 8 bytes each
NO_PIECE = torch.iinfo(torch.int32).max


class Lexicon(nn.Module):
    """P(source piece | target piece) of the `MOST` likeliest source pieces of each, 0 of all others.

    Shared by all layers, stored with the weights, not trained. Until it is filled, every probability is 0.
    """

    pieces_VM: Tensor  # int32, ascending in each row
    shares_VM: Tensor

    def __init__(self, num_target_pieces: int):
        super().__init__()
        self.register_buffer("pieces_VM", torch.full((num_target_pieces, MOST), NO_PIECE, dtype=torch.int32))
        self.register_buffer("shares_VM", torch.zeros(num_target_pieces, MOST))

    def fill(self, starts: Tensor, pieces: Tensor, shares: Tensor) -> None:
        """Source pieces of target piece v, `MOST` at most: `pieces[starts[v] : starts[v + 1]]`, and P of each."""
        targets = torch.arange(len(starts) - 1).repeat_interleave(starts.diff())
        order = pieces.argsort()
        order = order[targets[order].argsort(stable=True)]
        places = torch.arange(len(pieces)) - starts[targets]
        for buffer, values, empty in ((self.pieces_VM, pieces, NO_PIECE), (self.shares_VM, shares, 0)):
            buffer.fill_(empty)
            buffer[targets, places] = values[order].to(buffer.dtype)

    def forward(self, tokens_RT: Tensor, pieces_NS: Tensor) -> Tensor:
        """prior_RTS = P(source piece at s | target piece at t); row r belongs to sentence r // (R / N)."""
        (R, T), (N, S) = tokens_RT.shape, pieces_NS.shape
        # each row has its own range of keys, so that one search finds all of them
        asked_RTS = pieces_NS.int()[:, None, None].expand(N, R // N, T, S).reshape(R, T, S).contiguous()
        pieces_RTM = self.pieces_VM[tokens_RT]
        places_RTS = torch.searchsorted(pieces_RTM, asked_RTS).clamp_max_(MOST - 1)
        is_linked_RTS = pieces_RTM.gather(2, places_RTS) == asked_RTS
        return self.shares_VM[tokens_RT].gather(2, places_RTS).masked_fill(~is_linked_RTS, 0.0)
