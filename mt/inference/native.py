"""Translating in native code (`mt.kernels.decoding`): of plain models, by beam search without rules.

Whatever else is asked for, and whatever is wrong with a checkpoint, is left to `mt.inference.translator`, which gives
the same translations, and the messages. Never imports torch: for a few sentences, its import takes most of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mt.checkpoint.array_file import read_arrays
from mt.checkpoint.card import MAX_WEIGHT, ModelCard, described, one_short_line
from mt.checkpoint.manifest import has_manifest, verify
from mt.checkpoint.migrations import with_current_targets
from mt.checkpoint.small_file import read_yaml
from mt.checkpoint.steps import WEIGHTS, check_small_files, find_step
from mt.cores import is_surely_cpu
from mt.data.lock import shared
from mt.data.tokenizer import BOS, EOS, PAD, UNK, TokenizerPair
from mt.inference.batches import CPU_BATCH_TOKENS, longest_target
from mt.inference.lines import MAX_PIECES, LineTranslator, Segment
from mt.inference.options import Options
from mt.inference.plain_model import sizes_of
from mt.inference.shortlist import Shortlist
from mt.inference.tags import Tags
from mt.inference.wish import Wish
from mt.kernels.compiling import multiplies_bfloat16_faster, processor_flags
from mt.kernels.decoding import MOST_SIZE, Choices, DenseModel, Plan, can_translate, search_together
from mt.search.hypothesis import Hypothesis
from mt.search.length_penalty import LEAST_ALPHA, MOST_ALPHA

TIED = {  # weights that are another one
    "none": {},
    "target": {"output.weight": "target_embedding.tokens.weight"},
    "all": dict.fromkeys(("target_embedding.tokens.weight", "output.weight"), "source_embedding.tokens.weight"),
}
BEAM, GREEDY = "mt.search.beam.Beam", "mt.search.greedy.Greedy"
SEARCH: dict[str, Any] = {
    "n_best": 1,
    "min_length": 0,
    "max_length": None,
    "no_repeat_ngram": 0,
    "bos": BOS,
    "eos": EOS,
}
SEARCHES: dict[str | None, dict[str, Any]] = {
    BEAM: {**SEARCH, "size": 5, "length_penalty": 0.6},
    GREEDY: {**SEARCH, "size": 1, "length_penalty": 0.0},
}
BANNED = (PAD, UNK, BOS)


class NativeSearch:
    """A model, or several as one, that is searched in native code."""

    def __init__(self, members: Sequence[DenseModel], max_length: int | None):
        self._members, self._max_length = members, max_length

    @classmethod
    def of(
        cls,
        card: ModelCard,
        weights: Mapping[str, np.ndarray],
        *,
        source_size: int,
        target_size: int,
        precision: str,
        shortlist: Shortlist | None = None,
    ) -> NativeSearch | None:
        """The search of a model with these weights, all that it stores; None where the native code cannot."""
        tie = card.model.get("tie")
        sizes = sizes_of(card, source_size=source_size, target_size=target_size)
        if sizes is None or tie not in TIED or not can_translate(precision):
            return None
        tied = TIED[tie]
        needed = sizes.weights()
        if weights.keys() != needed.keys() - tied.keys():
            return None
        whole = {name: weights[tied.get(name, name)] for name in needed}
        if any(whole[name].shape != shape for name, shape in needed.items()):
            return None
        max_length = sizes.max_positions if sizes.positions == "learned" else None
        choices = None if shortlist is None else Choices(shortlist.starts, shortlist.pieces, shortlist.common)
        return cls([DenseModel(sizes, whole, precision, choices)], max_length)

    @classmethod
    def together(cls, parts: Sequence[NativeSearch | None]) -> NativeSearch | None:
        """The search of an ensemble of the same vocabularies (`mt.inference.ensemble`); None where one cannot."""
        natives = [part for part in parts if part is not None]
        members = [member for native in natives for member in native._members]
        if len(natives) < len(parts) or (len(members) > 1 and any(member.has_choices for member in members)):
            return None
        limits = [native._max_length for native in natives if native._max_length is not None]
        return cls(members, min(limits, default=None))

    def search(self, sources: Sequence[Sequence[int]], plan: Plan, most_pieces: int) -> list[list[Hypothesis]]:
        """Hypotheses for sources (ids with EOS), in their order, best first. See `search_together`."""
        limits = [longest_target(len(ids) - 1, self._max_length) for ids in sources]
        found = search_together(self._members, sources, limits, plan, most_pieces=most_pieces)
        return [
            [
                Hypothesis.of(one.ids, one.totals, alpha=plan.length_penalty, is_finished=not one.is_cut)
                if one.totals
                else Hypothesis.impossible(one.ids, alpha=plan.length_penalty)
                for one in of_source
            ]
            for of_source in found
        ]


class NativeTranslator(LineTranslator):
    """Translates in native code alone. `search` is a `Plan`."""

    def __init__(self, native: NativeSearch, tokenizers: TokenizerPair, card: ModelCard, plan: Plan):
        self._native, self.tokenizers, self.search = native, tokenizers, plan
        self.tags, self.max_pieces = Tags.of(card, tokenizers.source), card.max_pieces or MAX_PIECES
        self.max_length = native._max_length

    @classmethod
    def load(cls, checkpoints: Sequence[Path], options: Options) -> NativeTranslator | None:
        """The translator of a run or step folder, or of several as an ensemble; None where native code cannot do it.

        Search and tags are those of the first one. Raises ValueError for some of the checkpoints that are damaged; for
        the others None is returned.
        """
        precision = _precision(options)
        if precision is None:
            return None
        found = [_described(find_step(Path(checkpoint)), options) for checkpoint in checkpoints]
        members = [member for member in found if member is not None]
        if len(members) < len(found) or len({_vocabularies(member.tokenizers) for member in members}) > 1:
            return None
        native, first = NativeSearch.together([_loaded(member, precision, options) for member in members]), members[0]
        if native is None:
            return None
        translator = cls(native, first.tokenizers, first.card, first.plan)
        translator.max_pieces = min(member.card.max_pieces or MAX_PIECES for member in members)
        return translator

    def found(
        self,
        segments: Sequence[Segment],
        wishes: Sequence[Wish],
        *,
        search: Plan,
        batch_tokens: int | None,
        seed: int,
    ) -> list[list[Hypothesis]]:
        assert not any(wishes)
        if batch_tokens is not None and batch_tokens < 1:
            raise ValueError(f"batch_tokens ({batch_tokens}) must be at least 1")
        sources = [[*segment.ids, EOS] for segment in segments]
        return self._native.search(sources, search, batch_tokens or CPU_BATCH_TOKENS // search.size)


class _Description(NamedTuple):
    """What a step folder says of its model."""

    folder: Path
    card: ModelCard
    tokenizers: TokenizerPair
    plan: Plan

    @property
    def sizes(self) -> dict[str, int]:
        return {"source_size": self.tokenizers.source.size, "target_size": self.tokenizers.target.size}


def _vocabularies(tokenizers: TokenizerPair) -> tuple[bytes, bytes]:
    return tokenizers.source.to_bytes(), tokenizers.target.to_bytes()


def _described(folder: Path, options: Options) -> _Description | None:
    with one_short_line(), shared(folder):
        check_small_files(folder)
        card, tokenizers = described(folder), TokenizerPair.load(folder)
        plan = _plan(options, folder / "search.yaml")
        if plan is None:
            return None
        found = _Description(folder, card, tokenizers, plan)
        return None if sizes_of(card, **found.sizes) is None else found


def _loaded(of: _Description, precision: str, options: Options) -> NativeSearch | None:
    with one_short_line():
        weights = read_arrays(of.folder / WEIGHTS)
        if weights is None or not all(_is_sound(array) for array in weights.values()):
            return None
        if has_manifest(of.folder):
            verify(of.folder, (WEIGHTS,))
        shortlist = Shortlist.load(of.folder, **of.sizes) if options.shortlist else None
        return NativeSearch.of(of.card, weights, **of.sizes, precision=precision, shortlist=shortlist)


def _precision(options: Options) -> str | None:
    """The precision of the options; None where they need more than the native code has."""
    more = ("is_drawn", "trees", "images", "sounds", "prefix", "prefix_column", "terms", "no_repeat_ngram")
    attention = ("alignment", "coverage", "markup")
    if any(getattr(options, name) for name in (*more, *attention)):
        return None
    if not is_surely_cpu(options.device):
        return None
    precision = options.precision
    if precision == "auto":
        precision = "bfloat16" if multiplies_bfloat16_faster(processor_flags()) else "float32"
    return precision if can_translate(precision) else None


def _plan(options: Options, path: Path) -> Plan | None:
    """The beam search of the options and of a checkpoint's search.yaml, as `search_of` has it; None for another one."""
    node: dict[str, Any] = with_current_targets(read_yaml(path)) if path.exists() else {"_target_": BEAM}
    values = SEARCHES.get(node.pop("_target_", None))
    if values is None or not node.keys() <= values.keys():
        return None
    size = options.beam_size
    if size is None:
        size = max(options.n_best, node.get("size", values["size"]))
    values = {**values, **node, "size": size, "n_best": options.n_best}
    for name in ("max_length", "min_length", "length_penalty"):
        if getattr(options, name) is not None:
            values[name] = getattr(options, name)
    most = values["max_length"]
    whole = ("size", "n_best", "min_length", "no_repeat_ngram", "bos", "eos") + (
        () if most is None else ("max_length",)
    )
    is_sound = (
        all(type(values[name]) is int for name in whole)
        and type(values["length_penalty"]) in (int, float)
        and 1 <= values["n_best"] <= values["size"] <= MOST_SIZE
        and LEAST_ALPHA <= values["length_penalty"] <= MOST_ALPHA
        and values["min_length"] >= 0
        and (most is None or most >= max(1, values["min_length"]))
        and (values["bos"], values["eos"], values["no_repeat_ngram"]) == (BOS, EOS, 0)
    )
    if not is_sound:
        return None
    known = {name: values[name] for name in Plan._fields if name != "banned"}
    return Plan(**known, banned=BANNED)


def _is_sound(array: np.ndarray) -> bool:
    """Whether a trained weight can be what these are: `mt.checkpoint.folder` says what is wrong otherwise."""
    return array.size == 0 or bool(np.abs(array).max() <= MAX_WEIGHT)
