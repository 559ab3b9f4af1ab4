"""Every attention variant, as tests make it, the ways that attention is computed, and inputs for it."""

from functools import partial

import torch

from mt.attention.average import Average
from mt.attention.axial import Axial
from mt.attention.by_source import BySource
from mt.attention.chunked import Chunked
from mt.attention.dense import Dense
from mt.attention.diagonal import Diagonal
from mt.attention.dynamic_heads import DynamicHeads
from mt.attention.entmax import Entmax
from mt.attention.gated import Gated
from mt.attention.hierarchical import Hierarchical
from mt.attention.linear import Linear
from mt.attention.local import Local
from mt.attention.low_rank import LowRank
from mt.attention.mask import padding_mask
from mt.attention.multi_scale import MultiScale
from mt.attention.pooled import Pooled
from mt.attention.prior import Prior
from mt.attention.rectified import Rectified
from mt.attention.relative import Relative
from mt.attention.sections import Sections
from mt.attention.spatial import Spatial
from mt.attention.ssru import Ssru
from mt.attention.structured import Structured
from mt.attention.threshold import Threshold
from mt.attention.top_k import TopK
from mt.attention.window import Window


def some_off(factory, num_heads, head_size, **settings):
    """A router that has made up its mind: each sentence has other heads."""
    mixer = factory(num_heads, head_size, **settings)
    with torch.no_grad():
        mixer.router.weight_HK.normal_(std=9.0)
        mixer.router.bias_H.zero_()
    return mixer


def learned(variant, num_heads, head_size, **settings):
    """A variant whose parameters are no longer the zeros that they start as."""
    mixer = variant(num_heads, head_size, **settings)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_()
    return mixer


VARIANTS = {
    "dense": Dense,
    "top_k": partial(TopK, k=3),
    "threshold": partial(Threshold, share=0.4),
    "sparsemax": partial(Entmax, alpha=2.0),
    "entmax": partial(Entmax, alpha=1.5),
    "rectified": Rectified,
    "squared": partial(Rectified, power=2),
    "linear elu": Linear,
    "linear relu": partial(Linear, features="relu"),
    "linear hedgehog": partial(Linear, features="hedgehog", num_features=12),
    "linear random": partial(Linear, features="random", num_features=12),
    "low_rank": partial(LowRank, rank=4),
    "pooled": partial(Pooled, factor=2),
    "chunked": Chunked,
    "window": partial(Window, reach=2),
    "local": partial(Local, reach=3.0),
    "diagonal": partial(Diagonal, reach=3.0),
    "prior": Prior,
    "average": Average,
    "gated heads": partial(Gated, per="head"),
    "gated elements": Gated,
    "multi_scale": partial(MultiScale, factors=[1, 2]),
    "dynamic_heads": DynamicHeads,
    "dynamic_heads, some off": partial(some_off, DynamicHeads),
    "ssru heads": partial(Ssru, per="head"),
    "ssru elements": Ssru,
    "relative": partial(learned, Relative, buckets=8, furthest=6),
    "structured": partial(learned, Structured, most_steps=2),
    "hierarchical": partial(learned, Hierarchical, max_sentences=3),
    "sections": partial(learned, Sections, furthest=2),
    "spatial": partial(learned, Spatial, furthest=2),
    "axial": Axial,
    "by_source": partial(learned, BySource),
}

B, H, G, T, S, K = 3, 4, 2, 7, 9, 5  # all different, so that swapped axes fail


# the ways that dense attention goes on a CPU: (are there gradients, products of a batch, size of each)
WAYS = {
    "training": (True, {}),
    "one kernel": (False, {"MANY_PRODUCTS": 1000}),
    "sums": (False, {"MANY_PRODUCTS": 1, "SMALLEST_PRODUCT": 10_000}),
    "products": (False, {"MANY_PRODUCTS": 1, "SMALLEST_PRODUCT": 1}),
}


WITH_AND_WITHOUT_GRADIENTS = ("training", "one kernel")  # what any other attention can tell apart


def inputs(num_queries=T, num_keys=S, groups=G):
    torch.manual_seed(1)
    return torch.randn(B, H, num_queries, K), torch.randn(B, groups, num_keys, K), torch.randn(B, groups, num_keys, K)


def mask():
    ids = torch.ones(B, S, dtype=torch.long)
    ids[0, 6:] = 0
    ids[2, 2:] = 0
    return padding_mask(ids, 0)
