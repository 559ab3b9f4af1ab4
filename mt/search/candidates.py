"""The best continuations of each sentence's hypotheses, quickly and with ties broken the same way everywhere."""

from dataclasses import dataclass

import torch
from torch import Tensor

# N sentences, W hypotheses of each, V vocabulary, K candidates kept, J blocks of a row, L tokens in a block

BLOCK_LENGTH = 96


@dataclass(frozen=True)
class Candidates:
    """The K best continuations of each sentence, best first."""

    totals_NK: Tensor  # log-probability of the hypothesis with its new token
    parents_NK: Tensor  # which of the sentence's hypotheses is continued
    tokens_NK: Tensor  # by which token


def top_candidates(log_probs_NWV: Tensor, totals_NW: Tensor, count: int) -> Candidates:
    """The `count` greatest totals_NW + log_probs_NWV of each sentence (fewer where W * V is smaller).

    Among equal values the earlier hypothesis comes first, then the smaller token id, on every device and for
    any number of sentences. Works on float32.

    A plain top-k over W * V values is slow on a CPU, so the vocabulary is read in blocks of L tokens: each of the
    `count` best values lies in one of the `count` blocks with the greatest maxima.
    """
    W, V = log_probs_NWV.shape[1:]
    J = -(-V // BLOCK_LENGTH)
    num_whole = V // BLOCK_LENGTH
    count = min(count, W * V)

    whole_NWJL = log_probs_NWV[..., : num_whole * BLOCK_LENGTH].unflatten(-1, (num_whole, BLOCK_LENGTH))
    best_NWJ = whole_NWJL.amax(-1)
    if num_whole < J:
        rest_NW1 = log_probs_NWV[..., num_whole * BLOCK_LENGTH :].amax(-1, keepdim=True)
        best_NWJ = torch.cat([best_NWJ, rest_NW1], dim=-1)
    best_NWJ = best_NWJ + totals_NW.unsqueeze(-1)

    # the blocks that can hold a winner, in order of their place, so that place still decides between equals
    blocks_NK = _first(best_NWJ.flatten(1), min(count, W * J)).sort(dim=-1).values
    slots_NK1 = (blocks_NK // J).unsqueeze(-1)
    tokens_NKL = (blocks_NK % J * BLOCK_LENGTH).unsqueeze(-1) + torch.arange(BLOCK_LENGTH, device=blocks_NK.device)
    places_NKL = slots_NK1 * V + tokens_NKL.clamp(max=V - 1)

    totals_NC = log_probs_NWV.flatten(1).gather(1, places_NKL.flatten(1))
    totals_NC = totals_NC + totals_NW.gather(1, blocks_NK // J).repeat_interleave(BLOCK_LENGTH, dim=1)
    # places past the end of the last block repeat token V - 1, to the right of the true one; -inf keeps them out
    totals_NC = totals_NC.masked_fill((tokens_NKL >= V).flatten(1), -torch.inf)
    winners_NK = _first(totals_NC, count)
    places_NK = places_NKL.flatten(1).gather(1, winners_NK)
    return Candidates(totals_NC.gather(1, winners_NK), places_NK // V, places_NK % V)


def _first(values_NC: Tensor, count: int) -> Tensor:
    """Places of the `count` greatest values in each row, best first; the earlier place first among equals.

    torch.topk does not define which of two equal values it takes, so it gets keys that are never equal: the bits of
    the float, mapped so that they sort as integers, followed by the place counted from the right.
    """
    bits_NC = values_NC.contiguous().view(torch.int32)
    bits_NC = bits_NC ^ ((bits_NC >> 31) & 0x7FFFFFFF)
    from_right_C = torch.arange(values_NC.shape[1] - 1, -1, -1, device=values_NC.device)
    keys_NC = (bits_NC.long() << 32) | from_right_C
    return keys_NC.topk(count, dim=-1).indices
