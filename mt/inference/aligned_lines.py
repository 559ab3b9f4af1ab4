"""The lines of two files with their alignments, in order: a few lines in memory at a time, however long the files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mt.alignment.aligned_line import AlignedLine
from mt.alignment.alignment import ERASURE, WHOLE_MODEL, Alignment
from mt.alignment.regions import Box
from mt.alignment.symmetrize import soft_product
from mt.alignment.words import by_words, is_written_without_blanks, text_of
from mt.data.images.picture import Picture
from mt.data.visible import is_visible
from mt.inference.aligner import Aligner
from mt.inference.tags import numbered

log = logging.getLogger(__name__)

WINDOW = 256  # lines translated before any is yielded


@dataclass(frozen=True, kw_only=True)
class AlignmentOptions:
    """Where alignments are read, and in which unit. None: the checkpoint's choice, or the model's default.

    `heads` are averaged ("all": all of the layer). `max_pieces` of a side: longer lines have no alignment.
    `num_with_norms`: for this many lines norms are computed even if `signal` is weights. `is_soft`: weights of both
    directions are multiplied.
    """

    layer: int | None = None
    heads: tuple[int, ...] | str | None = None
    shift: int | None = None
    signal: str | None = None
    unit: str = "words"
    tag: str | None = None
    reverse_tag: str | None = None
    batch_tokens: int | None = None
    max_pieces: int | None = None
    num_with_norms: int = 0
    is_soft: bool = False


class AlignedLines:
    """Iterates over every line with its alignment, of `targets` or of the model's own translations (None).

    `reverse` is a model of the other direction. `too_long` holds the numbers, from 1, of the lines so far that are
    over `max_pieces`; a warning names each. Raises ValueError, before any line is aligned, for a tag that a model does
    not know and for a line that needs one.
    """

    def __init__(
        self,
        aligner: Aligner,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        trees: Sequence[str] | None = None,
        pictures: Sequence[Picture | None] | None = None,
        boxes: Sequence[Sequence[Box]] | None = None,
        reverse: Aligner | None = None,
        options: AlignmentOptions,
    ):
        self.aligner, self.reverse, self.options = aligner, reverse, options
        self.sources, self.targets, self.trees = sources, targets, trees
        self.pictures, self.boxes = pictures, boxes  # of each line; boxes are gold, of target words
        self.too_long: set[int] = set()
        self._warned_sides: set[str] = set()  # sides whose missing blanks were reported
        for model, lines, tag in ((aligner, sources, options.tag), (reverse, targets or [], options.reverse_tag)):
            if model is not None:
                model.translator.tags.check(tag)
                model.translator.tags.check_lines(numbered(lines), tag)

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[AlignedLine]:
        end = 0
        for line in self._filled():
            yield from self._blank(range(end, line.number - 1))
            yield line
            end = line.number
        yield from self._blank(range(end, len(self.sources)))

    def _blank(self, indices: range) -> Iterator[AlignedLine]:
        return (AlignedLine(i + 1, self.sources[i], self.targets[i] if self.targets else "") for i in indices)

    def _filled(self) -> Iterator[AlignedLine]:
        """The lines that have an alignment, in portions: the maps of one portion are freed before the next."""
        aligner, sources, targets, options = self.aligner, self.sources, self.targets, self.options
        num_read = 0
        # the first portion is one line, so that a layer that does not exist is reported before a minute of decoding
        for start in [0, *range(1, len(sources), WINDOW)]:
            window = range(start, min(start + (WINDOW if start else 1), len(sources)))
            filled = [i for i in window if self._is_filled(i)]
            filled = [i for i in filled if self._fits(i)]
            if not filled:
                continue
            texts = [sources[i] for i in filled]
            given, of_texts = (None if of is None else [of[i] for i in filled] for of in (targets, self.trees))
            pictures = None if self.pictures is None else [self.pictures[i] for i in filled]
            encoded_sources, encoded_targets = aligner.encoded(
                texts, given, batch_tokens=options.batch_tokens, trees=of_texts, pictures=pictures, tag=options.tag
            )
            for portion in aligner.portions(encoded_sources, encoded_targets):
                pairs = [(filled[n] + 1, sources[filled[n]], targets[filled[n]] if targets else None) for n in portion]
                some = slice(portion.start, portion.stop)
                lines = self._of_portion(
                    pairs, encoded_sources[some], encoded_targets[some], norms=num_read < options.num_with_norms
                )
                yield from self._with_reverse(lines) if self.reverse else lines
                num_read += len(portion)

    def _is_filled(self, index: int) -> bool:
        """Whether there is something on both sides; a picture is something."""
        has_source = is_visible(self.sources[index]) or bool(self.pictures and self.pictures[index] is not None)
        return has_source and (self.targets is None or is_visible(self.targets[index]))

    def _fits(self, index: int) -> bool:
        """Whether both sides have at most `max_pieces`, for either model; else the line is reported and counted."""
        source, target = self.sources[index], self.targets[index] if self.targets else None
        max_pieces = self.options.max_pieces
        why = self.aligner.misfit(source, target, max_pieces=max_pieces, tag=self.options.tag)
        if why is None and self.reverse and target is not None:
            why = self.reverse.misfit(target, source, max_pieces=max_pieces, tag=self.options.reverse_tag)
            why = why and f"for --reverse {why}"
        if why:
            self.too_long.add(index + 1)
            log.warning("line %d: %s", index + 1, why)
        return not why

    def _of_portion(
        self,
        texts: Sequence[tuple[int, str, str | None]],
        encoded_sources: Sequence[Any],
        encoded_targets: Sequence[Sequence[int]],
        *,
        norms: bool,
    ) -> Iterator[AlignedLine]:
        """Lines with these numbers, sources and targets (None: from the pieces); their maps are computed together."""
        choice, options = self.aligner.choice, self.options
        layer = choice.layer if options.layer is None else options.layer
        heads = choice.heads if options.heads is None and options.layer is None else options.heads
        signal = options.signal or choice.signal
        aligned = partial(
            Alignment.from_attention,
            layer=layer,
            heads=None if isinstance(heads, str) else heads,  # "all"
            shift=choice.shift if options.shift is None else options.shift,
            signal=signal,
            direction=self.aligner.direction,
        )
        raws = self.aligner.attention_of_encoded(
            encoded_sources,
            encoded_targets,
            norms=norms or signal in ("norms", ERASURE),
            batch_tokens=options.batch_tokens,
            has_tag=options.tag is not None,
            whole=signal if signal in WHOLE_MODEL else None,
            texts=[source for _, source, _ in texts],
        )
        for (number, source, given), raw in zip(texts, raws, strict=True):
            alignment = aligned(raw)
            target = text_of(alignment.target_pieces) if given is None else given
            if options.unit == "words":
                self._warn_without_blanks(number, source=source, target=target)
                alignment = by_words(alignment, source, target)
            picture = None if self.pictures is None else self.pictures[number - 1]
            boxes = () if self.boxes is None else self.boxes[number - 1]
            yield AlignedLine(number, source, target, raw, alignment, picture=picture, boxes=boxes)

    def _warn_without_blanks(self, number: int, **texts: str) -> None:
        for side, text in texts.items():
            if side not in self._warned_sides and is_written_without_blanks(text):
                self._warned_sides.add(side)
                log.warning("line %d: the %s has no blanks, so it is one word (see --unit pieces)", number, side)

    def _with_reverse(self, lines: Iterable[AlignedLine]) -> Iterator[AlignedLine]:
        """The lines with the alignment by the model of the other direction; with `is_soft`, weights multiplied."""
        assert self.reverse is not None
        lines = list(lines)
        filled = [line for line in lines if is_visible(line.target)]
        backward: Iterator[Alignment] = iter(())
        if filled:
            backward = iter(
                self.reverse.align(
                    [line.target for line in filled],
                    [line.source for line in filled],
                    batch_tokens=self.options.batch_tokens,
                    tag=self.options.reverse_tag,
                )
            )
        for line in lines:
            if is_visible(line.target):
                forward = line.alignment
                assert forward is not None
                back = by_words(next(backward), line.target, line.source)
                line = replace(line, forward=forward, backward=back)
                if self.options.is_soft:
                    weights_TS = soft_product(forward.weights_TS, back.weights_TS)
                    line = replace(line, alignment=replace(forward, weights_TS=weights_TS))
            yield line
