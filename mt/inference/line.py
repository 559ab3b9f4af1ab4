"""A request prepared for the model: context shortened to fit, long lines split, prefix and terms in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mt.alignment.tree import parsed_heads
from mt.data.document import apart, tree_alone, tree_in_context
from mt.data.tokenizer import TokenizerPair
from mt.data.visible import is_visible
from mt.inference.request import Request
from mt.inference.segmenter import Segments, split_long, split_sentences
from mt.inference.sentence_ends import sentences
from mt.inference.tags import tagged
from mt.inference.terms import check_spelled
from mt.inference.wish import Wish
from mt.search.hypothesis import Hypothesis
from mt.words import num_words


@dataclass(frozen=True)
class Line:
    """A request prepared for the model, with its tree for a model that needs trees."""

    request: Request
    source: str  # in its context, as it is encoded
    num_left_out: int  # sentences of context
    segments: Segments | None  # None: it has no visible text
    tree: str | None
    tree_fault: str | None
    wishes: tuple[Wish, ...]  # of each segment

    @classmethod
    def of(cls, request: Request, tokenizers: TokenizerPair, *, max_pieces: int, needs_trees: bool) -> Line:
        """The request for a model that reads at most `max_pieces` pieces at once.

        Raises ValueError for a prefix or a term that the vocabulary cannot spell.
        """
        source = tokenizers.source

        def count(part: str) -> int:
            return len(source.encode(tagged(part, request.tag)))

        line, tree = request.source, request.source_tree if needs_trees else None
        if not is_visible(line) and request.picture is None and request.sound is None:
            return cls(request, line, 0, None, None, None, ())
        line = source.composed(line)
        fitted, num_left_out = _with_context_that_fits(line, max_pieces=max_pieces, count=count)
        split = split_sentences if request.by_sentence and not request.context else split_long
        segments = split(fitted, max_pieces=max_pieces, count=count)
        own = tree and tree_alone(tree, line)
        fault = tree_fault(apart(line)[1], own, segments)
        used = None if fault else own and tree_in_context(own, fitted)
        return cls(request, line, num_left_out, segments, used, fault, _wishes(request, segments, tokenizers))

    def notes(self, max_pieces: int, of_parts: Sequence[Sequence[Hypothesis]]) -> tuple[str, ...]:
        """Notes on what was done to the line; `of_parts` are the results for its segments."""
        assert self.segments is not None
        notes, num_parts = [], len(self.segments.parts)
        if self.num_left_out:
            notes.append(f"{self.num_left_out} sentences of context left out: with them, more than {max_pieces} pieces")
        num_sentences = sum(map(is_visible, sentences(self.request.text))) if self.request.by_sentence else 1
        if num_parts > num_sentences:
            notes.append(f"split into {num_parts} parts of at most {max_pieces} pieces")
        if self.segments.is_cut:
            notes.append("cut inside a word that is longer than a part may be")
        if not all(hypotheses[0].is_finished for hypotheses in of_parts):
            notes.append("stopped at the length limit before the end of the sentence")
        if self.tree_fault:
            notes.append(f"translated without its tree: {self.tree_fault}")
        return tuple(notes)


def _wishes(request: Request, segments: Segments, tokenizers: TokenizerPair) -> tuple[Wish, ...]:
    """What the target of each segment must contain: the first one the prefix, each the terms in its own source."""
    target, text, prefix = tokenizers.target, request.prefix.strip(), tuple[int, ...]()
    if text:
        prefix = tuple(target.encode(text))
        check_spelled("prefix", text, prefix)
    found = [{} if request.terms is None else request.terms.phrases(apart(part)[1], target) for part in segments.parts]
    return tuple(Wish(() if place else prefix, phrases) for place, phrases in enumerate(found))


def _with_context_that_fits(line: str, *, max_pieces: int, count: Callable[[str], int]) -> tuple[str, int]:
    """The line with as much of its context as fits, and how many sentences of context were left out."""
    whole, sentence = apart(line)
    context, fitted = whole, line
    while context and count(fitted) > max_pieces:
        context = context.without_farthest()
        fitted = context.around(sentence)
    return fitted, whole.num_sentences - context.num_sentences


def tree_fault(sentence: str, tree: str | None, segments: Segments) -> str | None:
    """Why a sentence cannot be translated with its tree; None where it can, or has none."""
    if not tree or not tree.strip():
        return None
    if len(segments.parts) > 1:
        return "it was split"
    return word_fault(sentence, tree)


def word_fault(sentence: str, tree: str) -> str | None:
    """Why a tree does not fit a sentence's words; None where it fits."""
    try:
        parsed_heads(tree, num_words(sentence))
    except ValueError as error:
        return str(error)
    return None
