"""Words with marks, and how two lists of them become a sentence pair with word links.

A mark is one bit that stands for one idea of a sentence (a verb, an article, a negation). English and German words
that carry a common mark are linked; a word without a partner stays unlinked. Order is free on both sides.
"""

from typing import NamedTuple

PUNCTUATION = frozenset(",.?!")


class Word(NamedTuple):
    """One surface word and its marks, a set of bits."""

    text: str
    marks: int = 0


COMMA = Word(",")


def spell(text: str, marks: int = 0) -> list[Word]:
    """Blank-separated words of `text`, all with the same marks."""
    return [Word(part, marks) for part in text.split()]


def typeset(words: list[Word], end: str) -> tuple[str, list[int]]:
    """A written sentence (punctuation joined to words, capitals at starts) and the marks of its words.

    Commas collapse where two meet, and go where another mark of punctuation follows.
    """
    texts: list[str] = []
    marks: list[int] = []
    is_start = True
    for text, mark in words:
        if text in PUNCTUATION:
            if not texts:
                continue
            last = texts[-1]
            if text != ",":
                texts[-1] = last.rstrip(",") + text
                is_start = True
            elif last[-1] != ",":
                texts[-1] = last + text
            continue
        if is_start:
            text = text[0].upper() + text[1:]
            is_start = False
        texts.append(text)
        marks.append(mark)
    texts[-1] = texts[-1].rstrip(",") + end
    return " ".join(texts), marks


def pharaoh(source_marks: list[int], target_marks: list[int]) -> str:
    """Links `i-j` between words that share a mark, in order of source, then target."""
    return " ".join(
        f"{i}-{j}"
        for i, source in enumerate(source_marks)
        if source
        for j, target in enumerate(target_marks)
        if source & target
    )
