"""Alignments from cross-attention in forced decoding, for given targets or for the model's own translations."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from mt.alignment.alignment import CONTRIBUTIONS, ERASURE, WHOLE_MODEL, Alignment, RawAttention
from mt.alignment.choice import Choice
from mt.alignment.links import Link
from mt.alignment.omission import NUM_COMMON, left_over
from mt.alignment.regions import Regions
from mt.alignment.tap import Tap
from mt.alignment.words import by_words
from mt.checkpoint.folder import load_checkpoint
from mt.data.document import num_words_after, num_words_before
from mt.data.images.picture import Picture
from mt.data.several import Several
from mt.data.source import Text, padded, stacked
from mt.data.tokenizer import BOS, EOS
from mt.inference.batches import batches_by_length
from mt.inference.contributions import why_not, with_contributions
from mt.inference.erasure import with_erasure
from mt.inference.part import Part, links_of
from mt.inference.tags import numbered, tagged
from mt.inference.translation import Translation
from mt.inference.translator import Translator
from mt.search.search import Search
from mt.words import num_words, split_words, word_starts

Found = TypeVar("Found")

MAX_CELLS = 1 << 26  # of the maps of all layers and heads in memory at the same time: 256 MiB


class Aligner:
    """Attention maps of a model, with the layer, heads and shift that were chosen for it.

    The model's own translations are searched first and then decoded again with forced targets: weights depend only on
    source and target prefix, so they equal those during the search.
    """

    def __init__(
        self, translator: Translator, choice: Choice, *, direction: str = "source-target", folder: Path | None = None
    ):
        self.translator, self.choice, self.direction = translator, choice, direction
        self.folder = folder  # of the step that the model came from

    @classmethod
    def load(
        cls, checkpoint: str | Path, *, device: str = "auto", precision: str = "float32", shortlist: bool = False
    ) -> Aligner:
        """The aligner of a run folder (its best step) or a step folder, with its `alignment.json` if it has one."""
        loaded = load_checkpoint(checkpoint)
        translator = Translator.of(loaded, device=device, precision=precision, shortlist=shortlist)
        direction = f"{loaded.card.source_language}-{loaded.card.target_language}"
        decoder = translator.model.decoder
        num_heads = decoder.layers[0].cross_attention.num_maps
        choice = Choice.load(loaded.folder, num_layers=decoder.num_maps, num_heads=num_heads)
        return cls(translator, choice, direction=direction, folder=loaded.folder)

    def align(
        self,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        trees: Sequence[str | None] | None = None,
        pictures: Sequence[Picture | None] | None = None,
        tag: str | None = None,
        layer: int | None = None,
        heads: Iterable[int] | None = None,
        shift: int | None = None,
        signal: str | None = None,
        search: Search | None = None,
        batch_tokens: int | None = None,
    ) -> list[Alignment]:
        """An Alignment for every pair; without `targets`, of the model's own translations.

        `trees` are the sources' trees (`mt.data.pair.Pair`), for a model that needs them. `tag` goes before each
        source (`mt.inference.tags`), and is not a piece of it in the result.
        `layer` (from 0), `heads` (averaged), `shift` and `signal` default to the checkpoint's choice; for
        another layer, heads default to all.
        """
        if layer is None:
            layer, heads = self.choice.layer, self.choice.heads if heads is None else heads
        signal = signal or self.choice.signal
        aligned = partial(
            Alignment.from_attention,
            layer=layer,
            heads=None if heads is None else tuple(heads),
            shift=self.choice.shift if shift is None else shift,
            signal=signal,
            direction=self.direction,
        )
        encoded = self.encoded(sources, targets, search, batch_tokens, trees=trees, pictures=pictures, tag=tag)
        norms, has_tag = signal == "norms", tag is not None
        if signal in WHOLE_MODEL:
            raws = self.attention_of_encoded(
                *encoded, batch_tokens=batch_tokens, has_tag=has_tag, whole=signal, texts=sources
            )
            return [aligned(raw) for raw in raws]
        numbered_raws = self._attentions(*encoded, norms=norms, batch_tokens=batch_tokens, has_tag=has_tag)
        return _in_order((number, aligned(raw)) for number, raw in numbered_raws)

    def attention(
        self,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        trees: Sequence[str | None] | None = None,
        pictures: Sequence[Picture | None] | None = None,
        tag: str | None = None,
        norms: bool = False,
        search: Search | None = None,
        batch_tokens: int | None = None,
    ) -> list[RawAttention]:
        """Weights of all layers and heads for every pair, with EOS row and column, and the values' `norms`.

        They take 4 bytes for each layer, head, target and source piece: megabytes for a long pair. `trees` are the
        sources' trees (`mt.data.pair.Pair`). `tag` goes before each source; its column is left out.
        """
        encoded = self.encoded(sources, targets, search, batch_tokens, trees=trees, pictures=pictures, tag=tag)
        has_tag = tag is not None
        return _in_order(self._attentions(*encoded, norms=norms, batch_tokens=batch_tokens, has_tag=has_tag))

    def word_links(self, translations: Sequence[Translation], rank: int = 0) -> list[list[Link]]:
        """Links of words (`mt.words`) of each source line and its candidate of that rank (the last if fewer).

        By the rule that was chosen for the checkpoint; the parts of a split line are joined again, also where
        a word was cut. Neither a tag nor context is a word of the line.
        """
        return [links_of(parts) for parts in self.parts(translations, rank)]

    def parts(self, translations: Sequence[Translation], rank: int = 0) -> list[list[Part]]:
        """The segments of each line, aligned by words with its candidate of that rank (the last if fewer)."""
        candidates = [t.candidates[min(rank, len(t.candidates) - 1)] for t in translations]
        chosen = [candidate.parts for candidate in candidates]
        flat = [
            (tagged(segment, translation.tag), hypothesis.ids, translation)
            for translation, hypotheses in zip(translations, chosen, strict=True)
            for segment, hypothesis in zip(translation.segments, hypotheses, strict=True)
        ]
        translator = self.translator
        source_ids = translator.tokenizers.source.encode_many([text for text, _, _ in flat])
        sources = [
            # a source with a tree is one segment
            translator.source(t.segments[0], t.tree, ids, t.tag, t.picture, t.sound)
            for (_, _, t), ids in zip(flat, source_ids, strict=True)
        ]
        target_ids = [ids for _, ids, _ in flat]
        raws = self._attentions(sources, target_ids, norms=self.choice.signal == "norms")
        found = iter(_in_order((number, self._part(raw, *flat[number])) for number, raw in raws))
        texts = map(translator.text, target_ids)
        return [
            _of_line(
                translation,
                candidate.text,
                list(islice(texts, len(translation.segments))),
                list(islice(found, len(translation.segments))),
            )
            for translation, candidate in zip(translations, candidates, strict=True)
        ]

    def _part(self, raw: RawAttention, text: str, ids: Sequence[int], translation: Translation) -> Part:
        tag = translation.tag
        alignment = Alignment.from_attention(raw, **self.choice.where())
        words = by_words(alignment, text, self.translator.text(ids))
        sentence = sentence_of(text, tag)
        words = replace(words, source_pieces=words.source_pieces[sentence], weights_TS=words.weights_TS[:, sentence])
        left_S, is_common_S = left_over(raw, text)[sentence], self.is_common(text)[sentence]
        return Part(words, self.choice.links(words.weights_TS), left_S, is_common_S, 0, 0)

    def is_common(self, source: str) -> np.ndarray:
        """For each word, whether it is a single very common piece, or has no pieces at all."""
        encode, is_common = self.translator.tokenizers.source.encode, self.translator.tokenizers.source.is_common
        ids = [encode(word) for word in split_words(source)]
        # a word of blanks that do not separate words (U+00A0) has no pieces, and is never reported as left out
        found = [not of_word or (len(of_word) == 1 and is_common(of_word[0], NUM_COMMON)) for of_word in ids]
        return np.array(found, dtype=bool)

    def portions(self, sources: Sequence[Text | Several], target_ids: Sequence[Sequence[int]]) -> Iterator[range]:
        """The numbers of the pairs, in runs whose maps have at most MAX_CELLS together; a larger pair is alone."""
        decoder = self.translator.model.decoder
        num_maps = decoder.num_maps * decoder.layers[0].cross_attention.num_maps
        start, held = 0, 0
        for number, (source, target) in enumerate(zip(sources, target_ids, strict=True)):
            cells = num_maps * source.padded_length * (len(target) + 1)  # each with </s>
            if number > start and held + cells > MAX_CELLS:
                yield range(start, number)
                start, held = number, 0
            held += cells
        if len(sources) > start:
            yield range(start, len(sources))

    def attention_of_encoded(
        self,
        sources: Sequence[Text | Several],
        target_ids: Sequence[Sequence[int]],
        *,
        norms: bool = False,
        batch_tokens: int | None = None,
        has_tag: bool = False,
        whole: str | None = None,
        texts: Sequence[str] = (),
    ) -> list[RawAttention]:
        """The same for pairs that are `encoded` already.

        `has_tag`: the first piece of each source is a tag, and is left out. `whole`: a signal of the whole model, which
        is computed, too; `texts` are then the sources without tag. Raises ValueError where it is not defined.
        """
        raws = _in_order(self._attentions(sources, target_ids, norms=norms, batch_tokens=batch_tokens, has_tag=has_tag))
        if whole == CONTRIBUTIONS or (whole == ERASURE and why_not(self.translator.model) is None):
            # beside erasure, too: how often both agree says what contributions are worth
            raws = with_contributions(self.translator, raws, sources, target_ids, has_tag=has_tag)
        if whole == ERASURE:
            raws = with_erasure(self.translator, raws, texts, sources, target_ids, batch_tokens=batch_tokens)
        return raws

    def encoded(
        self,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        search: Search | None = None,
        batch_tokens: int | None = None,
        *,
        trees: Sequence[str | None] | None = None,
        pictures: Sequence[Picture | None] | None = None,
        tag: str | None = None,
    ) -> tuple[list[Text | Several], list[list[int]]]:
        """The sources with their tag, and the pieces of the targets or of the model's own translations, without EOS."""
        translator = self.translator
        translator.tags.check(tag)
        lines = sources if pictures is None else [source or "picture" for source in sources]
        translator.tags.check_lines(numbered(lines), tag)
        source_ids = translator.tokenizers.source.encode_many([tagged(source, tag) for source in sources])
        none = [None] * len(sources)
        read = [
            translator.source(source, tree, ids, tag, picture)
            for source, tree, picture, ids in zip(sources, trees or none, pictures or none, source_ids, strict=True)
        ]
        if targets is not None:
            return read, translator.tokenizers.target.encode_many(list(targets))
        found = translator.search_ids(read, search or translator.search, batch_tokens)
        return read, [list(hypotheses[0].ids) for hypotheses in found]

    def misfit(
        self, source: str, target: str | None = None, *, max_pieces: int | None = None, tag: str | None = None
    ) -> str | None:
        """Why a pair is too long to be aligned, or None: its maps take time and memory with the product of its sides.

        `max_pieces` of either side; None: of what the model was trained on, as for translating.
        """
        translator = self.translator
        max_pieces = max_pieces or translator.max_pieces
        if translator.model.max_length is not None:
            max_pieces = min(max_pieces, translator.model.max_length - 1)  # EOS takes one
        sides = [("source", translator.tokenizers.source, tagged(source, tag))]
        if target is not None:
            sides.append(("target", translator.tokenizers.target, target))
        for side, tokenizer, text in sides:
            if (num_pieces := len(tokenizer.encode(text))) > max_pieces:
                return f"left out, its {side} has {num_pieces} pieces: more than {max_pieces} (--max-pieces)"
        return None

    def _attentions(
        self,
        sources: Sequence[Text | Several],
        target_ids: Sequence[Sequence[int]],
        *,
        norms: bool = False,
        batch_tokens: int | None = None,
        has_tag: bool = False,
    ) -> Iterator[tuple[int, RawAttention]]:
        """Yields (number, attention) of every pair, batch by batch, since all may not fit in memory."""
        translator = self.translator
        model, tokenizers = translator.model, translator.tokenizers
        lengths = [s.padded_length + len(t) + 1 for s, t in zip(sources, target_ids, strict=True)]
        for indices in batches_by_length(lengths, translator.batch_tokens(batch_tokens)):
            tap, together = Tap(), stacked([sources[i] for i in indices])
            with torch.inference_mode(), translator.precision():
                memory = model.encode(together.to(translator.device))
                state = model.decoder.start(memory)
                model.extend(padded([[BOS, *target_ids[i]] for i in indices]).to(translator.device), state, tap=tap)
                text = memory.places("text")  # the places of text pieces: words are never linked to a picture
                seen = next((part for part in memory.parts if part.grid is not None), None)
                norms_LBHS = self._norms(memory.states_BSD[:, text]) if norms else []
                every_BLHTS = tap.weights().float().cpu().numpy()
                weights_BLHTS = every_BLHTS[..., text]
                regions_BLHTR = None if seen is None else every_BLHTS[..., memory.places(seen.name)]
            for number, (i, source) in enumerate(zip(indices, together.pieces(), strict=True)):
                target = [*target_ids[i], EOS]
                columns = slice(int(has_tag), len(source))
                yield (
                    i,
                    RawAttention(
                        source_pieces=tokenizers.source.pieces(source[columns]),
                        target_pieces=tokenizers.target.pieces(target),
                        # a copy: a view would keep the whole batch in memory
                        weights_LHTS=weights_BLHTS[number, :, :, : len(target), columns].copy(),
                        norms_LHS=np.stack([of[number, :, columns] for of in norms_LBHS]) if norms else None,
                        regions_LHTR=None
                        if regions_BLHTR is None
                        else regions_BLHTR[number, :, :, : len(target)].copy(),
                        regions=None if regions_BLHTR is None else self.regions,
                    ),
                )

    @cached_property
    def regions(self) -> Regions | None:
        """The regions of pictures that the model sees."""
        encoder = self.translator.model.image
        if encoder is None:
            return None
        return Regions.of(encoder.size, encoder.grid.side, encoder.grid.cells().double().numpy())

    def _norms(self, memory_BSD: torch.Tensor) -> list[np.ndarray]:
        """norms_BHS of each tapped layer; those of an alignment head are 1, since it adds nothing to the decoder."""
        decoder = self.translator.model.decoder
        norms = [layer.cross_attention.value_norms(memory_BSD).cpu().numpy() for layer in decoder.layers]
        return norms + [np.ones_like(norms[0])] * (decoder.num_maps - len(norms))


def _of_line(translation: Translation, text: str, of_parts: Sequence[str], parts: Sequence[Part]) -> list[Part]:
    """The parts of a line with their positions in it."""
    # where no U+0020 stands between two parts, the second one begins within the last word of the first
    sources = first_words(translation.source, translation.segments)
    targets = first_words(text, of_parts)
    found = zip(parts, sources, targets, strict=True)
    return [replace(part, first_source=source, first_target=target) for part, source, target in found]


def first_words(text: str, parts: Iterable[str]) -> Iterator[int]:
    """The number of the word in which each part of a text begins; the parts follow one another in the text."""
    starts, end = word_starts(text), 0
    for part in parts:
        place = text.index(part, end)
        end = place + len(part)
        yield max(bisect_right(starts, place) - 1, 0)


def sentence_of(text: str, tag: str | None) -> slice:
    """The words of a model's input that are to be translated: without its tag and context."""
    return slice(num_words_before(text) or int(tag is not None), num_words(text) - num_words_after(text))


def _in_order(numbered: Iterable[tuple[int, Found]]) -> list[Found]:
    found = dict(numbered)
    return [found[number] for number in range(len(found))]
