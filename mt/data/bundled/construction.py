"""The table of constructions: each a function from a `Draw` to the two lists of words of one sentence.

English determines German, so that a translation can be right or wrong:
- `you` is du; it is Sie where somebody is addressed as Mr. or Mrs., ihr where several are (children, my friends).
- The simple past is the German perfect in questions and after I, we and you, else the preterite; always that of
  haben, sein and modal verbs and in stories (als, bevor, bis, nachdem). The English perfect is the German perfect.
- The progressive and the simple present are the German present, `will` is werden, `would` is würde.
- German order: pronouns, time, dative, accusative, nicht, manner, place; what English puts in front, German does too.
- Links: do-support and the be of `is reading` to the finite German verb; prefix and verb, sich and verb to the English
  verb; `not ... a` to kein. `to` before a dative and articles without a partner stay unlinked.
"""

from collections.abc import Callable
from typing import NamedTuple

from mt.data.bundled.sentence import Word


class Sentence(NamedTuple):
    """Both sides before typesetting, and the mark of punctuation that ends them."""

    en: list[Word]
    de: list[Word]
    end: str = "."


class Construction(NamedTuple):
    """One entry of the grammar: its name, how often it is drawn, and what writes it."""

    name: str
    weight: float
    write: Callable


CONSTRUCTIONS: dict[str, Construction] = {}


def construction(weight: float = 1.0):
    """Enter the decorated function into the table under its own name."""

    def enter(write):
        assert write.__name__ not in CONSTRUCTIONS, write.__name__
        CONSTRUCTIONS[write.__name__] = Construction(write.__name__, weight, write)
        return write

    return enter
