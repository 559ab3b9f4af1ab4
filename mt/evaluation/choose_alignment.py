"""Where a model's alignments are best read: measured on gold links, else on those of the statistical aligner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mt.alignment.choose import Choice, rank
from mt.alignment.gold import Gold
from mt.alignment.statistical import StatisticalAligner, links_of
from mt.inference.aligner import Aligner


def ranked(
    aligner: Aligner,
    sources: Sequence[str],
    targets: Sequence[str],
    gold: Sequence[Gold] | None = None,
    *,
    corpus: Iterable[tuple[str, str]] = (),
) -> list[Choice]:
    """Every choice, best first, with its error rate and what that was measured on.

    Without `gold`, links on which both directions of the statistical aligner agree stand in for it, learned from these
    sentences and the pairs of `corpus`; words that it does not link are not judged. Raises ValueError where there is
    not one link to measure by.
    """
    measured_on = "gold links" if gold is not None else "links of the statistical aligner"
    links = statistical_links(sources, targets, corpus) if gold is None else gold
    if not any(of_line.sure for of_line in links):
        raise ValueError(f"links to choose by ({measured_on}): there are none")
    raw = aligner.attention(sources, targets, norms=True)
    found = rank(raw, links, sources=sources, targets=targets, is_partial=gold is None)
    return [replace(choice, measured_on=measured_on) for choice in found]


def statistical_links(
    sources: Sequence[str], targets: Sequence[str], corpus: Iterable[tuple[str, str]] = ()
) -> list[Gold]:
    """Links of these sentences on which both directions agree, learned from them and from `corpus`."""
    more = list(corpus)
    words = (
        [line.split() for line in (*own, *others)]
        for own, others in ((sources, [s for s, _ in more]), (targets, [t for _, t in more]))
    )
    aligner = StatisticalAligner(*words).fit()
    found = (links_of(pair) for pair, _ in zip(aligner.posteriors(), sources, strict=False))
    return [Gold.of(forward & backward, set()) for forward, backward in found]
