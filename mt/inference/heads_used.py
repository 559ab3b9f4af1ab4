"""The share of its heads that a model uses, where a router selects them (`mt.attention.dynamic_heads`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from mt.attention.dynamic_heads import Router

# B batch, H heads

SLOTS = {"attention": "encoder", "cross_attention": "cross"}  # by the name of a layer's part


@contextmanager
def heads_used(model: nn.Module) -> Iterator[dict[str, float]]:
    """The mean share of heads that were on, by slot and layer ("cross_layer0"), of all sentences seen in the block.

    It is filled in when the block ends; empty for a model without routers, and for a packed one.
    """
    seen: dict[str, list[Tensor]] = {}
    shares: dict[str, float] = {}

    def remember(name: str, router: nn.Module, arguments: tuple, gate_BH: Tensor) -> None:
        seen.setdefault(name, []).append((gate_BH > 0).float().mean(dim=1))

    handles = []
    for path, module in model.named_modules():
        if isinstance(module, Router):
            _, _, layer, part, *_ = path.split(".")  # decoder.layers.0.cross_attention.mixer.router
            handles.append(module.register_forward_hook(partial(remember, f"{SLOTS[part]}_layer{layer}")))
    try:
        yield shares
    finally:
        for handle in handles:
            handle.remove()
    # every sentence has the same weight, in batches of any size
    shares.update({name: sum(map(_total, found)) / sum(map(len, found)) for name, found in seen.items()})


def _total(share_B: Tensor) -> float:
    return float(share_B.sum())
