"""A plan as two ONNX graphs by the conventions of transformers.js: the encoder, and the decoder merged with its cache.

`use_cache_branch` false: the first call, which makes keys and values of the source; true: later ones, which get them
back. Sizes of batch, source, target and past are open in every input and output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mt.interchange.onnx_attention import NEEDS_PIECES, Asked, Place, attend
from mt.interchange.onnx_graph import BOOL, FLOAT, INT, Graph, Value
from mt.interchange.plan import AttentionPlan, Plan

# B rows, S source pieces, T target pieces, P past pieces, D model, H heads, G key-value heads, K size of a head

ROWS, SOURCE, TARGET = "batch_size", "encoder_sequence_length", "decoder_sequence_length"
PAST, WHOLE = "past_decoder_sequence_length", "past_decoder_sequence_length + decoder_sequence_length"
SLOTS = ("encoder.self_attention", "decoder.self_attention", "decoder.cross_attention")
MEAN, NORMS = "mean_cross_attention", "value_norms"
EPSILON, SCALE, ROTARY = "norm_epsilon", "embedding_scale", "rotary_base"  # constants by their names in a graph


def cache_names(layer: int, half: str) -> tuple[str, str]:
    """Names of keys and values of a layer's self-attention ("decoder") or cross-attention ("encoder")."""
    return f"{layer}.{half}.key", f"{layer}.{half}.value"


def encoder_graph(plan: Plan, *, quantization: str | None) -> Graph:
    """input_ids_BS, attention_mask_BS -> last_hidden_state_BSD."""
    maker = _Maker(plan, quantization)
    graph = maker.graph
    ids, mask = (graph.input(name, INT, (ROWS, SOURCE)) for name in ("input_ids", "attention_mask"))
    real, start = mask.to_bool(), graph.ints(0)
    segments = maker.segments(ids)
    at = Place(seen=real.unsqueeze(1, 2), position=start, real_BS=real, segments_BS=segments, own_BT=segments)
    x = maker.embedded("source", ids, start)
    for number, layer in enumerate(plan.encoder):
        name = f"encoder.layers.{number}"
        kind: AttentionPlan = plan.setting("encoder.self_attention")
        y = maker.before(x, f"{name}.attention_residual")
        q, k, v = maker.queries_keys_values(y, f"{name}.attention", layer.heads[0], start)
        heads, _ = maker.mixed(kind, f"{name}.attention", layer.heads[0], q, k, v, at)
        x = maker.after(x, heads, f"{name}.attention_residual")
        x = maker.feed_forward(x, name)
    graph.output("last_hidden_state", maker.final(x, "encoder"), (ROWS, SOURCE, plan.dim))
    return graph


def decoder_graph(plan: Plan, *, quantization: str | None, reads_attention: bool = False) -> Graph:
    """input_ids_BT, encoder_attention_mask_BS, encoder_hidden_states_BSD, past_key_values…, use_cache_branch ->
    logits_BTV, present…, and `cross_attentions.N` of the layer that is chosen for alignment.

    With `reads_attention` also what links and omissions are read from: `mean_cross_attention`_BTS, of all layers and
    heads, where removed ones count as zeros, and `value_norms`_BHS of the chosen layer, if the signal needs them.
    """
    maker = _Maker(plan, quantization)
    graph, layers = maker.graph, plan.decoder
    ids = graph.input("input_ids", INT, (ROWS, TARGET))
    mask = graph.input("encoder_attention_mask", INT, (ROWS, SOURCE))
    memory = graph.input("encoder_hidden_states", FLOAT, (ROWS, SOURCE, plan.dim))
    pieces = graph.input("encoder_input_ids", INT, (ROWS, SOURCE)) if needs_pieces(plan) else None
    pasts: list[dict[str, list[Value]]] = []
    for number, layer in enumerate(layers):
        pasts.append({})
        for half, (_, groups, size), length in zip(("decoder", "encoder"), layer.heads, (PAST, SOURCE), strict=True):
            names = [f"past_key_values.{name}" for name in cache_names(number, half)]
            pasts[-1][half] = [graph.input(name, FLOAT, (ROWS, groups, length, size)) for name in names]
    is_later = graph.input("use_cache_branch", BOOL, (1,)).squeeze(0)

    def made() -> list[Value]:
        return [
            one
            for number, layer in enumerate(layers)
            for one in maker.keys_values(memory, f"decoder.layers.{number}.cross_attention", layer.heads[1])
        ]

    chosen = graph.branch(is_later, [one for past in pasts for one in past["encoder"]], made)
    real, position = mask.to_bool(), pasts[0]["decoder"][0].size(2)
    whole = position + ids.size(1)
    causal = graph.range(whole) <= graph.range(whole, position).unsqueeze(1)
    prior = maker.prior(ids, pieces)
    of_self = Place(seen=causal.unsqueeze(0, 1), position=position)
    segments = None if pieces is None else maker.segments(pieces)
    of_cross = Place(seen=real.unsqueeze(1, 2), position=position, real_BS=real, segments_BS=segments, prior_B1TS=prior)
    x = maker.embedded("target", ids, position)
    maps: dict[int, Value] = {}
    presents: dict[str, Value] = {}
    for number, layer in enumerate(layers):
        name = f"decoder.layers.{number}"
        y = maker.before(x, f"{name}.self_residual")
        q, k, v = maker.queries_keys_values(y, f"{name}.self_attention", layer.heads[0], position)
        k, v = (
            graph.op("Concat", old, new, type=FLOAT, axis=2)
            for old, new in zip(pasts[number]["decoder"], (k, v), strict=True)
        )
        presents |= dict(zip(cache_names(number, "decoder"), (k, v), strict=True))
        kind: AttentionPlan = plan.setting(SLOTS[1])
        heads, _ = maker.mixed(kind, f"{name}.self_attention", layer.heads[0], q, k, v, of_self)
        x = maker.after(x, heads, f"{name}.self_residual")
        y, kind = maker.before(x, f"{name}.cross_residual"), plan.setting(SLOTS[2])
        k, v = chosen[2 * number : 2 * number + 2]
        presents |= dict(zip(cache_names(number, "encoder"), (k, v), strict=True))
        q = maker.queries(y, f"{name}.cross_attention", layer.heads[1])
        heads, maps[number] = maker.mixed(kind, f"{name}.cross_attention", layer.heads[1], q, k, v, of_cross)
        if reads_attention and number == plan.alignment.layer and plan.alignment.signal == "norms":
            norms = maker.value_norms(v, f"{name}.cross_attention", layer.heads[1])
            graph.output(NORMS, norms, (ROWS, layer.heads[1][0], SOURCE))
        x = maker.after(x, heads, f"{name}.cross_residual")
        x = maker.feed_forward(x, name)
        if plan.head_layer == number:
            y = maker.norm(x, "decoder.alignment_head.norm", kind="layer")
            q = maker.split(maker.linear(y, "decoder.alignment_head.query"), layer.heads[1][2])
            _, maps[len(layers)] = maker.mixed(kind, f"{name}.cross_attention", layer.heads[1], q, k, v, of_cross)
    output = plan.weights["output.weight"]
    logits = maker.final(x, "decoder") @ maker.tokens("output", output).transpose(1, 0)
    graph.output("logits", logits, (ROWS, TARGET, len(output)))
    for number, layer in enumerate(layers):
        for half, (_, groups, size), length in zip(("decoder", "encoder"), layer.heads, (WHOLE, SOURCE), strict=True):
            for one in cache_names(number, half):
                graph.output(f"present.{one}", presents[one], (ROWS, groups, length, size))
    chosen_layer = plan.alignment.layer
    heads_of = layers[chosen_layer if chosen_layer < len(layers) else plan.head_layer or 0].heads[1][0]
    graph.output(f"cross_attentions.{chosen_layer}", maps[chosen_layer], (ROWS, heads_of, TARGET, SOURCE))
    if reads_attention:
        graph.output(MEAN, _mean(plan, maps), (ROWS, TARGET, SOURCE))
    return graph


def _mean(plan: Plan, maps: Mapping[int, Value]) -> Value:
    """mean_BTS of maps_BHTS of all layers and of the alignment head."""
    sums = []
    for number, one in sorted(maps.items()):
        kept = plan.kept_heads[number if number < len(plan.decoder) else plan.head_layer or 0]
        sums.append(one.gather(one.graph.ints(*kept), axis=1).sum(1))
    total = sums[0]
    for one in sums[1:]:
        total = total + one
    return (total / float(len(maps) * plan.decoder[0].heads[1][0])).squeeze(1)


def needs_pieces(plan: Plan) -> bool:
    """Whether the decoder must know the source's pieces."""
    return plan.setting(SLOTS[2]).kind in NEEDS_PIECES


class _Maker:
    """What both graphs are made of."""

    def __init__(self, plan: Plan, quantization: str | None):
        self.plan, self.graph = plan, Graph(quantization=quantization)
        self.angles: dict[str, tuple[Value, Value]] = {}

    def weight(self, name: str) -> np.ndarray:
        return self.plan.weights[name]

    def constant(self, name: str) -> Value:
        """One of the plan's constants, under its own name."""
        return self.graph.named(name, np.array(self.plan.constants[name], np.float32))

    def tokens(self, side: str, array_VD: np.ndarray) -> Value:
        """The matrix of embeddings or of the output, once where they are tied."""
        tied = array_VD is self.weight("target_embedding.tokens.weight")
        return self.graph.matrix("tokens" if tied else f"{side}.tokens", array_VD)

    def embedded(self, side: str, ids: Value, position: Value) -> Value:
        """states_BTD: embeddings times their scale, plus positions."""
        x = self.tokens(side, self.weight(f"{side}_embedding.tokens.weight")).gather(ids) * self.constant(SCALE)
        table = {"source": self.plan.source_table, "target": self.plan.target_table}[side]
        if table is None:
            return x
        places = self.graph.range(position + ids.size(1), position)
        return x + self.graph.vector(f"{side}_positions", table).gather(places)

    def segments(self, ids: Value) -> Value:
        """The sentence of each piece: see `mt.model.source_embedding`."""
        before, after = self.plan.separators
        found = ids * 0
        if before is not None:
            found = found - ids.equals(before).to_int().cumsum(1, reverse=True)
        if after is not None:
            found = found + ids.equals(after).to_int().cumsum(1)
        return found

    def prior(self, ids: Value, pieces: Value | None) -> Value | None:
        """prior_B1TS: see `mt.model.lexicon`."""
        if pieces is None or "lexicon.pieces_VM" not in self.plan.weights:
            return None
        linked = self.graph.constant(self.weight("lexicon.pieces_VM").astype(np.int64), INT).gather(ids).unsqueeze(2)
        shares = self.graph.vector("lexicon", self.weight("lexicon.shares_VM")).gather(ids).unsqueeze(2)
        is_linked = linked.equals(pieces.unsqueeze(1, 3))  # B T S M
        return (shares * is_linked.to_float()).sum().squeeze(3).unsqueeze(1)

    def norm(self, x: Value, name: str, *, kind: str | None = None) -> Value:
        gain = self.graph.vector(f"{name}.gain", self.weight(f"{name}.weight"))
        epsilon = self.plan.constants[EPSILON]
        if (kind or self.plan.setting("layer.norm")) == "layer":
            bias = self.graph.vector(f"{name}.bias", self.weight(f"{name}.bias"))
            return self.graph.op("LayerNormalization", x, gain, bias, type=FLOAT, axis=-1, epsilon=epsilon)
        return x / ((x * x).mean() + self.constant(EPSILON)).sqrt() * gain

    def linear(self, x: Value, name: str) -> Value:
        matrix = self.graph.matrix(name, self.weight(f"{name}.weight"), turned=True)
        return x @ matrix + self.graph.vector(f"{name}.bias", self.weight(f"{name}.bias"))

    def before(self, x: Value, residual: str) -> Value:
        return self.norm(x, f"{residual}.norm") if self.plan.is_pre_norm else x

    def after(self, x: Value, y: Value, residual: str) -> Value:
        return x + y if self.plan.is_pre_norm else self.norm(x + y, f"{residual}.norm")

    def final(self, x: Value, half: str) -> Value:
        return self.norm(x, f"{half}.norm") if self.plan.is_pre_norm else x

    def feed_forward(self, x: Value, layer: str) -> Value:
        name, residual = f"{layer}.feed_forward", f"{layer}.feed_forward_residual"
        hidden = self.linear(self.before(x, residual), f"{name}.up")
        activation = self.plan.setting("layer.activation")
        if activation == "swiglu":
            half = len(self.weight(f"{name}.up.bias")) // 2
            gate, up = hidden.split(2, half, half)
            hidden = gate * gate.sigmoid() * up
        elif activation == "swish":
            hidden = hidden * hidden.sigmoid()
        elif activation == "gelu":
            hidden = hidden * ((hidden / 2**0.5).op("Erf") + 1.0) * 0.5
        else:
            hidden = hidden.relu()
        return self.after(x, self.linear(hidden, f"{name}.down"), residual)

    def split(self, x: Value, size: int) -> Value:
        """B T (H K) -> B H T K"""
        return x.reshape(0, 0, -1, size).transpose(0, 2, 1, 3)

    def queries(self, x: Value, name: str, heads: Sequence[int]) -> Value:
        return self.split(self.linear(x, f"{name}.query"), heads[2])

    def keys_values(self, x: Value, name: str, heads: Sequence[int]) -> tuple[Value, ...]:
        """Two of B G S K."""
        both = self.split(self.linear(x, f"{name}.key_value"), heads[2])
        return both.split(1, heads[1], heads[1])

    def queries_keys_values(
        self, x: Value, name: str, heads: Sequence[int], position: Value
    ) -> tuple[Value, Value, Value]:
        q, (k, v) = self.queries(x, name, heads), self.keys_values(x, name, heads)
        if self.plan.setting("layer.positions") == "rotary":
            q, k = (self.rotated(one, position, heads[2]) for one in (q, k))
        return q, k, v

    def value_norms(self, v: Value, name: str, heads: Sequence[int]) -> Value:
        """norms_BHS of values_BGSK: see `mt.attention.multi_head`."""
        num_heads, groups, size = heads
        output = self.graph.matrix(f"{name}.output", self.weight(f"{name}.output.weight"), turned=True)
        of_heads = v.repeat_heads(num_heads // groups) @ output.reshape(num_heads, size, -1)  # B H S D
        return (of_heads * of_heads).sum(3).sqrt().squeeze(3)

    def rotated(self, x: Value, position: Value, size: int) -> Value:
        """See `mt.attention.rotary`."""
        half, name = size // 2, f"{position.name} {size}"
        if name not in self.angles:
            power = self.graph.constant(-np.arange(half, dtype=np.float32) / np.float32(half), FLOAT)
            speeds = self.constant(ROTARY).op("Pow", power)
            steps = self.graph.range(position + x.size(2), position).to_float().unsqueeze(1)
            angles = steps * speeds
            self.angles[name] = angles.op("Cos"), angles.op("Sin")
        (cos, sin), (left, right) = self.angles[name], x.split(3, half, half)
        turned = left * cos - right * sin, right * cos + left * sin
        return self.graph.op("Concat", *turned, type=FLOAT, axis=3)

    def mixed(
        self, kind: AttentionPlan, name: str, heads: Sequence[int], q: Value, k: Value, v: Value, at: Place
    ) -> tuple[Value, Value]:
        """out_BTD and weights_BHTS of queries over B G S K keys and values."""
        prefix = f"{name}.mixer."
        own: Mapping[str, Any] = {
            one.removeprefix(prefix): array for one, array in self.plan.weights.items() if one.startswith(prefix)
        }
        times = heads[0] // heads[1]
        asked = Asked(
            graph=self.graph,
            kind=kind,
            own=own,
            name=f"{name}.mixer",
            q=q,
            k=k.repeat_heads(times),
            at=at,
            size=heads[2],
        )
        found, weights = attend(asked, v.repeat_heads(times))
        joined = found.transpose(0, 2, 1, 3).reshape(0, 0, heads[0] * heads[2])
        return self.linear(joined, f"{name}.output"), weights
