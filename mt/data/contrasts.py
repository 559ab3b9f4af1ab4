"""Contrastive pairs of the bundled grammar: a right German sentence, and one with a single error of a known kind.

A model that knows the grammar gives the right one the higher probability (Sennrich 2017, "How Grammatical is
Character-level Neural Machine Translation?"). A new kind is a function and its row in KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import NamedTuple

from mt.data.bundled import lexicon
from mt.data.bundled import morphology_de as german
from mt.data.bundled.source import Bundled
from mt.data.pair import Pair

DRAWS = 30_000  # sentences that are tried, at most
MARKS = ",.?!"
BRACKETS = ("perfect_haben", "perfect_sein", "modal_verb", "modal_past", "future_tense", "would_like", "polite_request")
PRONOUNS = {"er": "sie", "sie": "es", "es": "er"}
PREPOSITIONS = {
    **{"in": "auf", "im": "am", "am": "im", "auf": "unter", "unter": "auf", "an": "in", "mit": "ohne", "vor": "nach"},
    **{"ins": "vom", "zum": "vom", "zur": "von der", "nach": "vor", "für": "gegen", "über": "unter", "beim": "zum"},
}
CASES = {"en": "em", "em": "en", "er": "em"}  # of articles
ARTICLES = ("d", "ein", "kein", "mein", "dein", "sein", "ihr", "unser", "dies", "jed")


class Contrast(NamedTuple):
    """One source, its translation, and a translation with an error of this kind."""

    kind: str
    source: str
    right: str
    wrong: str


Words = list[str]  # of the German sentence, without the marks of punctuation at their ends
Damage = Callable[[Words, str, Random], Words | None]
"""(words, construction, random numbers) -> the words with one error; None where the kind has no place in them."""


def negation(words: Words, construction: str, draw: Random) -> Words | None:
    """nicht is missing, or kein has become ein."""
    for place, word in enumerate(words):
        if word == "nicht":
            return words[:place] + words[place + 1 :]
        if word.startswith("kein") and place:
            return _with(words, place, word[1:])
    return None


def number(words: Words, construction: str, draw: Random) -> Words | None:
    """A noun stands in the other number."""
    return _replaced(words, draw, lambda word: _other_numbers().get(word))


def case(words: Words, construction: str, draw: Random) -> Words | None:
    """An article stands in another case: den for dem, einem for einen."""

    def other(word: str) -> str | None:
        ending = word[-2:]
        is_article = word[:-2] in ARTICLES and (ending != "er" or word == "der")
        return word[:-2] + CASES[ending] if is_article and ending in CASES else None

    return _replaced(words[1:], draw, other, words[:1])


def verb_position(words: Words, construction: str, draw: Random) -> Words | None:
    """The last verb follows the finite one, as in English: Ich habe gebacken die Kuchen."""
    if construction not in BRACKETS or len(words) < 5 or not words[-1][0].islower():
        return None
    return [*words[:2], words[-1], *words[2:-1]] if words[1][0].islower() and words[2] != words[-1] else None


def verb_agreement(words: Words, construction: str, draw: Random) -> Words | None:
    """A finite verb stands in the other number: er gehen."""
    return _replaced(words, draw, lambda word: _other_persons().get(word))


def pronoun(words: Words, construction: str, draw: Random) -> Words | None:
    """The pronoun for a thing has another gender than its noun."""
    if construction != "pronoun_agreement":
        return None
    return _replaced(words[1:], draw, PRONOUNS.get, words[:1])


def dropped_word(words: Words, construction: str, draw: Random) -> Words | None:
    """An adjective before its noun is missing."""
    places = [place for place, word in enumerate(words[:-1]) if _ending(word) is not None]
    return None if not places else _without(words, draw.choice(places))


def auxiliary(words: Words, construction: str, draw: Random) -> Words | None:
    """haben stands in place of sein, or the other way round."""
    if construction not in ("perfect_haben", "perfect_sein", "question_past", "after_nachdem"):
        return None
    others = dict(zip(german.HABEN.present, german.SEIN.present, strict=True))
    others |= dict(zip(german.HABEN.preterite, german.SEIN.preterite, strict=True))
    others |= {other: word for word, other in list(others.items())[::-1]}
    return _replaced(words, draw, lambda word: _cased(others.get(word.lower()), word))


def preposition(words: Words, construction: str, draw: Random) -> Words | None:
    """Another preposition: im for am."""
    return _replaced(words, draw, lambda word: _cased(PREPOSITIONS.get(word.lower()), word))


def adjective_ending(words: Words, construction: str, draw: Random) -> Words | None:
    """An adjective before its noun has another ending."""

    def other(word: str) -> str | None:
        ending = _ending(word)
        return None if ending is None else word[: -len(ending)] + {"en": "e", "e": "en"}.get(ending, "e")

    return _replaced(words[:-1], draw, other, after=words[-1:])


def word(words: Words, construction: str, draw: Random) -> Words | None:
    """Another noun of the same gender."""

    def other(old: str) -> str | None:
        gender = _genders().get(old)
        return None if gender is None else draw.choice([one for one, of in _genders().items() if of == gender])

    return _replaced(words, draw, other)


KINDS: Mapping[str, Damage] = {
    "negation": negation,
    "number": number,
    "case": case,
    "verb_position": verb_position,
    "verb_agreement": verb_agreement,
    "pronoun": pronoun,
    "dropped_word": dropped_word,
    "auxiliary": auxiliary,
    "preposition": preposition,
    "adjective_ending": adjective_ending,
    "word": word,
}


def contrasts(count: int = 100, *, split: str = "test", seed: int = 1) -> Iterator[Contrast]:
    """`count` pairs of every kind, kind by kind, of sentences of a split; each sentence once in a kind.

    Raises ValueError for a split that has too few sentences for a kind.
    """
    found: dict[str, list[Contrast]] = {kind: [] for kind in KINDS}
    draw = Random(f"contrasts {split} {seed}")
    for pair, construction, _ in Bundled(split, DRAWS, seed).derivations():
        for kind, damage in KINDS.items():
            if len(found[kind]) < count and (wrong := _damaged(pair, construction, damage, draw)):
                found[kind].append(Contrast(kind, pair.source, pair.target, wrong))
        if all(len(of_kind) == count for of_kind in found.values()):
            break
    for kind, of_kind in found.items():
        if len(of_kind) < count:
            raise ValueError(f"contrasts: {split} has {len(of_kind)} sentences for {kind}, fewer than {count}")
        yield from of_kind


def _damaged(pair: Pair, construction: str, damage: Damage, draw: Random) -> str | None:
    """The target with one error; punctuation stays at its words' places in the sentence."""
    target = pair.target
    if "," in target[:-1]:  # marks inside would have to move with their words: only pronouns need such sentences
        head, comma, target = target.rpartition(",")
        head += f"{comma} "
    else:
        head = ""
    words = target.rstrip(MARKS).split()
    changed = damage(words, construction, draw)
    if not changed or changed == words:
        return None
    text = " ".join(changed)
    if not head:
        text = text[0].upper() + text[1:]
    return f"{head}{text}{target[len(target.rstrip(MARKS)) :]}"


def _with(words: Words, place: int, new: str) -> Words:
    return [*words[:place], new, *words[place + 1 :]]


def _without(words: Words, place: int) -> Words:
    return words[:place] + words[place + 1 :]


def _replaced(
    words: Words,
    draw: Random,
    other: Callable[[str], str | None],
    before: Words | None = None,
    after: Words | None = None,
) -> Words | None:
    """The words with one of those that have another form in it, between `before` and `after`."""
    places = [place for place, old in enumerate(words) if (new := other(old)) is not None and new != old]
    if not places:
        return None
    place = draw.choice(places)
    new = other(words[place])
    return None if new is None else [*(before or []), *_with(words, place, new), *(after or [])]


def _cased(new: str | None, old: str) -> str | None:
    return new if new is None or old[0].islower() else new[0].upper() + new[1:]


@cache
def _other_numbers() -> dict[str, str]:
    """The nouns whose numbers differ in their form, each to the other's."""
    found: dict[str, str] = {}
    for noun in lexicon.nouns():
        if not noun.is_mass and not noun.is_plural_only and noun.de[0][0] != noun.de[1][0]:
            found |= {noun.de[0][0]: noun.de[1][0], noun.de[1][0]: noun.de[0][0]}
    return found


@cache
def _other_persons() -> dict[str, str]:
    """Finite verbs of er and sie (plural), each to the other's; without the present of sie, which is the infinitive."""
    found: dict[str, str] = {}
    modals = (german.KOENNEN, german.MUESSEN, german.DUERFEN, german.WOLLEN)
    verbs = [*(verb.de for verb in lexicon.verbs()), german.SEIN, german.HABEN, german.WERDEN, *modals]
    for verb in verbs:
        for forms in (verb.present, verb.preterite):
            one, several = forms[german.ER], forms[german.SIE]
            if one != several:
                found[one] = several
                if forms is verb.preterite or verb is german.SEIN:
                    found[several] = one
    return found


@cache
def _genders() -> dict[str, str]:
    return {noun.de[0][0]: noun.gender for noun in lexicon.nouns() if not noun.is_mass and not noun.is_plural_only}


@cache
def _stems() -> frozenset[str]:
    return frozenset(stem for adjective in lexicon.adjectives() for stem in adjective.de[:1])


def _ending(word: str) -> str | None:
    """The ending of an adjective that stands before a noun; None for other words."""
    for ending in ("en", "em", "er", "es", "e"):
        stem = word[: -len(ending)]
        # teuer and dunkel lose their e, hoch its c
        if word.endswith(ending) and any(german.adjective(one, ending) == word for one in _stems_like(stem)):
            return ending
    return None


def _stems_like(stem: str) -> list[str]:
    """Stems of the lexicon that may be written like this before an ending."""
    return [one for one in (stem, f"{stem[:-1]}e{stem[-1:]}", f"{stem[:-1]}ch") if one in _stems()]
