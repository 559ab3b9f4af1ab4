"""A request made ready for the model: its context fitted, split where it is too long, its wishes in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mt.alignment.tree import parsed_heads
from mt.data.document import apart, tree_alone, tree_in_context
from mt.data.tokenizer import TokenizerPair
from mt.data.visible import is_visible
from mt.inference.request import Request
from mt.inference.segmenter import Segments, split_long
from mt.inference.tags import tagged
from mt.inference.terms import check_spelled
from mt.inference.wish import Wish
from mt.search.hypothesis import Hypothesis
from mt.words import num_words


@dataclass(frozen=True)
class Line:
    """A request on its way to the model, with its tree for a model that asks for trees."""

    request: Request
    source: str  # in its context, as it is encoded
    num_left_out: int  # sentences of context
    segments: Segments | None  # None: it has nothing to see
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
        if not is_visible(line):
            return cls(request, line, 0, None, None, None, ())
        line = source.composed(line)
        fitted, num_left_out = _with_context_that_fits(line, max_pieces=max_pieces, count=count)
        segments = split_long(fitted, max_pieces=max_pieces, count=count)
        own = tree and tree_alone(tree, line)
        fault = tree_fault(apart(line)[1], own, segments)
        used = None if fault else own and tree_in_context(own, fitted)
        return cls(request, line, num_left_out, segments, used, fault, _wishes(request, segments, tokenizers))

    def notes(self, max_pieces: int, of_parts: Sequence[Sequence[Hypothesis]]) -> tuple[str, ...]:
        """What had to be done to it, `of_parts` being what was found for its segments."""
        assert self.segments is not None
        notes, num_parts = [], len(self.segments.parts)
        if self.num_left_out:
            notes.append(f"{self.num_left_out} sentences of context left out: more than {max_pieces} pieces with them")
        if num_parts > 1:
            notes.append(f"split into {num_parts} parts of at most {max_pieces} pieces")
        if self.segments.is_cut:
            notes.append("cut inside a word that is longer than a part may be")
        if not all(hypotheses[0].is_finished for hypotheses in of_parts):
            notes.append("stopped at the length limit before the model was done")
        if self.tree_fault:
            notes.append(f"translated without its tree: {self.tree_fault}")
        return tuple(notes)


def _wishes(request: Request, segments: Segments, tokenizers: TokenizerPair) -> tuple[Wish, ...]:
    """What the target of each segment must hold: the first one has the prefix, each the terms that it has itself."""
    target, text, prefix = tokenizers.target, request.prefix.strip(), tuple[int, ...]()
    if text:
        prefix = tuple(target.encode(text))
        check_spelled("prefix", text, prefix)
    found = [{} if request.terms is None else request.terms.phrases(apart(part)[1], target) for part in segments.parts]
    return tuple(Wish(() if place else prefix, phrases) for place, phrases in enumerate(found))


def _with_context_that_fits(line: str, *, max_pieces: int, count: Callable[[str], int]) -> tuple[str, int]:
    """The line with as much of its context as fits beside it, and how many sentences of it were left out."""
    wanted, sentence = apart(line)
    context, fitted = wanted, line
    while context and count(fitted) > max_pieces:
        context = context.without_farthest()
        fitted = context.around(sentence)
    return fitted, wanted.num_sentences - context.num_sentences


def tree_fault(sentence: str, tree: str | None, segments: Segments) -> str | None:
    """Why a sentence cannot be translated with its tree, if it has one."""
    if not tree or not tree.strip():
        return None
    if len(segments.parts) > 1:
        return "it was split"
    return word_fault(sentence, tree)


def word_fault(sentence: str, tree: str) -> str | None:
    """Why a tree is not one of a sentence's words, if it is not."""
    try:
        parsed_heads(tree, num_words(sentence))
    except ValueError as error:
        return str(error)
    return None
