"""References for choosing layer and heads: gold links, the statistical aligner's links, or another model's."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mt.alignment.alignment import RawAttention
from mt.alignment.choice import Choice
from mt.alignment.gold import Gold, from_lines
from mt.alignment.rank_choices import rank, rank_both
from mt.alignment.statistical_aligner import StatisticalAligner, links_of
from mt.data.document import alone
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.evaluation.alignment_input import check_within
from mt.inference.aligner import Aligner
from mt.words import num_words, split_words

log = logging.getLogger(__name__)

LINES = 500  # of a validation set
LONGEST = 100  # words on a side
LEARNED_PAIRS = 50_000  # of the training text, from which the statistical aligner learns in seconds
AT_ONCE = 32  # lines whose maps of all layers and heads are in memory at once


@dataclass(frozen=True)
class Reference:
    """Sentence pairs with reference links. If the links are `learned`, words without a link are not judged.

    `trees` are the sources' trees (`mt.data.pair.Pair`), where any has one.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    links: Sequence[Gold]
    is_learned: bool = False
    trees: Sequence[str | None] | None = None

    @classmethod
    def of(
        cls,
        sources: Sequence[str],
        targets: Sequence[str],
        gold: Sequence[Gold] | None = None,
        *,
        corpus: Iterable[tuple[str, str]] = (),
        trees: Sequence[str | None] | None = None,
    ) -> Reference:
        """With the gold links, or else with links on which both directions of the statistical aligner agree.

        The aligner learns from these sentences and the pairs of `corpus`.
        """
        links = learned_links(sources, targets, corpus) if gold is None else gold
        return cls(sources, targets, links, is_learned=gold is None, trees=trees)

    @classmethod
    def of_validation(cls, prepared: Prepared) -> Reference:
        """The first pairs of the validation set, with its gold links where it has any, else with learned ones."""
        pairs = map(alone, prepared.valid.pairs())
        filled = [pair for pair in pairs if all(0 < length <= LONGEST for length in _lengths(pair))]
        chosen = filled[:LINES]
        sources, targets = [pair.source for pair in chosen], [pair.target for pair in chosen]
        trees = None if prepared.valid.trees is None else [pair.tree for pair in chosen]
        if prepared.valid.links is not None:
            try:
                gold = from_lines([pair.links or "" for pair in chosen], len(chosen))
                check_within(gold, sources, targets)
                return cls.of(sources, targets, gold, trees=trees)
            except ValueError as error:
                log.warning("gold links of the validation set: %s; links of the statistical aligner are used", error)
        corpus = ((pair.source, pair.target) for pair in map(alone, prepared.train.sample(LEARNED_PAIRS)))
        try:
            return cls.of(sources, targets, corpus=corpus, trees=trees)
        except ValueError as error:  # no usable pair to learn from
            log.warning("links of the validation set: %s", error)
            return cls(sources, targets, [Gold.of(set(), set()) for _ in chosen], is_learned=True, trees=trees)

    @property
    def has_links(self) -> bool:
        """Whether there is a link to measure with."""
        return any(of_line.sure for of_line in self.links)

    @property
    def measured_on(self) -> str:
        """The kind of links, as text."""
        return "links of the statistical aligner" if self.is_learned else "gold links"

    def first(self, lines: int) -> Reference:
        """The reference with its first lines only."""
        columns = ("sources", "targets", "links", "trees")
        return replace(self, **{name: of and of[:lines] for name in columns for of in (getattr(self, name),)})


def ranked(aligner: Aligner, reference: Reference, *, tag: str | None = None) -> list[Choice]:
    """Every choice, best first, with its error rate and the data it was measured on; `tag` goes before each source.

    Raises ValueError if there is no reference link.
    """
    if not reference.has_links:
        raise ValueError(f"links to choose by ({reference.measured_on}): there are none")
    texts = {"sources": reference.sources, "targets": reference.targets}
    attentions = _attentions(aligner, reference.sources, reference.targets, reference.trees, tag)
    found = rank(attentions, reference.links, **texts, is_partial=reference.is_learned)
    return [replace(choice, measured_on=reference.measured_on) for choice in found]


def ranked_both(
    aligner: Aligner,
    reverse: Aligner,
    sources: Sequence[str],
    targets: Sequence[str],
    trees: Sequence[str | None] | None = None,
    *,
    tag: str | None = None,
    reverse_tag: str | None = None,
) -> Iterator[tuple[Choice, Choice]]:
    """Every pair of choices for two models, one of each direction, best agreement first."""
    attentions = (
        _attentions(aligner, sources, targets, trees, tag),
        _attentions(reverse, targets, sources, tag=reverse_tag),
    )
    for choice, back in rank_both(*attentions, sources, targets):
        yield (
            replace(choice, measured_on=f"agreement with {reverse.direction}"),
            replace(back, measured_on=f"agreement with {aligner.direction}"),
        )


def _lengths(pair: Pair) -> tuple[int, int]:
    return num_words(pair.source), num_words(pair.target)


def learned_links(sources: Sequence[str], targets: Sequence[str], corpus: Iterable[tuple[str, str]] = ()) -> list[Gold]:
    """Links of these sentences on which both directions agree, learned from them and from `corpus`."""
    more = list(corpus)
    words = (
        [split_words(line) for line in (*own, *others)]
        for own, others in ((sources, [s for s, _ in more]), (targets, [t for _, t in more]))
    )
    aligner = StatisticalAligner(*words).fit()
    if aligner.certainty.is_noise:
        log.warning("links to choose by: %s", aligner.certainty.warning)
    found = (links_of(pair) for pair, _ in zip(aligner.posteriors(), sources, strict=False))
    return [Gold.of(forward & backward, set()) for forward, backward in found]


def _attentions(
    aligner: Aligner,
    sources: Sequence[str],
    targets: Sequence[str],
    trees: Sequence[str | None] | None = None,
    tag: str | None = None,
) -> Iterator[RawAttention]:
    """The attention of every pair, with norms."""
    for start in range(0, len(sources), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        yield from aligner.attention(sources[some], targets[some], trees=trees and trees[some], tag=tag, norms=True)
