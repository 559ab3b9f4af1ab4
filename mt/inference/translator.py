"""The translator: lines in, translations out, as many and in the same order."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from mt.alignment.tree import Trees
from mt.checkpoint.folder import LoadedModel, load_checkpoint
from mt.data.source import Source, Text, stacked
from mt.data.sources import moved_tree
from mt.data.tokenizer import TokenizerPair
from mt.device import PACKED_PRECISIONS, choose_device, choose_precision, keep_freed_memory, mixed_precision
from mt.inference.batches import batches_by_length, longest_target
from mt.inference.decodable import Decodable, SingleModel
from mt.inference.ensemble import Ensemble, check_vocabularies
from mt.inference.line import Line
from mt.inference.packed import pack, product_with
from mt.inference.request import Request
from mt.inference.segmenter import joined
from mt.inference.shortlist import Shortlist, ShortlistedModel
from mt.inference.tags import Tags, tagged
from mt.inference.terms import continuing_pieces
from mt.inference.translation import Candidate, Translation
from mt.inference.wish import Wish, rules_of
from mt.model.seq2seq import Seq2Seq
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis
from mt.search.sampling import sentence_generators
from mt.search.search import Search

log = logging.getLogger(__name__)

MAX_PIECES = 200  # of a source, for a model whose longest training source is not known
LEAST_ROOM = 20  # target pieces in addition to demanded ones
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 10_240, 40_960  # of all hypotheses; on a CPU more is no faster


class Translator:
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
        self.tokenizers = tokenizers
        self.tags = tags or Tags(tokenizers.source)
        self.search = search or Beam()
        self.is_packed = False
        source = tokenizers.source
        self._trees = Trees(source.pieces(range(source.size))) if self.decodable.needs_trees else None

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
        if shortlist:
            sizes = tokenizers.source.size, tokenizers.target.size
            pieces = Shortlist.load(loaded.folder, source_size=sizes[0], target_size=sizes[1])
            shortened = pieces, model.output.weight.detach()
        if chosen.type != "cpu":
            translator = make(precision=precision)
        else:
            dtype = choose_precision(precision, chosen, known=PACKED_PRECISIONS)
            pack(model, dtype)
            keep_freed_memory()  # only now: memory that packing freed is returned to the system
            translator = make()
            translator.dtype, translator.is_packed = dtype, True
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

    def translate(
        self,
        lines: Iterable[str | Request],
        *,
        search: Search | None = None,
        batch_tokens: int | None = None,
        max_pieces: int | None = None,
        window: int = 2048,
        seed: int = 1,
        first_line: int = 0,
    ) -> Iterator[Translation]:
        """A Translation for every line, in order, streaming in windows of `window` lines.

        A string is a request with only a text. A line without visible text is returned unchanged. A line of more than
        `max_pieces` source pieces (None: of what the model was trained on) loses its context (`mt.data.document`), the
        farthest sentences first, and is then split at sentence ends, then clauses, then blanks. `batch_tokens` bounds
        sentences x longest source of a batch (None: so many that their hypotheses come to 10,240 on a CPU, 40,960 on a
        GPU). Sampling for a line depends only on `seed` and the line's number, counted from `first_line`.

        Raises ValueError for a tag that is not a symbol of the tokenizer, for a line without any where the model was
        trained only on lines with a tag, and for a prefix or a term that the vocabulary cannot spell. A line that is
        split, or that its tree does not fit, is translated without its tree; a split one has its prefix in its first
        part. If no translation with all terms can be found, one without them is returned.
        """
        search = search or self.search
        max_pieces = max_pieces or self.max_pieces
        if self.decodable.max_length is not None:
            max_pieces = min(max_pieces, self.decodable.max_length - 1)  # EOS takes one
        requests = (Request(line) if isinstance(line, str) else line for line in lines)
        while chunk := list(islice(requests, window)):
            yield from self._window(chunk, search, batch_tokens, max_pieces, seed, first_line)
            first_line += len(chunk)

    def _window(
        self,
        requests: list[Request],
        search: Search,
        batch_tokens: int | None,
        max_pieces: int,
        seed: int,
        first_line: int,
    ) -> Iterator[Translation]:
        source = self.tokenizers.source
        for tag in {request.tag for request in requests}:
            self.tags.check(tag)
        needs_trees = self._trees is not None
        lines = [
            Line.of(request, self.tokenizers, max_pieces=max_pieces, needs_trees=needs_trees) for request in requests
        ]
        numbers = range(first_line + 1, first_line + 1 + len(lines))
        untagged = [
            (number, line.source)
            for number, line in zip(numbers, lines, strict=True)
            if line.segments and line.request.tag is None
        ]
        self.tags.check_lines(untagged, None)
        parts = [
            (part, f"{number} {index}", line)
            for number, line in enumerate(lines, start=first_line)
            if line.segments
            for index, part in enumerate(line.segments.parts)
        ]
        ids = source.encode_many([tagged(part, line.request.tag) for part, _, line in parts])
        generators = sentence_generators(seed, [number for _, number, _ in parts])
        sources = [
            self.source(part, line.tree, of_part, line.request.tag)
            for (part, _, line), of_part in zip(parts, ids, strict=True)
        ]
        wishes = [wish for line in lines for wish in line.wishes]
        found = iter(self.search_ids(sources, search, batch_tokens, generators, *([wishes] if any(wishes) else [])))
        for line in lines:
            if line.segments is None:
                yield Translation(line.source, (Candidate(line.source, 0.0, 0.0),))
                continue
            of_parts = list(islice(found, len(line.segments.parts)))
            candidates = self._join(of_parts, line.segments.parts)
            notes = line.notes(max_pieces, of_parts)
            yield Translation(line.source, candidates, line.segments.parts, notes, line.request.tag, line.tree)

    def check_trees(self, path: str | Path, checkpoint: str | Path) -> None:
        """Raises ValueError, naming the file of trees and the checkpoint, for a model that needs none."""
        if not self.decodable.needs_trees:
            raise ValueError(f"--trees ({path}) is for a model with structured attention: {checkpoint} has none")

    def source(self, text: str, tree: str | None, ids: Sequence[int], tag: str | None = None) -> Text:
        """The model's input for a line: its tag, its pieces, and its tree where the model needs it."""
        source = Text.of([ids])
        if self._trees is None or not tree:
            return source
        tree = tree if tag is None else moved_tree(tree)
        distance_PP = self._trees.tree_distance(tagged(text, tag), tree, np.asarray(ids))
        return source if distance_PP is None else source.with_trees([distance_PP])

    def text(self, ids: Sequence[int]) -> str:
        """The text of target pieces, in one line."""
        return one_line(self.tokenizers.target.decode(ids))

    def _join(self, of_parts: Sequence[Sequence[Hypothesis]], segments: Sequence[str]) -> tuple[Candidate, ...]:
        """Candidate i joins the i-th best of every part (the last of a part that has fewer)."""
        candidates = []
        for rank in range(max(len(hypotheses) for hypotheses in of_parts)):
            chosen = tuple(hypotheses[min(rank, len(hypotheses) - 1)] for hypotheses in of_parts)
            text = joined([self.text(hypothesis.ids) for hypothesis in chosen], segments)
            log_prob, score = (math.fsum(getattr(h, name) for h in chosen) for name in ("log_prob", "score"))
            candidates.append(Candidate(text, log_prob, score, chosen))
        return tuple(candidates)

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
        results: list[list[Hypothesis]] = [[] for _ in sources]
        lengths = [source.padded_length for source in sources]
        for indices in batches_by_length(lengths, self.batch_tokens(batch_tokens, getattr(search, "size", 1))):
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
        return results

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
        limits = [longest_target(sources[index].padded_length - 1, decodable.max_length) for index in indices]  # no EOS
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
        return continuing_pieces(self.tokenizers.target)


def one_line(text: str) -> str:
    """Text without line breaks, which byte pieces could spell: one line in, one line out."""
    return text.replace("\r", " ").replace("\n", " ")
