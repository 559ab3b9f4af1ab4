"""Scores of retrieval: how high what was looked for stands, by one right answer and by all true ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import mean, median

RANKS = (1, 5, 10)


def retrieval_scores(
    rankings: Sequence[Sequence[int]], own: Sequence[int], true: Sequence[Collection[int]]
) -> dict[str, float]:
    """In %, but for the median rank: scores of rankings of all things for each query, best first.

    `own` is the thing that each query belongs to, `true` all things that it is true of, which include `own`: of most
    corpora only the first is known, so a right answer often counts as wrong (Chun et al. 2022, "ECCV Caption").

    r@k           queries with any true thing among the first k
    plain_r@k     queries with their own among them; plain_ceiling@k is the most that a perfect ranking can expect,
                  since it cannot tell the own one from other true ones: the mean of min(1, k / number of true ones)
    median_rank   of the first true thing, from 1
    map@r         mean over queries of the mean precision at each true thing among the first R, R being the number of
                  true ones, and 0 for those that are not among them (Musgrave et al. 2020, "A Metric Learning Reality
                  Check")

    Raises ValueError for a query without a ranking, or one that nothing is true of.
    """
    if not len(rankings) == len(own) == len(true) or not rankings:
        raise ValueError(
            f"rankings ({len(rankings)}) must be as many as own ({len(own)}) and true ({len(true)}), at least 1"
        )
    for number, (one, things) in enumerate(zip(own, true, strict=True), start=1):
        if one not in things:
            raise ValueError(f"query {number}: its own thing ({one}) must be among those that it is true of")
    firsts = [
        next((rank for rank, place in enumerate(ranking, start=1) if place in things), len(ranking) + 1)
        for ranking, things in zip(rankings, true, strict=True)
    ]
    owns = [
        next((rank for rank, place in enumerate(ranking, start=1) if place == one), len(ranking) + 1)
        for ranking, one in zip(rankings, own, strict=True)
    ]
    found: dict[str, float] = {}
    for k in RANKS:
        found[f"r@{k}"] = 100 * mean(rank <= k for rank in firsts)
        found[f"plain_r@{k}"] = 100 * mean(rank <= k for rank in owns)
        found[f"plain_ceiling@{k}"] = 100 * mean(min(1.0, k / len(things)) for things in true)
    found["median_rank"] = float(median(firsts))
    found["map@r"] = 100 * mean(_precision(ranking, things) for ranking, things in zip(rankings, true, strict=True))
    return found


def _precision(ranking: Sequence[int], true: Collection[int]) -> float:
    hits, total = 0, 0.0
    for rank, place in enumerate(ranking[: len(true)], start=1):
        if place in true:
            hits += 1
            total += hits / rank
    return total / len(true)
