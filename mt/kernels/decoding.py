"""Translating with a plain Transformer in one native call: packed products, attention or recurrent units, beam search.

`decoding.c` does what `mt.model` and `mt.search.beam` do, for inference alone, with the same results up to rounding.
Never imports torch.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Mapping, Sequence
from ctypes import POINTER, Structure, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from mt.kernels.compiling import code_or_reason
from mt.kernels.dense_sizes import ACTIVATIONS, RECURRENCES, SIDES, WHOLE, DenseSizes, LayerNames, LayerSizes

# D model, F feed-forward, H heads, G key-value heads, K head size, O outputs, P positions, V vocabulary

KINDS = {"float32": 0, "bfloat16": 1, "int8": 2}  # of products; those of `enum Kind` in decoding_products.h
FEWEST_PLACES = 256
MOST_ROWS = 320  # hypotheses of a step: more are no faster
MOST_SIZE = 1000  # of a beam
STEPS = 16  # between two looks at the world outside, where Ctrl-C is noticed
GOES_ON, DONE, NO_MEMORY, NOT_A_NUMBER = range(4)


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
        *((name, c_int64) for name in ("self_heads", "cross_heads", "hidden")),
    ]


class _Shortlist(Structure):
    _fields_ = [*((name, c_void_p) for name in ("starts", "pieces", "common")), ("num_common", c_int64)]


class _Model(Structure):
    _fields_ = [
        *((name, c_int64) for name in ("dim", "head", "rotated", "encoder_layers", "decoder_layers")),
        *((name, c_int64) for name in ("activation", "is_post", "has_half_cache", "recurrence")),
        *((name, c_float) for name in ("scale", "query_scale", "epsilon")),
        *((name, c_void_p) for name in ("source_rows", "target_rows", "source_places", "target_places")),
        *((name, c_void_p) for name in ("cosines", "sines")),
        ("layers", POINTER(_Layer)),
        ("encoder_norm", _Norm),
        ("decoder_norm", _Norm),
        ("output", c_void_p),
        ("shortlist", POINTER(_Shortlist)),
        ("next", c_void_p),
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


_Matrix = tuple[np.ndarray, np.ndarray]  # weight_OD, bias_O

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "decoding_can_multiply": (c_int, [c_int]),
    "decoding_pack": (c_void_p, [c_void_p, c_void_p, c_int64, c_int64, c_int, c_float, c_int]),
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


class Choices(NamedTuple):
    """Target ids that sources may become (`mt.inference.shortlist`), int32: those of every source, EOS among them, and
    those of source piece s, `pieces[starts[s] : starts[s + 1]]`."""

    starts: np.ndarray
    pieces: np.ndarray
    common: np.ndarray


class DenseModel:
    """A plain Transformer whose matrices are packed; it holds no state between calls.

    `weights` are float32 arrays by the names of `sizes.weights()`; the embeddings stay those arrays. With `choices`
    only the logits of a source's own choices are computed, and probabilities are normalized over them.
    """

    def __init__(
        self,
        sizes: DenseSizes,
        weights: Mapping[str, np.ndarray],
        precision: str = "float32",
        choices: Choices | None = None,
    ):
        code = native()
        assert code is not None and sizes.can_be_used()
        self.sizes, self._code, self._kind = sizes, code, KINDS[precision]
        self._weights = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()}
        self._kept: list[np.ndarray] = []  # arrays that the structures point to
        self._packed: list[int] = []
        weakref.finalize(self, _free_all, code, self._packed)
        self.head = _whole(sizes.head_size)
        layers = sizes.layers()
        self._layers = (_Layer * len(layers))(*(self._layer(names, own) for names, own in layers))
        self._model = _Model(
            dim=sizes.dim,
            head=self.head,
            rotated=sizes.head_size,
            encoder_layers=len(sizes.encoder),
            decoder_layers=len(sizes.decoder),
            activation=ACTIVATIONS.index(sizes.activation),
            is_post=sizes.norm_position == "post",
            has_half_cache=precision == "bfloat16",  # as the tensors of the model in torch have
            recurrence=RECURRENCES.index(sizes.recurrence),
            scale=math.sqrt(sizes.dim),
            query_scale=sizes.head_size**-0.5,
            epsilon=1e-5,
            source_rows=self._kept_at(self._weights["source_embedding.tokens.weight"]),
            target_rows=self._kept_at(self._weights["target_embedding.tokens.weight"]),
            layers=self._layers,
            output=self._product(self._weights["output.weight"], None, beyond=-np.inf, by_rows=choices is not None),
        )
        if choices is not None:
            addresses = [self._kept_at(np.ascontiguousarray(of, dtype=np.int32)) for of in choices]
            self._shortlist = _Shortlist(*addresses, len(choices.common))
            self._model.shortlist = ctypes.pointer(self._shortlist)
        if sizes.positions == "learned":
            tables = (self._weights[f"{side}_embedding.positions.table.weight"] for side in SIDES)
            self._model.source_places, self._model.target_places = map(self._kept_at, tables)
        if sizes.norm_position == "pre":
            self._model.encoder_norm, self._model.decoder_norm = self._norm("encoder.norm"), self._norm("decoder.norm")
        self._num_places, self._lock = 0, Lock()
        self._weights = {}  # those that are packed are free now
        self.has_choices = choices is not None

    def search(
        self, sources: Sequence[Sequence[int]], limits: Sequence[int], plan: Plan, *, most_pieces: int
    ) -> list[list[NativeHypothesis]]:
        """See `search_together`."""
        return search_together([self], sources, limits, plan, most_pieces=most_pieces)

    def _copy(self, needed: int) -> _Model:
        """What a search reads, with tables for as many positions as are needed.

        A copy, as the model may be searched by itself, or with others, at the same time: then tables may become longer.
        """
        with self._lock:
            if needed > self._num_places:
                self._make_places(needed)
            return _Model.from_buffer_copy(self._model)

    def _make_places(self, needed: int) -> None:
        """Computes what depends on positions. Tables that were shorter stay: another thread may be reading them."""
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

    def _layer(self, names: LayerNames, own: LayerSizes) -> _Layer:
        layer, prefix, is_decoder = _Layer(), names.prefix, len(names.attentions) > 1
        layer.self_heads, layer.hidden = own.heads[0], _whole(own.feed_forward_dim)
        (query, key_value), output = self._attention(f"{prefix}{names.attentions[0]}.", own, 0)
        if not (is_decoder and self.sizes.recurrence != "dense"):  # a recurrence has no queries
            key_value = np.concatenate((query[0], key_value[0])), np.concatenate((query[1], key_value[1]))
        layer.self_in, layer.self_out = self._product(*key_value), self._product(*output)
        if is_decoder:
            layer.cross_heads = own.heads[1]
            (query, key_value), output = self._attention(f"{prefix}{names.attentions[1]}.", own, 1)
            layer.cross_in, layer.cross_memory = self._product(*query), self._product(*key_value)
            layer.cross_out = self._product(*output)
        (up_OD, up_O), (down_DO, down_D) = (self._matrix(f"{prefix}feed_forward.{name}") for name in ("up", "down"))
        parts, beyond = len(up_O) // own.feed_forward_dim, layer.hidden - own.feed_forward_dim
        up = [np.pad(of.reshape(parts, len(up_O) // parts, -1), ((0, 0), (0, beyond), (0, 0))) for of in (up_OD, up_O)]
        layer.up = self._product(up[0].reshape(parts * layer.hidden, -1), up[1].reshape(-1))
        layer.down = self._product(np.pad(down_DO, ((0, 0), (0, beyond))), down_D)
        for name, part in zip(("self_norm", "feed_forward_norm", "cross_norm"), names.residuals, strict=False):
            setattr(layer, name, self._norm(f"{prefix}{part}_residual.norm"))
        return layer

    def _attention(self, prefix: str, own: LayerSizes, which: int) -> tuple[list[_Matrix], _Matrix]:
        """Queries, and keys with values, of all heads; and the output: matrices and biases with heads filled up."""
        H, G, K = own.heads[which], own.kv_heads[which], self.sizes.head_size
        query, key_value = (self._matrix(f"{prefix}{name}") for name in ("query", "key_value"))
        weight_DA, bias_D = self._matrix(f"{prefix}output")
        keys, values = ([np.split(of, 2)[half] for of in key_value] for half in range(2))
        of_heads = [self._heads(of, H, H) for of in query]
        of_memory = [np.concatenate([self._heads(of, G, H) for of in pair]) for pair in zip(keys, values, strict=True)]
        output_DA = np.pad(weight_DA.reshape(-1, H, K), ((0, 0), (0, 0), (0, self.head - K))).reshape(len(bias_D), -1)
        return [(of_heads[0], of_heads[1]), (of_memory[0], of_memory[1])], (output_DA, bias_D)

    def _heads(self, rows: np.ndarray, num_heads: int, num_readers: int) -> np.ndarray:
        """Outputs of heads, repeated for the query heads that share them, each filled up to whole vectors."""
        K = self.sizes.head_size
        split = rows.reshape(num_heads, K, -1).repeat(num_readers // num_heads, axis=0)
        whole = np.pad(split, ((0, 0), (0, self.head - K), (0, 0)))
        return whole.reshape(num_readers * self.head, *rows.shape[1:])

    def _matrix(self, name: str) -> _Matrix:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]

    def _norm(self, name: str) -> _Norm:
        gain, bias = self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias")
        return _Norm(self._kept_at(gain), None if bias is None else self._kept_at(bias))

    def _kept_at(self, array: np.ndarray) -> int:
        self._kept.append(array)
        return array.ctypes.data

    def _product(
        self, weight_OD: np.ndarray, bias_O: np.ndarray | None, *, beyond: float = 0.0, by_rows: bool = False
    ) -> int:
        weight_OD = np.ascontiguousarray(weight_OD)
        bias = None if bias_O is None else np.ascontiguousarray(bias_O).ctypes.data
        packed = self._code.decoding_pack(weight_OD.ctypes.data, bias, *weight_OD.shape, self._kind, beyond, by_rows)
        if not packed:
            raise MemoryError
        self._packed.append(packed)
        return packed


def search_together(
    members: Sequence[DenseModel],
    sources: Sequence[Sequence[int]],
    limits: Sequence[int],
    plan: Plan,
    *,
    most_pieces: int,
) -> list[list[NativeHypothesis]]:
    """The n best hypotheses of each source (ids with EOS), best first, each of `limits` tokens at most and EOS.

    Several members, which must have the same vocabularies and no `choices`, give the mean of their probabilities.
    `most_pieces` bounds the source pieces of the sentences that are searched at a time (or there is one). Raises
    ValueError for probabilities that are not numbers, MemoryError where no memory is left.
    """
    if not sources:
        return []
    if plan.max_length is not None:
        limits = [min(limit, plan.max_length) for limit in limits]
    models = [member._copy(max(max(limits) + 1, max(map(len, sources)))) for member in members]
    for model, following in pairwise(models):
        model.next = ctypes.addressof(following)
    banned = np.array(plan.banned, dtype=np.int32)
    sizes = plan.size, plan.n_best, plan.length_penalty, plan.min_length, plan.bos, plan.eos
    places, code = max(1, MOST_ROWS // plan.size), members[0]._code
    address = ctypes.addressof(models[0])
    found = code.decoding_search(address, len(sources), *sizes, banned.ctypes.data, len(banned), places, most_pieces)
    if not found:
        raise MemoryError
    try:
        # longest first: the last ones to be searched are then short
        for index in sorted(range(len(sources)), key=lambda index: -len(sources[index])):
            ids = np.array(sources[index], dtype=np.int32)
            _check(code.decoding_add(found, index, ids.ctypes.data, len(ids), limits[index]))
        while (status := code.decoding_run(found, STEPS)) == GOES_ON:
            pass
        _check(status)
        return [_hypotheses(code, found, index) for index in range(len(sources))]
    finally:
        code.decoding_free_search(found)


def _hypotheses(code: ctypes.CDLL, search: int, index: int) -> list[NativeHypothesis]:
    hypotheses = []
    for rank in range(code.decoding_count(search, index)):
        found = code.decoding_found(search, index, rank).contents
        if found.is_impossible:
            hypotheses.append(NativeHypothesis(tuple(found.ids[: found.count]), (), False))
        else:
            ids, totals = found.ids[: found.count - 1], found.totals[: found.count]
            hypotheses.append(NativeHypothesis(tuple(ids), tuple(totals), bool(found.is_cut)))
    return hypotheses


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
