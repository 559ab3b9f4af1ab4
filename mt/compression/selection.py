"""Which heads and neurons go, by their importance."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mt.compression.pruning import slot_of

# H heads, F neurons


def least_heads(importance: Mapping[str, Tensor], shares: Mapping[str, float]) -> dict[str, list[int]]:
    """The least important heads, by the name of their attention and their place in it, from 0.

    `shares` are the shares of all heads of a slot ("encoder", "decoder", "cross") that go, or, as "all", of the heads
    of all slots together, which are then compared with each other. Every attention keeps its most important head.
    Raises ValueError for a share that would need more.
    """
    gone: dict[str, list[int]] = {}
    for slot, share in shares.items():
        own = {name: one for name, one in importance.items() if slot in ("all", slot_of(name))}
        ranked = sorted((value, name, head) for name, one in own.items() for head, value in enumerate(one.tolist()))
        keeps = {name: int(one.argmax()) for name, one in own.items()}
        free = [(name, head) for _, name, head in ranked if keeps[name] != head]
        count = round(share * len(ranked))
        if count > len(free):
            raise ValueError(
                f"heads of {slot} ({share:g}) must be at most {len(free) / len(ranked):.2f}: every attention keeps one"
            )
        for name, head in free[:count]:
            gone.setdefault(name, []).append(head)
    return {name: sorted(heads) for name, heads in gone.items()}


def least_neurons(importance: Mapping[str, Tensor], share: float) -> dict[str, list[int]]:
    """The least important neurons of each feed-forward part, a `share` of them, by their place, from 0."""
    return {name: sorted(one.argsort()[: round(share * len(one))].tolist()) for name, one in importance.items()}
