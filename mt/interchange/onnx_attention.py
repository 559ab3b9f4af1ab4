"""The attention variants as ONNX operations: of each its weights, as `mt/attention` defines them.

The cache of every variant holds all keys and values, which is what transformers.js knows: variants that have sums in
place of a cache compute the same numbers from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from mt.attention.linear import LEAST
from mt.attention.relative import Relative
from mt.interchange.onnx_graph import Graph, Value
from mt.interchange.plan import AttentionPlan

# B rows, H heads, T queries, S keys, K head size, M mixtures, E elements of a gate

FAR = -2.0  # see `mt.attention.entmax`


@dataclass(frozen=True, kw_only=True)
class Place:
    """What queries and keys stand for.

    seen      which keys a query may look at: B 1 1 S, or 1 1 T S in the decoder
    real_BS   keys that are no padding; None in the decoder's self-attention
    position  of the first query, as a list of one number
    segments_BS   the sentence of each key, own_BT that of each query; None: the one to be translated
    prior_B1TS    see `mt.attention.prior`
    """

    seen: Value
    position: Value
    real_BS: Value | None = None
    segments_BS: Value | None = None
    own_BT: Value | None = None
    prior_B1TS: Value | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One attention: its queries and keys (of all heads), and the weights of its mixer by name."""

    graph: Graph
    kind: AttentionPlan
    own: Mapping[str, np.ndarray]
    name: str  # of the mixer, for its weights in the graph
    q: Value
    k: Value
    at: Place
    size: int

    def __getitem__(self, setting: str) -> Any:
        return self.kind.settings[setting]

    def weight(self, name: str) -> Value:
        return self.graph.vector(f"{self.name}.{name}", self.own[name])

    @cached_property
    def plain(self) -> Value:
        """scores_BHTS without a mask."""
        return (self.q * self.size**-0.5) @ self.k.transpose(0, 1, 3, 2)

    @cached_property
    def scores(self) -> Value:
        """scores_BHTS, minus infinity where a key is hidden."""
        return self.plain.hidden(self.at.seen)

    @cached_property
    def keys(self) -> Value:
        """0, 1, … S - 1"""
        return self.graph.range(self.k.size(2))

    @cached_property
    def places_T1(self) -> Value:
        """The position of each query."""
        return self.graph.range(self.at.position + self.q.size(2), self.at.position).unsqueeze(1)

    @cached_property
    def real_BS(self) -> Value:
        assert self.at.real_BS is not None, "this variant is not for the decoder's self-attention"
        return self.at.real_BS

    @property
    def num_real_B111(self) -> Value:
        return self.real_BS.to_float().sum(1).unsqueeze(1, 2)


def dense(x: Asked) -> Value:
    return x.scores.softmax()


def relative(x: Asked) -> Value:
    furthest = x["furthest"]
    distances = torch.arange(-furthest, furthest + 1)
    buckets = Relative(1, 1, buckets=x["buckets"], furthest=furthest).bucket(distances).numpy()
    bias_HN = x.graph.vector(f"{x.name}.bias_by_distance", x.own["bias_HN"][:, buckets])
    distances_TS = (x.keys - x.places_T1).least(-furthest).most(furthest) + furthest
    return (x.plain + bias_HN.gather(distances_TS, axis=1)).hidden(x.at.seen).softmax()


def window(x: Asked) -> Value:
    near = (x.keys - x.places_T1).abs() <= x["reach"]
    both = near & x.at.seen
    # padding may have no real neighbour: it looks at all real keys, and nothing reads its result
    return x.plain.hidden(both | (x.at.seen & ~both.any(-1))).softmax()


def top_k(x: Asked) -> Value:
    least = _sorted(x.scores, x.k.size(2).most(x["k"])).min()
    return x.scores.hidden(x.scores >= least).softmax()


def threshold(x: Asked) -> Value:
    relative_BHTS = (x.scores - x.scores.max()).exp()
    return x.scores.hidden(relative_BHTS >= x["share"]).softmax()


def entmax(x: Asked) -> Value:
    alpha = x["alpha"]
    z = ((x.scores - x.scores.max()) * (alpha - 1)).least(FAR)
    ranked, ranks = _sorted(z, x.k.size(2)), (x.keys + 1).to_float()
    if alpha == 2:
        sums = ranked.cumsum(-1) - 1.0
        size = (ranks * ranked > sums).to_int().sum()
        limit = sums.gather_along(size - 1) / size.to_float()
        return (z - limit).least(0.0)
    mean = ranked.cumsum(-1) / ranks
    spread = ranks * ((ranked * ranked).cumsum(-1) / ranks - mean * mean)
    limits = mean - ((-spread + 1.0) / ranks).least(0.0).sqrt()
    kept = (z - limits.gather_along((limits <= ranked).to_int().sum() - 1)).least(0.0)
    return kept * kept


def rectified(x: Asked) -> Value:
    best = x.scores.max()
    positive = x.scores.least(0.0)
    if x["power"] > 1:
        positive = (positive / best.where(best > 0.0, 1.0)) ** float(x["power"])
    kept = positive.where(best > 0.0, x.scores.equals(best).to_float())
    return kept / kept.sum()


def average(x: Asked) -> Value:
    seen = x.at.seen.to_float() + (x.plain * 0.0)
    return seen / seen.sum()


def local(x: Asked) -> Value:
    inner = (x.q @ x.weight("inner_HKK")).tanh()
    centres = (x.num_real_B111 - 1.0) * (inner @ x.weight("outer_HK1")).sigmoid()
    return _bell(x, centres)


def diagonal(x: Asked) -> Value:
    return _bell(x, x.places_T1.to_float().most(x.num_real_B111 - 1.0))


def _bell(x: Asked, centres: Value) -> Value:
    away = x.keys.to_float() - centres
    return (x.plain - away * away / (2 * (x["reach"] / 2) ** 2)).hidden(x.at.seen).softmax()


def prior(x: Asked) -> Value:
    assert x.at.prior_B1TS is not None
    strength_H11 = x.graph.vector(f"{x.name}.strength", x.own["strength_H"][:, None, None])
    return (x.plain + strength_H11 * (x.at.prior_B1TS / x["floor"] + 1.0).log()).hidden(x.at.seen).softmax()


def linear(x: Asked) -> Value:
    products = _features(x, x.q) @ _features(x, x.k).transpose(0, 1, 3, 2) * x.at.seen.to_float()
    return products / products.sum()


def _features(x: Asked, given: Value) -> Value:
    kind = x["features"]
    if kind == "hedgehog":
        found = given @ x.weight("map_HFK").transpose(0, 2, 1)
        both = found.unsqueeze(3), (-found).unsqueeze(3)
        pair = x.graph.op("Concat", *both, type=found.type, axis=3).softmax()
        return pair.reshape(0, 0, 0, -1) + LEAST
    given = given * x.size**-0.25
    if kind == "elu":
        return given.op("Elu") + (1.0 + LEAST)
    if kind == "relu":
        return given.relu() + LEAST
    directions = x.own["directions_FK"]
    found = given @ x.weight("directions_FK").transpose(1, 0) - (given * given).sum() / 2.0
    return found.exp() * len(directions) ** -0.5 + LEAST


def ssru(x: Asked) -> Value:
    return _shares(x).mean().squeeze(4)


def _shares(x: Asked) -> Value:
    """shares_BHTSE: see `mt.attention.ssru.Ssru._shares`, for keys that come one after the other."""
    scores = x.k if x["per"] == "element" else x.k.sum() * x.size**-0.5
    scores, seen = scores.unsqueeze(2), x.at.seen.to_float().unsqueeze(4)
    kept = -(-scores).op("Softplus") * seen
    after = kept.cumsum(3, reverse=True) - kept
    is_first = x.keys.equals(0).unsqueeze(0, 1, 2, 4)
    own = (-scores.op("Softplus")).where(~is_first, 0.0)
    return (after + own).exp() * seen


def _mixed_keys(mixing: Callable[[Asked], Value], filled: Callable[[Asked, Value], Value]) -> Callable[[Asked], Value]:
    """See `mt.attention.mixed_keys`."""

    def weights(x: Asked) -> Value:
        mixing_B1MS = mixing(x).unsqueeze(1)
        scores = (x.q * x.size**-0.5) @ (mixing_B1MS @ x.k).transpose(0, 1, 3, 2)
        shares = scores.hidden(filled(x, mixing_B1MS)).softmax()
        return shares @ mixing_B1MS

    return weights


def _pools(x: Asked) -> Value:
    """mixing_BMS of `mt.attention.multi_scale`."""
    found = []
    for factor in x["factors"] if "factors" in x.kind.settings else (x["factor"],):
        pools_M1 = x.graph.range((x.k.size(2) + (factor - 1)) // factor).unsqueeze(1)
        members = ((x.keys // factor).equals(pools_M1) & x.real_BS.unsqueeze(1)).to_float()
        found.append(members / members.sum().least(1.0))
    return found[0] if len(found) == 1 else x.graph.op("Concat", *found, type=found[0].type, axis=1)


def _runs(x: Asked) -> Value:
    """mixing_BMS of `mt.attention.low_rank`."""
    logits = x.own["logits_MM"]
    number_M1 = x.graph.constant(np.arange(len(logits))[:, None], "int64")
    run_BS = (x.real_BS.to_int().cumsum(1) - 1) // _size_of_runs(x)
    inside = run_BS.unsqueeze(1).equals(number_M1) & x.real_BS.unsqueeze(1)
    counts_B1M = inside.to_float().sum().transpose(0, 2, 1)
    shares_BMM = (x.weight("logits_MM") + counts_B1M.log()).softmax() / counts_B1M.least(1.0)
    return (shares_BMM @ inside.to_float()) * _begun(x).to_float().unsqueeze(2)


def _size_of_runs(x: Asked) -> Value:
    return ((x.real_BS.to_int().sum(1) - 1) // len(x.own["logits_MM"]) + 1).least(1)


def _begun(x: Asked) -> Value:
    number_M = x.graph.constant(np.arange(len(x.own["logits_MM"])), "int64")
    return number_M * _size_of_runs(x) < x.real_BS.to_int().sum(1)


def sections(x: Asked) -> Value:
    segments, furthest = x.at.segments_BS, x["furthest"]
    assert segments is not None
    own_BT = x.at.own_BT
    distances = segments.unsqueeze(1) if own_BT is None else segments.unsqueeze(1) - own_BT.unsqueeze(2)
    places_BTS = distances.least(-furthest).most(furthest) + furthest
    bias_HBTS = x.weight("bias_HD").gather(places_BTS, axis=1)
    return (x.plain + bias_HBTS.transpose(1, 0, 2, 3)).hidden(x.at.seen).softmax()


def hierarchical(x: Asked) -> Value:
    segments, number = x.at.segments_BS, x["max_sentences"]
    assert segments is not None
    real_B1S = x.real_BS.unsqueeze(1)
    order = (segments - segments.min(1)).most(number - 1).unsqueeze(1)
    inside = order.equals(x.graph.constant(np.arange(number)[:, None], "int64")) & real_B1S
    members = x.graph.op("Concat", inside.to_float(), real_B1S.to_float(), type="float32", axis=1)
    means_B1CS = (members / members.sum().least(1.0)).unsqueeze(1)
    scores = (x.q * x.size**-0.5) @ (means_B1CS @ x.k).transpose(0, 1, 3, 2)
    has_any = (means_B1CS.sum() > 0.0).transpose(0, 1, 3, 2)
    sentences, whole = scores.hidden(has_any).split(3, number, 1)
    bias_H1L = x.graph.vector(f"{x.name}.bias", x.own["bias_H1L"])
    pieces, of_sentences, of_whole = (x.q @ x.weight("gate_HKL") + bias_H1L).softmax().split(3, 1, 1, 1)
    both = of_sentences * sentences.softmax(), of_whole * whole.softmax()
    return pieces * x.scores.softmax() + x.graph.op("Concat", *both, type="float32", axis=3) @ means_B1CS


def _sorted(values: Value, count: Value) -> Value:
    """The largest of each row, largest first."""
    return values.graph.ops("TopK", values, count, count=2, type=values.type, axis=-1, largest=1, sorted=1)[0]


WEIGHTS: dict[str, Callable[[Asked], Value]] = {
    **{one.__name__: one for one in (dense, relative, window, top_k, threshold, entmax, rectified, average, local)},
    **{one.__name__: one for one in (diagonal, prior, linear, ssru, sections, hierarchical)},
    "chunked": dense,
    "gated": dense,
    "dynamic_heads": dense,
    "pooled": _mixed_keys(_pools, lambda x, mixing: (mixing.sum() > 0.0).transpose(0, 1, 3, 2)),
    "multi_scale": _mixed_keys(_pools, lambda x, mixing: (mixing.sum() > 0.0).transpose(0, 1, 3, 2)),
    "low_rank": _mixed_keys(_runs, lambda x, mixing: _begun(x).unsqueeze(1, 2)),
}
NEEDS_PIECES = ("prior", "sections", "hierarchical")  # cross-attention that reads the source's pieces


def attend(x: Asked, v: Value) -> tuple[Value, Value]:
    """heads_BHTK and weights_BHTS."""
    weights = WEIGHTS[x.kind.kind](x)
    mixed = _recurrent(x, v) if x.kind.kind == "ssru" else weights @ v
    if x.kind.kind == "gated":
        mixed = mixed * (x.q @ x.weight("weight_HKE") + x.weight("bias_H1E")).sigmoid()
    if x.kind.kind == "dynamic_heads":
        mixed = mixed * _router(x)
    return mixed, weights


def _recurrent(x: Asked, v: Value) -> Value:
    """heads_BHTK of `mt.attention.ssru`, whose elements have weights of their own."""
    return (_shares(x) * v.unsqueeze(2)).sum(3).squeeze(3).relu()


def _router(x: Asked) -> Value:
    """gate_BH11: see `mt.attention.dynamic_heads.Router`."""
    real_B1S1 = x.real_BS.to_float().unsqueeze(1, 3)
    mean_BH1K = (x.k * real_B1S1).sum(2) / real_B1S1.sum(2)
    weight_H1K = x.graph.vector(f"{x.name}.router", x.own["router.weight_HK"][:, None])
    bias_H11 = x.graph.vector(f"{x.name}.router_bias", x.own["router.bias_H"][:, None, None])
    return ((mean_BH1K * weight_H1K).sum() * x.size**-0.5 + bias_H11 > 0.0).to_float()
