"""A model at work: lines in, translations out, as many and in the same order."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from mt.alignment.tree import Trees, parsed_heads
from mt.checkpoint.folder import LoadedModel, load_checkpoint
from mt.data.document import apart, tree_alone, tree_in_context
from mt.data.source import Text, stacked
from mt.data.sources import moved_tree
from mt.data.tokenizer import BOS, PAD, UNK, TokenizerPair
from mt.data.visible import is_visible
from mt.device import PACKED_PRECISIONS, choose_device, choose_precision, keep_freed_memory, mixed_precision
from mt.inference.packed import pack, product_with
from mt.inference.segmenter import Segments, joined, split_long
from mt.inference.shortlist import CandidateLists, Shortlist, shortlist_step
from mt.inference.tags import Tags, tagged
from mt.model.seq2seq import Seq2Seq
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis
from mt.search.sampling import sentence_generators
from mt.search.search import Search
from mt.words import num_words

log = logging.getLogger(__name__)

BANNED = (PAD, UNK, BOS)
MAX_PIECES = 200  # of a source, where nobody knows on what a model was trained
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 10_240, 40_960  # of all hypotheses; on a CPU more is no faster


@dataclass(frozen=True)
class Candidate:
    """One translation of a line: `log_prob` in nats and `score` (length penalty applied), summed over its parts."""

    text: str
    log_prob: float
    score: float
    parts: tuple[Hypothesis, ...] = ()  # of each part of a split line


@dataclass(frozen=True)
class Translation:
    """A line's translations, best first, and what had to be done to it (`notes`: split, cut, never ended).

    `tree` is the tree (`mt.data.pair.Pair`) of what was translated, if it was with one.
    """

    source: str
    candidates: tuple[Candidate, ...]
    segments: tuple[str, ...] = ()  # what was translated: the line, or its parts
    notes: tuple[str, ...] = ()
    tag: str | None = None  # that was put before each segment
    tree: str | None = None

    @property
    def text(self) -> str:
        return self.candidates[0].text

    @property
    def score(self) -> float:
        return self.candidates[0].score


class Translator:
    """Translates with a model and its tokenizers; holds no state between calls.

    `search` is what is used where a call names none: the checkpoint's own choice, or beam search.
    `precision` is float32 by default, so that a sentence's translation is the same in whatever batch it comes.
    `max_pieces` is the longest source that the model was trained on (data.max_pieces): longer lines are split.
    `tags` say whether a line needs one; by default none does.
    """

    def __init__(
        self,
        model: Seq2Seq,
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
        self.model, self.tokenizers = model.to(self.device), tokenizers
        self.tags = tags or Tags(tokenizers.source)
        self.search = search or Beam()
        self.is_packed = False
        self._shortlist: tuple[Shortlist, Tensor] | None = None  # and the whole output matrix, output_VD
        source = tokenizers.source
        self._trees = Trees(source.pieces(range(source.size))) if model.needs_trees else None

    @classmethod
    def load(
        cls, checkpoint: str | Path, *, device: str = "auto", precision: str = "float32", shortlist: bool = False
    ) -> Translator:
        """The translator of a run folder (its best step) or a step folder. Raises ValueError in one line."""
        return cls.of(load_checkpoint(checkpoint), device=device, precision=precision, shortlist=shortlist)

    @classmethod
    def of(
        cls, loaded: LoadedModel, *, device: str = "auto", precision: str = "float32", shortlist: bool = False
    ) -> Translator:
        """The translator of a loaded checkpoint, whose model is packed on a CPU, where precision may also be int8.

        With `shortlist` only the target pieces that the checkpoint's list has for the sources are looked at.
        """
        chosen, tokenizers, model = choose_device(device), loaded.tokenizers, loaded.model.eval()
        sizes = {"source_size": tokenizers.source.size, "target_size": tokenizers.target.size}
        how = {"search": loaded.search, "device": device, "max_pieces": loaded.card.max_pieces}
        how["tags"] = Tags.of(loaded.card, tokenizers.source)
        shortened = (Shortlist.load(loaded.folder, **sizes), model.output.weight.detach()) if shortlist else None
        if chosen.type != "cpu":
            translator = cls(model, tokenizers, precision=precision, **how)
        else:
            dtype = choose_precision(precision, chosen, known=PACKED_PRECISIONS)
            pack(model, dtype)
            keep_freed_memory()  # but for what packing gave up
            translator = cls(model, tokenizers, **how)
            translator.dtype, translator.is_packed = dtype, True
        if shortened:
            translator._shortlist = shortened[0], shortened[1].to(translator.device)
        return translator

    def precision(self) -> AbstractContextManager:
        """What the model is asked in: autocast, unless its products are packed in their precision."""
        return nullcontext() if self.is_packed else mixed_precision(self.device, self.dtype)

    def translate(
        self,
        lines: Iterable[str],
        *,
        search: Search | None = None,
        batch_tokens: int | None = None,
        max_pieces: int | None = None,
        window: int = 2048,
        seed: int = 1,
        first_line: int = 0,
        tag: str | None = None,
        trees: Iterable[str | None] | None = None,
    ) -> Iterator[Translation]:
        """A Translation for every line, in order, streaming in windows of `window` lines.

        A line with nothing to see passes through untouched. A line of more than `max_pieces` source pieces (None: of
        what the model was trained on) loses its context (`mt.data.document`), the farthest sentences first, and is
        then split at sentence ends, then clauses, then blanks. `batch_tokens` bounds sentences x longest source of a
        batch (None: so many that their hypotheses come to 10,240 on a CPU, 40,960 on a GPU). What sampling draws for a
        line depends on `seed` and the line's number, counted from `first_line`, alone.

        `tag`, such as <2de>, goes before each line, and before each part of a split one. Raises ValueError for one that
        is no symbol of the tokenizer, and for a line without any where the model knows lines with a tag alone.

        `trees` are the lines' trees (`mt.data.pair.Pair`; None or blank: it has none), for a model that asks for them.
        A line that is split, or that its tree does not fit, is translated without.
        """
        search = search or self.search
        self.tags.check(tag)
        max_pieces = max_pieces or self.max_pieces
        if self.model.max_length is not None:
            max_pieces = min(max_pieces, self.model.max_length - 1)  # EOS takes one
        lines, trees = iter(lines), repeat(None) if trees is None or self._trees is None else iter(trees)
        while chunk := list(islice(lines, window)):
            of_chunk = list(islice(trees, len(chunk)))
            yield from self._window(chunk, of_chunk, search, batch_tokens, max_pieces, seed, first_line, tag)
            first_line += len(chunk)

    def _window(
        self,
        lines: list[str],
        trees: list[str | None],
        search: Search,
        batch_tokens: int | None,
        max_pieces: int,
        seed: int,
        first_line: int,
        tag: str | None,
    ) -> Iterator[Translation]:
        source = self.tokenizers.source
        encode = source.encode

        def count(part: str) -> int:
            return len(encode(tagged(part, tag)))

        lines = [source.composed(line) if is_visible(line) else line for line in lines]
        fitted = [_with_context_that_fits(line, max_pieces=max_pieces, count=count) for line in lines]
        how = {"max_pieces": max_pieces, "count": count}
        split = [split_long(line, **how) if is_visible(line) else None for line, _ in fitted]
        numbers = range(first_line + 1, first_line + 1 + len(lines))
        filled = [(number, line) for number, line, segments in zip(numbers, lines, split, strict=True) if segments]
        self.tags.check_lines(filled, tag)
        own = [tree and tree_alone(tree, line) for line, tree in zip(lines, trees, strict=True)]
        faults = [tree_fault(apart(line)[1], *of_line) for line, *of_line in zip(lines, own, split, strict=True)]
        used = [
            None if fault else tree and tree_in_context(tree, line)
            for (line, _), tree, fault in zip(fitted, own, faults, strict=True)
        ]
        parts = [
            (part, f"{line} {index}", tree)
            for line, (segments, tree) in enumerate(zip(split, used, strict=True), start=first_line)
            if segments
            for index, part in enumerate(segments.parts)
        ]
        ids = source.encode_many([tagged(part, tag) for part, _, _ in parts])
        generators = sentence_generators(seed, [number for _, number, _ in parts])
        sources = [self.source(part, tree, of_part, tag) for (part, _, tree), of_part in zip(parts, ids, strict=True)]
        found = iter(self.search_ids(sources, search, batch_tokens, generators))
        for line, (_, num_left_out), segments, tree, fault in zip(lines, fitted, split, used, faults, strict=True):
            if segments is None:
                yield Translation(line, (Candidate(line, 0.0, 0.0),))
                continue
            of_parts = list(islice(found, len(segments.parts)))
            notes = []
            if num_left_out:
                notes.append(f"{num_left_out} sentences of context left out: more than {max_pieces} pieces with them")
            if len(segments.parts) > 1:
                notes.append(f"split into {len(segments.parts)} parts of at most {max_pieces} pieces")
            if segments.is_cut:
                notes.append("cut inside a word that is longer than a part may be")
            if not all(hypotheses[0].is_finished for hypotheses in of_parts):
                notes.append("stopped at the length limit before the model was done")
            if fault:
                notes.append(f"translated without its tree: {fault}")
            yield Translation(line, self._join(of_parts, segments.parts), segments.parts, tuple(notes), tag, tree)

    def check_trees(self, path: str | Path, checkpoint: str | Path) -> None:
        """Raises ValueError, naming the file of trees and the checkpoint, for a model that asks for none."""
        if not self.model.needs_trees:
            raise ValueError(f"--trees ({path}) is for a model with structured attention: {checkpoint} has none")

    def source(self, text: str, tree: str | None, ids: Sequence[int], tag: str | None = None) -> Text:
        """What the model reads of a line: its pieces, its tag's before them; and its tree, where the model needs it."""
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

    def batch_tokens(self, wanted: int | None, width: int = 1) -> int:
        """The bound on sentences x longest source where nobody wants another, for `width` hypotheses of a sentence."""
        if wanted is not None and wanted < 1:
            raise ValueError(f"batch_tokens ({wanted}) must be at least 1")
        return wanted or (CPU_BATCH_TOKENS if self.device.type == "cpu" else GPU_BATCH_TOKENS) // width

    @torch.inference_mode()
    def search_ids(
        self,
        sources: Sequence[Text],
        search: Search,
        batch_tokens: int | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> list[list[Hypothesis]]:
        """Hypotheses for sources of one sentence each, in their order; batched by length inside.

        `generators`, one a source, are what sampling draws from.
        """
        results: list[list[Hypothesis]] = [[] for _ in sources]
        lengths = [source.padded_length for source in sources]
        for indices in batches_by_length(lengths, self.batch_tokens(batch_tokens, getattr(search, "size", 1))):
            chosen = [sources[index] for index in indices]
            together = stacked(chosen)
            pieces = [of_sentence[:-1] for of_sentence in together.pieces()]  # without EOS
            candidates = CandidateLists(self._shortlist[0], pieces) if self._shortlist else None
            with self.precision():
                state = self.model.start(together.to(self.device))
                found = search(
                    self._shortened(candidates) if candidates else self.model.step,
                    candidates.start(state) if candidates else state,
                    max_lengths=[longest_target(len(of_sentence), self.model.max_length) for of_sentence in pieces],
                    banned_ids=BANNED,
                    generator=[generators[index] for index in indices] if generators else None,
                )
            for place, (index, hypotheses) in enumerate(zip(indices, found, strict=True)):
                results[index] = candidates.whole_ids(place, hypotheses) if candidates else hypotheses
        return results

    def _shortened(self, candidates: CandidateLists) -> Callable:
        """The step of a search among these candidates."""
        assert self._shortlist is not None
        output_UD = self._shortlist[1][candidates.together_U.to(self.device)]
        product = product_with(output_UD, self.dtype) if self.is_packed else partial(linear, weight=output_UD)
        return shortlist_step(self.model.extend, product)


def _with_context_that_fits(line: str, *, max_pieces: int, count: Callable[[str], int]) -> tuple[str, int]:
    """The line with as much of its context as fits beside it, and how many sentences of it were left out."""
    wanted, sentence = apart(line)
    context, fitted = wanted, line
    while context and count(fitted) > max_pieces:
        context = context.without_farthest()
        fitted = context.around(sentence)
    return fitted, wanted.num_sentences - context.num_sentences


def tree_fault(sentence: str, tree: str | None, segments: Segments | None) -> str | None:
    """Why a sentence cannot be translated with its tree, if it has one."""
    if not tree or not tree.strip() or segments is None:
        return None
    if len(segments.parts) > 1:
        return "it was split"
    try:
        parsed_heads(tree, num_words(sentence))
    except ValueError as error:
        return str(error)
    return None


def longest_target(source_pieces: int, max_length: int | None = None) -> int:
    """Most target pieces for a source: twice as many and twenty more, beyond what any translation needs.

    `max_length` bounds them with the BOS before them.
    """
    wanted = 2 * source_pieces + 20
    return wanted if max_length is None else min(wanted, max_length - 1)


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, each with count x longest <= batch_tokens (or one index)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """ids_BT, right-padded with PAD."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])


def one_line(text: str) -> str:
    """Text without line breaks, which byte pieces could spell: one line in, one line out."""
    return text.replace("\r", " ").replace("\n", " ")
