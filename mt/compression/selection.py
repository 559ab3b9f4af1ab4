"""Which heads and neurons go, by their importance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import Tensor

from mt.compression.pruning import slot_of

# H heads, F neurons


def least_heads(importance: Mapping[str, Tensor], shares: Mapping[str, float]) -> dict[str, list[int]]:
    """The least important heads, by the name of their attention and their place in it, from 0.

    `shares` are the shares of all heads of a slot ("encoder", "decoder", "cross") that go, or, as "all", of the heads
    of all slots together, which are then compared with each other. Every attention keeps its most important head.
    Raises ValueError for a share that would need more, and for one of less than a head.
    """
    gone: dict[str, list[int]] = {}
    for slot, share in shares.items():
        own = {name: one for name, one in importance.items() if slot in ("all", slot_of(name))}
        ranked = sorted((value, name, head) for name, one in own.items() for head, value in enumerate(one.tolist()))
        keeps = {name: int(one.argmax()) for name, one in own.items()}
        free = [(name, head) for _, name, head in ranked if keeps[name] != head]
        count = round(share * len(ranked))
        if not count:
            raise ValueError(f"heads of {slot} ({share:g}) must be at least {1 / len(ranked):.2g}, one head")
        if count > len(free):
            raise ValueError(
                f"heads of {slot} ({share:g}) must be at most {len(free) / len(ranked):.2f}: every attention keeps one"
            )
        for name, head in free[:count]:
            gone.setdefault(name, []).append(head)
    return {name: sorted(heads) for name, heads in gone.items()}


def least_layers(costs: Mapping[tuple[str, int], float], count: int) -> list[tuple[str, int]]:
    """The `count` layers whose absence costs least (`layer_importance`), by half and number; each half keeps one.

    Raises ValueError for a count that would need more, and for 0.
    """
    left = Counter(half for half, _ in costs)
    most = sum(number - 1 for number in left.values())
    if not most:
        raise ValueError(f"--layers ({count}): no layer can go: each half keeps one, and an alignment head its decoder")
    if not 0 < count <= most:
        raise ValueError(f"--layers ({count}) must be from 1 to {most}: each half keeps one")
    chosen: list[tuple[str, int]] = []
    for half, number in sorted(costs, key=lambda layer: costs[layer]):
        if len(chosen) < count and left[half] > 1:
            chosen.append((half, number))
            left[half] -= 1
    return chosen


def least_neurons(importance: Mapping[str, Tensor], share: float) -> dict[str, list[int]]:
    """The least important neurons of each feed-forward part, a `share` of them, by their place, from 0.

    Raises ValueError for a share of less than a neuron.
    """
    widest = max(map(len, importance.values()))
    if not round(share * widest):
        raise ValueError(f"neurons ({share:g}) must be at least {1 / widest:.2g}, one neuron")
    return {name: sorted(one.argsort()[: round(share * len(one))].tolist()) for name, one in importance.items()}
