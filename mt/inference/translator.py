"""The translator: lines in, translations out, as many and in the same order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from mt.alignment.tree import Trees
from mt.checkpoint.folder import LoadedModel, load_checkpoint
from mt.checkpoint.outline import kept_tensors
from mt.data.images.picture import Picture
from mt.data.several import Several, with_pictures, with_sounds
from mt.data.sounds.sound import Wave
from mt.data.source import Source, Text, stacked
from mt.data.sources import moved_tree
from mt.data.tokenizer import TokenizerPair
from mt.device import PACKED_PRECISIONS, choose_device, choose_precision, keep_freed_memory, mixed_precision
from mt.inference.batches import CAPTION_PIECES, CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, batches_by_length, longest_target
from mt.inference.decodable import Decodable, SingleModel
from mt.inference.ensemble import Ensemble, check_vocabularies
from mt.inference.lines import MAX_PIECES, LineTranslator, Segment
from mt.inference.native import NativeSearch
from mt.inference.packed import pack, product_with
from mt.inference.searching import chosen, plan_of, rules_of
from mt.inference.shortlist import Shortlist
from mt.inference.shortlisted_model import ShortlistedModel
from mt.inference.tags import Tags, tagged
from mt.inference.terms import continuing_pieces
from mt.inference.wish import Wish
from mt.model.rounded import float_tensors
from mt.model.seq2seq import Seq2Seq
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis
from mt.search.sampling import sentence_generators
from mt.search.search import Search

log = logging.getLogger(__name__)

LEAST_ROOM = 20  # target pieces in addition to demanded ones


class Translator(LineTranslator):
    """Translates with a model, or anything `Decodable`, and its tokenizers; holds no state between calls.

    `search` is used where a call names none: the checkpoint's own choice, or beam search.
    `precision` is float32 by default, so that a sentence's translation is the same in every batch.
    `max_pieces` is the longest source that the model was trained on (data.max_pieces): longer lines are split.
    `tags` say whether a line needs one; by default none does.
    """

    def __init__(
        self,
        model: Seq2Seq | Decodable,
        tokenizers: TokenizerPair,
        *,
        search: Search | None = None,
        device: str | torch.device = "auto",
        precision: str = "float32",
        max_pieces: int | None = None,
        tags: Tags | None = None,
    ):
        self.max_pieces = max_pieces or MAX_PIECES
        self.device = choose_device(str(device))
        self.dtype = choose_precision(precision, self.device)
        self._model = model.to(self.device) if isinstance(model, Seq2Seq) else None
        self.decodable: Decodable
        if isinstance(model, Seq2Seq):
            self.decodable = SingleModel(model)
        else:
            self.decodable = model
        self.max_length = self.decodable.max_length
        self.native: NativeSearch | None = None  # where it can be used, it finds the same
        self.tokenizers = tokenizers
        self.tags = tags or Tags(tokenizers.source)
        self.search = search or Beam()
        self.is_packed = False
        self.language = ""  # of its targets, where no tag says another one
        source = tokenizers.source
        self.trees = Trees(source.pieces(range(source.size))) if self.decodable.needs_trees else None

    @classmethod
    def load(
        cls, *checkpoints: str | Path, device: str = "auto", precision: str = "float32", shortlist: bool = False
    ) -> Translator:
        """The translator of a run folder (its best step) or a step folder; several folders become an `ensemble`.

        Raises ValueError in one line.
        """
        members = [
            cls.of(load_checkpoint(checkpoint), device=device, precision=precision, shortlist=shortlist)
            for checkpoint in checkpoints
        ]
        return cls.ensemble(members, list(map(str, checkpoints)))

    @classmethod
    def of(
        cls, loaded: LoadedModel, *, device: str = "auto", precision: str = "float32", shortlist: bool = False
    ) -> Translator:
        """The translator of a loaded checkpoint, whose model is packed on a CPU, where precision may also be int8.

        With `shortlist` only the target pieces of the checkpoint's shortlist are computed.
        """
        chosen, tokenizers, model = choose_device(device), loaded.tokenizers, loaded.model.eval()
        assert isinstance(model, Seq2Seq)
        make = partial(
            cls,
            model,
            tokenizers,
            search=loaded.search,
            device=device,
            max_pieces=loaded.card.max_pieces,
            tags=Tags.of(loaded.card, tokenizers.source),
        )
        shortened = None
        source_size, target_size = tokenizers.source.size, tokenizers.target.size
        if shortlist:
            pieces = Shortlist.load(loaded.folder, source_size=source_size, target_size=target_size)
            shortened = pieces, model.output.weight.detach()
        if chosen.type != "cpu":
            translator = make(precision=precision)
        else:
            dtype = choose_precision(precision, chosen, known=PACKED_PRECISIONS)
            floats = float_tensors(kept_tensors(model))
            arrays = {name: tensor.detach().float().numpy() for name, tensor in floats.items()}
            native = NativeSearch.of(
                loaded.card,
                arrays,
                source_size=source_size,
                target_size=target_size,
                precision=str(dtype).removeprefix("torch."),
                shortlist=shortened[0] if shortened else None,
            )
            pack(model, dtype)
            keep_freed_memory()  # only now: memory that packing freed is returned to the system
            translator = make()
            translator.dtype, translator.is_packed, translator.native = dtype, True, native
        translator.images, translator.sounds = loaded.card.images, loaded.card.sounds
        translator.language = loaded.card.target_language
        if shortened:
            is_packed, dtype = translator.is_packed, translator.dtype

            def product(output_UD: Tensor) -> Callable[[Tensor], Tensor]:
                return product_with(output_UD, dtype) if is_packed else partial(linear, weight=output_UD)

            plain, output_VD = SingleModel(model), shortened[1].to(translator.device)
            translator.decodable = ShortlistedModel(plain, shortened[0], output_VD, product)
        return translator

    @classmethod
    def ensemble(cls, members: Sequence[Translator], names: Sequence[str]) -> Translator:
        """One that averages the members' probabilities; search, lengths and tags are those of the first.

        Raises ValueError, with the members' names, where their vocabularies differ.
        """
        first = members[0]
        if len(members) == 1:
            return first
        check_vocabularies([member.tokenizers for member in members], names)
        together = cls(
            Ensemble([member.decodable for member in members]),
            first.tokenizers,
            search=first.search,
            device=first.device,
            max_pieces=min(member.max_pieces for member in members),
            tags=first.tags,
        )
        together.dtype, together.is_packed = first.dtype, first.is_packed
        together.native = NativeSearch.together([member.native for member in members])
        together.images, together.sounds, together.language = first.images, first.sounds, first.language
        return together

    @property
    def model(self) -> Seq2Seq:
        """The single model, for code that reads its attention. Raises ValueError for several models."""
        if self._model is None:
            raise ValueError("attention is read from one model: give one checkpoint, not several")
        return self._model

    def precision(self) -> AbstractContextManager:
        """The context for running the model: autocast, unless its products are packed in their precision."""
        return nullcontext() if self.is_packed else mixed_precision(self.device, self.dtype)

    def found(
        self,
        segments: Sequence[Segment],
        wishes: Sequence[Wish],
        *,
        search: Search,
        batch_tokens: int | None,
        seed: int,
    ) -> list[list[Hypothesis]]:
        generators = sentence_generators(seed, [segment.name for segment in segments])
        sources = [
            self.source(s.text, s.line.tree, s.ids, s.line.request.tag, s.line.request.picture, s.line.request.sound)
            for s in segments
        ]
        return self.search_ids(sources, search, batch_tokens, generators, *([wishes] if any(wishes) else []))

    def check_trees(self, path: str | Path, checkpoint: str | Path) -> None:
        """Raises ValueError, naming the file of trees and the checkpoint, for a model that needs none."""
        if not self.decodable.needs_trees:
            raise ValueError(f"--trees ({path}) is for a model with structured attention: {checkpoint} has none")

    def source(
        self,
        text: str,
        tree: str | None,
        ids: Sequence[int],
        tag: str | None = None,
        picture: Picture | None = None,
        sound: Wave | None = None,
    ) -> Text | Several:
        """The model's input for a line: its tag, its pieces, its tree where the model needs it, its picture and sound.

        Raises ValueError for a picture that the model cannot see, and a sound that it cannot hear.
        """
        text_source, places = self._text(text, tree, ids, tag), self.decodable.places
        if picture is not None and "image" not in places:
            raise ValueError("this model sees no pictures: it was trained without them")
        if sound is not None and "sound" not in places:
            raise ValueError("this model hears no sounds: it was trained without them")
        source = with_pictures(text_source, [picture], places.get("image", 0))
        source = with_sounds(source, [sound], places.get("sound", 0))
        assert isinstance(source, (Text, Several))
        return source

    def _text(self, text: str, tree: str | None, ids: Sequence[int], tag: str | None) -> Text:
        source = Text.of([ids])
        if self.trees is None or not tree:
            return source
        tree = tree if tag is None else moved_tree(tree)
        distance_PP = self.trees.tree_distance(tagged(text, tag), tree, np.asarray(ids))
        return source if distance_PP is None else source.with_trees([distance_PP])

    def batch_tokens(self, given: int | None, width: int = 1) -> int:
        """The bound on sentences x longest source if none is `given`, for `width` hypotheses of a sentence."""
        if given is not None and given < 1:
            raise ValueError(f"batch_tokens ({given}) must be at least 1")
        return given or (CPU_BATCH_TOKENS if self.device.type == "cpu" else GPU_BATCH_TOKENS) // width

    @torch.inference_mode()
    def search_ids(
        self,
        sources: Sequence[Source],
        search: Search,
        batch_tokens: int | None = None,
        generators: Sequence[torch.Generator] | None = None,
        wishes: Sequence[Wish] | None = None,
    ) -> list[list[Hypothesis]]:
        """Hypotheses for sources of one sentence each, in their order; batched by length inside.

        `generators`, one a source, are what sampling draws from; `wishes` what the targets must contain. If no
        hypothesis can contain a source's phrases, they are dropped for that source.
        """
        plan = None if self.native is None or wishes else plan_of(search)
        if self.native is not None and plan is not None:
            texts = [source for source in sources if isinstance(source, Text)]
            assert len(texts) == len(sources)  # the native code has an encoder of pieces alone
            ids = [pieces for text in texts for pieces in text.pieces()]
            return self.native.search(ids, plan, self.batch_tokens(batch_tokens, plan.size))
        results: list[list[Hypothesis]] = [[] for _ in sources]
        lengths = [source.padded_length for source in sources]
        for indices in _of_one_kind(
            batches_by_length(lengths, self.batch_tokens(batch_tokens, getattr(search, "size", 1))), sources
        ):
            # lines with wishes are searched separately, so that a line's result is the same in every batch
            plain = [index for index in indices if not (wishes and wishes[index])]
            wished = [index for index in indices if wishes and wishes[index]]
            for some, own in ((plain, None), (wished, wishes)):
                if some:
                    self._search_batch(some, sources, search, generators, own, results)
            again = [index for index in wished if wishes and wishes[index].fails(results[index])]
            if again:
                without = [wish.without_phrases for wish in wishes or ()]
                self._search_batch(again, sources, search, generators, without, results)
        return chosen(search, results, self.text)

    def _search_batch(
        self,
        indices: Sequence[int],
        sources: Sequence[Source],
        search: Search,
        generators: Sequence[torch.Generator] | None,
        wishes: Sequence[Wish] | None,
        results: list[list[Hypothesis]],
    ) -> None:
        """Searches one batch and stores the hypotheses in `results`."""
        decodable, own = self.decodable, None if wishes is None else [wishes[index] for index in indices]
        limits = [_longest_target(sources[index], decodable.max_length) for index in indices]
        if own is not None:
            limits = [self._room(wish, limit, search) for wish, limit in zip(own, limits, strict=True)]
        with self.precision():
            state = decodable.start(
                stacked([sources[index] for index in indices]).to(self.device),
                needed=None if own is None else [wish.needed for wish in own],
            )
            found = search(
                decodable.step,
                state,
                max_lengths=limits,
                banned_ids=decodable.banned,
                rules=() if own is None else rules_of(own, self._continuing_V),
                generator=[generators[index] for index in indices] if generators else None,
            )
        for place, (index, hypotheses) in enumerate(zip(indices, found, strict=True)):
            results[index] = decodable.in_vocabulary(state, place, hypotheses)

    def _room(self, wish: Wish, limit: int, search: Search) -> int:
        """The length limit of a target that must contain its wish. Raises ValueError for a prefix that is too long."""
        limit = max(limit, len(wish.needed) + LEAST_ROOM)
        if self.decodable.max_length is not None:
            limit = min(limit, self.decodable.max_length - 1)
        at_most = min(limit, search.max_length or limit)
        if len(wish.prefix) > at_most:
            raise ValueError(
                f"prefix must be at most as long as a translation ({at_most} pieces), not {len(wish.prefix)}"
            )
        return limit

    @cached_property
    def _continuing_V(self) -> Tensor:
        return torch.from_numpy(continuing_pieces(self.tokenizers.target))


def _of_one_kind(batches: Iterable[list[int]], sources: Sequence[Source]) -> Iterator[list[int]]:
    """The batches, each divided by the kinds of sources that it has."""
    for indices in batches:
        for _, some in groupby(
            sorted(indices, key=lambda index: _kind(sources[index])), lambda index: _kind(sources[index])
        ):
            yield list(some)


def _longest_target(source: Source, max_length: int | None) -> int:
    """The limit of a target, by the text of its source and whether it has a picture or a sound."""
    num_pieces = source.parts["text"].padded_length - 1  # no EOS
    more = CAPTION_PIECES // 2 if len(source.parts) > 1 else 0
    return longest_target(num_pieces + more, max_length)


def _kind(source: Source) -> str:
    return " ".join(source.parts)
