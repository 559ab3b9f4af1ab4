"""Translating with a plain dense Transformer in one native call: packed products, attention, and beam search.

`decoding.c` does what `mt.model` and `mt.search.beam` do, for inference alone, with the same results up to rounding.
Never imports torch.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Mapping, Sequence
from ctypes import POINTER, Structure, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from mt.kernels.compiling import code_or_reason

# D model, F feed-forward, H heads, G key-value heads, K head size, O outputs, P positions, V vocabulary

KINDS = {"float32": 0, "bfloat16": 1, "int8": 2}  # of products; those of `enum Kind` in decoding_products.h
ACTIVATIONS = ("relu", "gelu", "swiglu")
WHOLE = 16  # numbers of a vector: sizes are filled up with zeros
FEWEST_PLACES = 256
MOST_ROWS = 320  # hypotheses of a step: more are no faster
MOST_SIZE = 1000  # of a beam
STEPS = 16  # between two looks at the world outside, where Ctrl-C is noticed
GOES_ON, DONE, NO_MEMORY, NOT_A_NUMBER = range(4)


@dataclass(frozen=True, kw_only=True)
class DenseSizes:
    """What a plain Transformer is made of; the names are those of `mt.model.layer.LayerSettings`."""

    dim: int
    num_heads: int
    num_kv_heads: int
    head_size: int
    feed_forward_dim: int
    activation: str
    norm: str
    norm_position: str
    positions: str
    max_positions: int
    encoder_layers: int
    decoder_layers: int
    source_size: int  # of the vocabularies
    target_size: int

    def can_be_used(self) -> bool:
        """Whether the native code has all of it: it multiplies rows of whole vectors."""
        return self.dim % WHOLE == 0

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights, by their names in `mt.model.seq2seq.Seq2Seq` where nothing is tied."""
        D, F, A, both = self.dim, self.feed_forward_dim, self.num_heads * self.head_size, 2 * self.num_kv_heads
        attention = {"query": (A, D), "key_value": (both * self.head_size, D), "output": (D, A)}
        feed_forward = {"up": (F * (2 if self.activation == "swiglu" else 1), D), "down": (D, F)}
        names: dict[str, tuple[int, ...]] = {"source_embedding.tokens.weight": (self.source_size, D)}
        names |= {f"{name}.weight": (self.target_size, D) for name in ("target_embedding.tokens", "output")}
        if self.positions == "learned":
            names |= {f"{side}_embedding.positions.table.weight": (self.max_positions, D) for side in SIDES}
        norms = [] if self.norm_position == "post" else ["encoder.norm", "decoder.norm"]
        for layer in self.layers():
            for name, shape in [(f"{part}.{one}", attention[one]) for part in layer.attentions for one in attention]:
                names |= _linear(f"{layer.prefix}{name}", shape)
            for name, shape in feed_forward.items():
                names |= _linear(f"{layer.prefix}feed_forward.{name}", shape)
            norms += [f"{layer.prefix}{part}_residual.norm" for part in layer.residuals]
        for norm in norms:
            names |= {f"{norm}.weight": (D,)} | ({f"{norm}.bias": (D,)} if self.norm == "layer" else {})
        return names

    def layers(self) -> list[LayerNames]:
        """The layers of the encoder, then those of the decoder."""
        encoder = [
            LayerNames(f"encoder.layers.{n}.", ("attention",), ("attention", "feed_forward"))
            for n in range(self.encoder_layers)
        ]
        both = ("self_attention", "cross_attention"), ("self", "feed_forward", "cross")
        return encoder + [LayerNames(f"decoder.layers.{n}.", *both) for n in range(self.decoder_layers)]


SIDES = ("source", "target")


class LayerNames(NamedTuple):
    """Names of a layer's parts: its attentions, and its residual steps (self-attention, feed-forward, cross)."""

    prefix: str
    attentions: tuple[str, ...]
    residuals: tuple[str, ...]


def _linear(name: str, shape: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


class Plan(NamedTuple):
    """A beam search; its settings are those of `mt.search.beam.Beam`. Greedy search has size 1."""

    size: int
    n_best: int
    length_penalty: float
    min_length: int
    max_length: int | None
    bos: int
    eos: int
    banned: tuple[int, ...]


class NativeHypothesis(NamedTuple):
    """What a search found; see `mt.search.hypothesis.Hypothesis`. `totals` are log-probabilities after each token, that
    of EOS last; there are none where nothing was allowed."""

    ids: tuple[int, ...]
    totals: tuple[float, ...]
    is_cut: bool


class _Norm(Structure):
    _fields_ = [("gain", c_void_p), ("bias", c_void_p)]


class _Layer(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("self_in", "self_out", "cross_in", "cross_memory", "cross_out", "up", "down")),
        *((name, _Norm) for name in ("self_norm", "feed_forward_norm", "cross_norm")),
    ]


class _Model(Structure):
    _fields_ = [
        *((name, c_int64) for name in ("dim", "heads", "head", "rotated", "hidden", "encoder_layers")),
        *((name, c_int64) for name in ("decoder_layers", "activation", "is_post", "has_half_cache")),
        *((name, c_float) for name in ("scale", "query_scale", "epsilon")),
        *((name, c_void_p) for name in ("source_rows", "target_rows", "source_places", "target_places")),
        *((name, c_void_p) for name in ("cosines", "sines")),
        ("layers", POINTER(_Layer)),
        ("encoder_norm", _Norm),
        ("decoder_norm", _Norm),
        ("output", c_void_p),
    ]


class _Found(Structure):
    _fields_ = [
        ("score", c_double),
        ("count", c_int64),
        ("ids", POINTER(c_int32)),
        ("totals", POINTER(c_float)),
        ("is_cut", c_int),
        ("is_impossible", c_int),
    ]


SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "decoding_can_multiply": (c_int, [c_int]),
    "decoding_pack": (c_void_p, [c_void_p, c_void_p, c_int64, c_int64, c_int, c_float]),
    "decoding_free_packed": (None, [c_void_p]),
    "decoding_search": (c_void_p, [c_void_p, *[c_int64] * 3, c_double, *[c_int64] * 3, c_void_p, *[c_int64] * 3]),
    "decoding_add": (c_int, [c_void_p, c_int64, c_void_p, c_int64, c_int64]),
    "decoding_run": (c_int, [c_void_p, c_int64]),
    "decoding_free_search": (None, [c_void_p]),
    "decoding_count": (c_int64, [c_void_p, c_int64]),
    "decoding_found": (POINTER(_Found), [c_void_p, c_int64, c_int64]),
}


@cache
def native() -> ctypes.CDLL | None:
    """The compiled code; None where there is none (`mt.kernels.compiling`)."""
    code = code_or_reason()
    if isinstance(code, str):
        return None
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(code.loaded, name)
        function.restype, function.argtypes = result, arguments
    return code.loaded


def can_translate(precision: str) -> bool:
    """Whether there is native code here whose products are in this precision."""
    code = native()
    return code is not None and precision in KINDS and bool(code.decoding_can_multiply(KINDS[precision]))


class DenseModel:
    """A plain Transformer whose matrices are packed; it holds no state between calls.

    `weights` are float32 arrays by the names of `sizes.weights()`; the embeddings stay those arrays.
    """

    def __init__(self, sizes: DenseSizes, weights: Mapping[str, np.ndarray], precision: str = "float32"):
        code = native()
        assert code is not None and sizes.can_be_used()
        self.sizes, self._code, self._kind = sizes, code, KINDS[precision]
        self._weights = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()}
        self._kept: list[np.ndarray] = []  # arrays that the structures point to
        self._packed: list[int] = []
        weakref.finalize(self, _free_all, code, self._packed)
        self.head, self.hidden = _whole(sizes.head_size), _whole(sizes.feed_forward_dim)
        layers = sizes.layers()
        self._layers = (_Layer * len(layers))(*map(self._layer, layers))
        self._model = _Model(
            dim=sizes.dim,
            heads=sizes.num_heads,
            head=self.head,
            rotated=sizes.head_size,
            hidden=self.hidden,
            encoder_layers=sizes.encoder_layers,
            decoder_layers=sizes.decoder_layers,
            activation=ACTIVATIONS.index(sizes.activation),
            is_post=sizes.norm_position == "post",
            has_half_cache=precision == "bfloat16",  # as the tensors of the model in torch have
            scale=math.sqrt(sizes.dim),
            query_scale=sizes.head_size**-0.5,
            epsilon=1e-5,
            source_rows=self._kept_at(self._weights["source_embedding.tokens.weight"]),
            target_rows=self._kept_at(self._weights["target_embedding.tokens.weight"]),
            layers=self._layers,
            output=self._product(self._weights["output.weight"], None, beyond=-np.inf),
        )
        if sizes.positions == "learned":
            tables = (self._weights[f"{side}_embedding.positions.table.weight"] for side in SIDES)
            self._model.source_places, self._model.target_places = map(self._kept_at, tables)
        if sizes.norm_position == "pre":
            self._model.encoder_norm, self._model.decoder_norm = self._norm("encoder.norm"), self._norm("decoder.norm")
        self._num_places = 0
        self._weights = {}  # those that are packed are free now

    def search(
        self, sources: Sequence[Sequence[int]], limits: Sequence[int], plan: Plan, *, most_pieces: int
    ) -> list[list[NativeHypothesis]]:
        """The n best hypotheses of each source (ids with EOS), best first, each of `limits` tokens at most and EOS.

        `most_pieces` bounds the source pieces of the sentences that are searched at a time (or there is one). Raises
        ValueError for probabilities that are not numbers, MemoryError where no memory is left.
        """
        if not sources:
            return []
        if plan.max_length is not None:
            limits = [min(limit, plan.max_length) for limit in limits]
        self._with_places(max(max(limits) + 1, max(map(len, sources))))
        banned = np.array(plan.banned, dtype=np.int32)
        sizes = plan.size, plan.n_best, plan.length_penalty, plan.min_length, plan.bos, plan.eos
        places = max(1, MOST_ROWS // plan.size)
        address = ctypes.addressof(self._model)
        search = self._code.decoding_search(
            address, len(sources), *sizes, banned.ctypes.data, len(banned), places, most_pieces
        )
        if not search:
            raise MemoryError
        try:
            # longest first: the last ones to be searched are then short
            for index in sorted(range(len(sources)), key=lambda index: -len(sources[index])):
                ids = np.array(sources[index], dtype=np.int32)
                _check(self._code.decoding_add(search, index, ids.ctypes.data, len(ids), limits[index]))
            while (status := self._code.decoding_run(search, STEPS)) == GOES_ON:
                pass
            _check(status)
            return [self._hypotheses(search, index) for index in range(len(sources))]
        finally:
            self._code.decoding_free_search(search)

    def _hypotheses(self, search: int, index: int) -> list[NativeHypothesis]:
        hypotheses = []
        for rank in range(self._code.decoding_count(search, index)):
            found = self._code.decoding_found(search, index, rank).contents
            if found.is_impossible:
                hypotheses.append(NativeHypothesis(tuple(found.ids[: found.count]), (), False))
            else:
                ids, totals = found.ids[: found.count - 1], found.totals[: found.count]
                hypotheses.append(NativeHypothesis(tuple(ids), tuple(totals), bool(found.is_cut)))
        return hypotheses

    def _with_places(self, needed: int) -> None:
        """Computes what depends on positions, up to as many as are needed.

        Tables that were shorter stay: another thread may be reading them, and finds the same numbers there.
        """
        if needed <= self._num_places:
            return
        sizes, model = self.sizes, self._model
        num_places = max(FEWEST_PLACES, 2 * needed)
        places_P1 = np.arange(num_places, dtype=np.float32)[:, None]
        if sizes.positions == "rotary":
            half = sizes.head_size // 2
            angles = places_P1 * np.float32(10000.0) ** (-np.arange(half, dtype=np.float32) / np.float32(half))
            model.cosines, model.sines = self._kept_at(np.cos(angles)), self._kept_at(np.sin(angles))
        elif sizes.positions != "learned":
            half = (sizes.dim + 1) // 2
            steps = np.arange(half, dtype=np.float32) * np.float32(-math.log(10000.0) / max(half - 1, 1))
            angles = places_P1 * np.exp(steps)
            table_PD = np.concatenate((np.sin(angles), np.cos(angles)), axis=1)[:, : sizes.dim]
            model.source_places = model.target_places = self._kept_at(np.ascontiguousarray(table_PD))
        self._num_places = num_places

    def _layer(self, names: LayerNames) -> _Layer:
        layer, prefix = _Layer(), names.prefix
        (query, key_value), output = self._attention(f"{prefix}{names.attentions[0]}.")
        both = [np.concatenate(pair) for pair in zip(query, key_value, strict=True)]
        layer.self_in, layer.self_out = self._product(*both), self._product(*output)
        if len(names.attentions) > 1:
            (query, key_value), output = self._attention(f"{prefix}{names.attentions[1]}.")
            layer.cross_in, layer.cross_memory = self._product(*query), self._product(*key_value)
            layer.cross_out = self._product(*output)
        (up_OD, up_O), (down_DO, down_D) = (self._matrix(f"{prefix}feed_forward.{name}") for name in ("up", "down"))
        parts, beyond = len(up_O) // self.sizes.feed_forward_dim, self.hidden - self.sizes.feed_forward_dim
        up = [np.pad(of.reshape(parts, len(up_O) // parts, -1), ((0, 0), (0, beyond), (0, 0))) for of in (up_OD, up_O)]
        layer.up = self._product(up[0].reshape(parts * self.hidden, -1), up[1].reshape(-1))
        layer.down = self._product(np.pad(down_DO, ((0, 0), (0, beyond))), down_D)
        for name, part in zip(("self_norm", "feed_forward_norm", "cross_norm"), names.residuals, strict=False):
            setattr(layer, name, self._norm(f"{prefix}{part}_residual.norm"))
        return layer

    def _attention(self, prefix: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], tuple[np.ndarray, np.ndarray]]:
        """Queries, and keys with values, of all heads; and the output: matrices and biases with heads filled up."""
        sizes = self.sizes
        query, key_value = (self._matrix(f"{prefix}{name}") for name in ("query", "key_value"))
        weight_DA, bias_D = self._matrix(f"{prefix}output")
        keys, values = ([np.split(of, 2)[half] for of in key_value] for half in range(2))
        of_heads = [self._heads(of, sizes.num_heads) for of in query]
        of_memory = [np.concatenate([self._heads(of, sizes.num_kv_heads) for of in pair]) for pair in zip(keys, values)]  # noqa: B905
        split_DHK = weight_DA.reshape(sizes.dim, sizes.num_heads, sizes.head_size)
        output_DA = np.pad(split_DHK, ((0, 0), (0, 0), (0, self.head - sizes.head_size))).reshape(sizes.dim, -1)
        return [(of_heads[0], of_heads[1]), (of_memory[0], of_memory[1])], (output_DA, bias_D)

    def _heads(self, rows: np.ndarray, num_heads: int) -> np.ndarray:
        """Outputs of heads, repeated for the query heads that share them, each filled up to whole vectors."""
        sizes = self.sizes
        split = rows.reshape(num_heads, sizes.head_size, -1).repeat(sizes.num_heads // num_heads, axis=0)
        whole = np.pad(split, ((0, 0), (0, self.head - sizes.head_size), (0, 0)))
        return whole.reshape(sizes.num_heads * self.head, *rows.shape[1:])

    def _matrix(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]

    def _norm(self, name: str) -> _Norm:
        gain, bias = self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias")
        return _Norm(self._kept_at(gain), None if bias is None else self._kept_at(bias))

    def _kept_at(self, array: np.ndarray) -> int:
        self._kept.append(array)
        return array.ctypes.data

    def _product(self, weight_OD: np.ndarray, bias_O: np.ndarray | None, *, beyond: float = 0.0) -> int:
        weight_OD = np.ascontiguousarray(weight_OD)
        bias = None if bias_O is None else np.ascontiguousarray(bias_O).ctypes.data
        packed = self._code.decoding_pack(weight_OD.ctypes.data, bias, *weight_OD.shape, self._kind, beyond)
        if not packed:
            raise MemoryError
        self._packed.append(packed)
        return packed


def _free_all(code: ctypes.CDLL, packed: Sequence[int]) -> None:
    for one in packed:
        code.decoding_free_packed(one)


def _whole(size: int) -> int:
    return -(-size // WHOLE) * WHOLE


def _check(status: int) -> None:
    if status == NO_MEMORY:
        raise MemoryError
    if status == NOT_A_NUMBER:
        raise ValueError("the model gives probabilities that are not numbers (NaN): it is damaged or has diverged")
