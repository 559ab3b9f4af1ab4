"""How a beam shares its places where rules demand tokens: dynamic beam allocation (Post and Vilar 2018)."""

import torch
from torch import Tensor

from mt.search.candidates import Candidates, top_candidates
from mt.search.rules.together import Rules

# N sentences, W hypotheses of each, V vocabulary, C candidates, K candidates kept, T tokens so far, B banks


def shared_candidates(
    log_probs_NWV: Tensor, totals_NW: Tensor, count: int, rules: Rules, history_NWT: Tensor, sentences_N: Tensor
) -> Candidates:
    """The `count` candidates of each sentence that keep their places, best first.

    Candidates are the likeliest continuations of every hypothesis, and those that the rules demand. They are divided
    into banks by how many demanded tokens they have, and the banks share the places. Where nothing is demanded, there
    is one bank, and these are the candidates of `top_candidates`.
    """
    N, W, V = log_probs_NWV.shape
    device = log_probs_NWV.device
    likeliest = top_candidates(log_probs_NWV.reshape(N * W, 1, V), totals_NW.reshape(N * W, 1), count)
    likely_NWK, totals_NWK = (x.view(N, W, -1) for x in (likeliest.tokens_NK, likeliest.totals_NK))

    demanded_NWC = rules.next_tokens(history_NWT, sentences_N).to(device)
    of_demanded_NWC = log_probs_NWV.gather(-1, demanded_NWC.clamp(min=0)) + totals_NW.unsqueeze(-1)
    is_known_NWC = (demanded_NWC.unsqueeze(-1) == likely_NWK.unsqueeze(-2)).any(-1)
    is_same_NWCC = demanded_NWC.unsqueeze(-1) == demanded_NWC.unsqueeze(-2)
    is_known_NWC |= is_same_NWCC.tril(-1).any(-1)  # two phrases that continue with the same token
    of_demanded_NWC = of_demanded_NWC.masked_fill(is_known_NWC | (demanded_NWC < 0), -torch.inf)

    tokens_NC = torch.cat([likely_NWK, demanded_NWC.clamp(min=0)], dim=-1).flatten(1)
    totals_NC = torch.cat([totals_NWK, of_demanded_NWC], dim=-1).flatten(1)
    parents_NC = torch.arange(W, device=device).repeat_interleave(tokens_NC.shape[1] // W).expand(N, -1)
    # best first; among equals the earlier hypothesis, then the smaller id
    order_NC = (parents_NC * V + tokens_NC).argsort(dim=-1, stable=True)
    order_NC = order_NC.gather(1, totals_NC.gather(1, order_NC).argsort(dim=-1, descending=True, stable=True))
    tokens_NC, totals_NC, parents_NC = (x.gather(1, order_NC) for x in (tokens_NC, totals_NC, parents_NC))

    progress_NC = rules.progress_after(history_NWT, sentences_N, parents_NC, tokens_NC)
    num_banks = int(rules.needed(sentences_N).max()) + 1
    is_kept_NC = _keep(progress_NC, totals_NC > -torch.inf, num_banks, count)
    kept_NK = (~is_kept_NC).long().argsort(dim=-1, stable=True)[:, : min(count, W * V)]
    return Candidates(*(x.gather(1, kept_NK) for x in (totals_NC, parents_NC, tokens_NC)))


def _keep(bank_NC: Tensor, is_possible_NC: Tensor, num_banks: int, count: int) -> Tensor:
    """is_kept_NC: `count` of the possible candidates (all where there are fewer), which come best first.

    Every bank that has candidates gets an equal share; the remainder, and what a bank cannot fill, goes to the
    others. Banks with more demanded tokens come first, so that a hypothesis with all of them is always found.
    """
    in_bank_NCB = (bank_NC.unsqueeze(-1) == torch.arange(num_banks, device=bank_NC.device)) & is_possible_NC.unsqueeze(
        -1
    )
    counts_NB = in_bank_NCB.sum(1)
    share_N = (count // (counts_NB > 0).sum(-1).clamp(min=1)).clamp(min=1)
    places_NB, left_N = torch.zeros_like(counts_NB), torch.full_like(share_N, count)
    for most_N in (share_N, left_N):
        for bank in reversed(range(num_banks)):
            taken_N = torch.minimum(torch.minimum(counts_NB[:, bank] - places_NB[:, bank], most_N), left_N)
            places_NB[:, bank] += taken_N
            left_N = left_N - taken_N
    rank_NCB = in_bank_NCB.long().cumsum(1)
    return (in_bank_NCB & (rank_NCB <= places_NB.unsqueeze(1))).any(-1)
