"""Which of the served languages a text is in, by its letters and function words, as the doctor sees a corpus.

Tables of scripts and of function words are those of `mt.data.cleaning.checks`, which `mt.data.diagnosis.languages`
uses. A short text may have no function word: then the languages whose letters fit are equally likely, and the first of
them is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import regex

from mt.data.cleaning.checks.function_words import function_words, telling_words
from mt.data.cleaning.checks.scripts import script_counts, scripts_of

LOOKED_AT = 5_000  # characters of a text
SHARED = 0.25  # weight of a function word that another of the languages has, too
PRIOR = 0.2  # as much as one word is worth in doubt


def detected(text: str, codes: Sequence[str]) -> list[tuple[str, float]]:
    """The languages, the likeliest first, each with its share of the evidence; shares sum to 1."""
    text = text[:LOOKED_AT]
    letters = script_counts(text)
    words = Counter(regex.findall(r"[\p{L}\p{M}'’]+", text.lower()))
    weights = {}
    for code in codes:
        own = set().union(*(telling_words(code, other) for other in codes if other != code))
        evidence = sum(count * (1.0 if word in own else SHARED) for word, count in words.items() if _is_of(word, code))
        weights[code] = (PRIOR + evidence) * _fitting(letters, code)
    total = sum(weights.values())
    shares = {code: weight / total if total else 1 / len(weights) for code, weight in weights.items()}
    return sorted(shares.items(), key=lambda item: -item[1])  # stable: the first of equal ones stays first


def _is_of(word: str, code: str) -> bool:
    return word in function_words(code)


def _fitting(letters: Counter[str], code: str) -> float:
    """The share of the letters that the language's scripts have, squared; 1 where letters or scripts are unknown."""
    scripts = scripts_of(code)
    if not scripts or not letters.total():
        return 1.0
    return (sum(letters[script] for script in scripts) / letters.total()) ** 2
