"""Sentences that come twice, with two pictures and two translations: how often the right words are chosen (as in
CoMMuTE, Futeral et al. 2023, "Tackling Ambiguity with Images", scored by what is generated).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mt.words import split_words


def is_twofold(sources: Sequence[str], targets: Sequence[str]) -> bool:
    """Whether the lines are pairs of equal sources with different targets, one after the other."""
    if not sources or len(sources) % 2:
        return False
    return all(
        sources[place] == sources[place + 1] and targets[place] != targets[place + 1]
        for place in range(0, len(sources), 2)
    )


def ambiguous_words(hypotheses: Sequence[str], targets: Sequence[str]) -> float:
    """How many of the words by which the two translations of a source differ are right, in %.

    Targets are those of `is_twofold`. A word of one translation that the other lacks counts as right where the
    hypothesis has it (as often). A system that ignores the picture gives both lines the same words, so about 50.
    """
    right = total = 0
    for place, (hypothesis, target) in enumerate(zip(hypotheses, targets, strict=True)):
        own, twin, found = (Counter(split_words(text)) for text in (target, targets[place ^ 1], hypothesis))
        decided = own - twin
        if not decided:  # only the order of words differs, or the twin has more
            continue
        total += decided.total()
        right += sum(min(count, max(0, found[word] - twin[word])) for word, count in decided.items())
    return 100 * right / total if total else 0.0
