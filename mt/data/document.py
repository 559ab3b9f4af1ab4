"""Documents: sentences with the ones around them as context, so that a model can resolve "it" and "they".

The source is extended, the target is not (Tiedemann and Scherrer 2017, "Neural Machine Translation with Extended
Context"; Voita et al. 2018):

    It was late. <|before|> They had left. <|before|> Nobody saw them. <|after|> So it seemed.

is translated into what "Nobody saw them." is in the target language, and nothing else. Translating several sentences
into several (Junczys-Dowmunt 2019) costs less per sentence and also sees the target's context; but then the
model decides how many sentences it returns. Here every line gives exactly one line, a sentence pair is cleaned,
counted and aligned alone, and a sentence without context is unchanged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import NamedTuple

from mt.data.files import files_of
from mt.data.fingerprint import fingerprint_of
from mt.data.formats.lines import in_one_line
from mt.data.pair import Corpus, Pair
from mt.data.sources import HEAD, Source, Sources, moved_links, moved_tree
from mt.data.visible import is_visible
from mt.words import num_words

BEFORE, AFTER = "<|before|>", "<|after|>"  # pieces of the tokenizer; each sentence of context is on one side of its own


@dataclass(frozen=True, kw_only=True)
class DocumentSettings:
    """How many sentences of a document surround each source sentence; 0 and 0: each is translated alone.

    A pair with nothing on either side, such as a blank line in both files, ends a document.
    """

    context_before: int = 0
    context_after: int = 0

    def __post_init__(self) -> None:
        for name in ("context_before", "context_after"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
                raise ValueError(f"document.{name} ({value}) must be a number of sentences from 0 to 1000")

    @property
    def is_on(self) -> bool:
        """Whether there is any context."""
        return self.context_before + self.context_after > 0

    @property
    def symbols(self) -> list[str]:
        """The symbols that the tokenizer must have."""
        return [BEFORE] * (self.context_before > 0) + [AFTER] * (self.context_after > 0)


class Context(NamedTuple):
    """The sentences before and after one, each in the order of the document."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def around(self, sentence: str) -> str:
        """The source that a model reads."""
        parts = [word for one in self.before for word in (one, BEFORE)]
        return " ".join([*parts, sentence, *(word for one in self.after for word in (AFTER, one))])

    def without_farthest(self) -> Context:
        """Without one sentence: of the longer side, or of the side after if they are equal."""
        if len(self.before) > len(self.after):
            return Context(self.before[1:], self.after)
        return Context(self.before, self.after[:-1])

    @property
    def num_sentences(self) -> int:
        """Of both sides."""
        return len(self.before) + len(self.after)

    def __bool__(self) -> bool:
        return self.num_sentences > 0


def apart(source: str) -> tuple[Context, str]:
    """The context of a source, and the sentence to translate: the inverse of `Context.around`."""
    if BEFORE not in source and AFTER not in source:
        return Context(), source
    *before, rest = source.split(f" {BEFORE} ")
    sentence, *after = rest.split(f" {AFTER} ")
    return Context(tuple(before), tuple(after)), sentence


def num_words_before(source: str) -> int:
    """Words of a source that come before the sentence to translate."""
    return num_words(source[: source.rfind(BEFORE) + len(BEFORE)]) if BEFORE in source else 0


def num_words_after(source: str) -> int:
    """Words of a source that come after the sentence to translate."""
    return num_words(source[source.find(AFTER) :]) if AFTER in source else 0


def tree_in_context(tree: str, source: str) -> str:
    """The tree (`mt.data.pair.Pair`) of a source in its context, from the sentence alone; context has no heads."""
    return moved_tree(tree, num_words_before(source), num_words_after(source))


def tree_alone(tree: str, source: str) -> str:
    """The sentence's own tree: the inverse of `tree_in_context`. One too short for the context is unchanged."""
    heads, before = tree.split(), num_words_before(source)
    own = heads[before : max(0, len(heads) - num_words_after(source))]
    if not own:
        return tree
    return " ".join(HEAD.sub(lambda head: str(max(int(head[0]) - before, 0)), one) for one in own)


def alone(pair: Pair) -> Pair:
    """The pair without the context of its source; links and tree are adapted."""
    return pair._replace(
        source=apart(pair.source)[1],
        links=pair.links and moved_links(pair.links, -num_words_before(pair.source)),
        tree=pair.tree and tree_alone(pair.tree, pair.source),
    )


def contexts(lines: Sequence[str], settings: DocumentSettings, numbers: range | None = None) -> list[Context]:
    """The context of each of the lines `numbers` (None: all). A line without visible text ends a document."""

    def context(place: int) -> Context:
        if not is_visible(lines[place]):
            return Context()
        before = reversed(lines[max(0, place - settings.context_before) : place])
        after = lines[place + 1 : place + 1 + settings.context_after]
        return Context(tuple(takewhile(is_visible, before))[::-1], tuple(takewhile(is_visible, after)))

    return [context(place) for place in (range(len(lines)) if numbers is None else numbers)]


@dataclass(frozen=True)
class InDocuments:
    """A corpus whose sources have their context, and whose links and trees are adapted to it.

    The ends of documents are not pairs; every file of a list also ends one. A pair with a fault, or without a source,
    is unchanged and is not context of others.
    """

    corpus: Corpus
    settings: DocumentSettings

    def __iter__(self) -> Iterator[Pair]:
        for part in files_of(self.corpus) or [self.corpus]:
            yield from self._read(part)

    def fingerprint(self) -> str:
        """Changes with the corpus and the settings."""
        return fingerprint_of("InDocuments", self.corpus.fingerprint(), self.settings)

    def _read(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        before: deque[str] = deque(maxlen=self.settings.context_before)
        waiting: deque[Pair] = deque()  # for the sentences after them
        for pair in pairs:
            if pair.fault is None and not is_visible(pair.source) and not is_visible(pair.target):
                while waiting:
                    yield _next(before, waiting)
                before.clear()
                continue
            waiting.append(pair)
            if len(waiting) > self.settings.context_after:
                yield _next(before, waiting)
        while waiting:
            yield _next(before, waiting)


def _next(before: deque[str], waiting: deque[Pair]) -> Pair:
    """The first waiting pair, in its context."""
    pair = waiting.popleft()
    if not _is_context(pair):
        return pair
    context = Context(tuple(before), tuple(_text(later) for later in waiting if _is_context(later)))
    before.append(_text(pair))
    source = context.around(in_one_line(pair.source))
    return pair._replace(
        source=source,
        links=pair.links and moved_links(pair.links, num_words_before(source)),
        tree=pair.tree and tree_in_context(pair.tree, source),
    )


def _is_context(pair: Pair) -> bool:
    return pair.fault is None and is_visible(pair.source)


def _text(pair: Pair) -> str:
    return in_one_line(pair.source).strip()


def in_documents(corpus: Corpus, settings: DocumentSettings) -> Corpus:
    """The corpus with context, after its tags; unchanged where the settings have none, or it has context already."""
    if not settings.is_on or isinstance(corpus, InDocuments):
        return corpus
    if isinstance(corpus, Sources):
        return Sources(**{name: in_documents(source, settings) for name, source in corpus.sources.items()})
    if isinstance(corpus, Source):
        return replace(corpus, corpus=in_documents(corpus.corpus, settings))
    return InDocuments(corpus, settings)
