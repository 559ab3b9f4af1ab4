"""Sentences about a scene, in English and German by the same constructions, and the set of all that are true of it.

The words of both languages carry marks, as in `mt.data.bundled.sentence`: words that share one are linked. A mark of a
group also says which things in the picture a word means.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

from mt.data.bundled.sentence import Word, pharaoh, spell
from mt.data.scenes.lexicon import (
    COLOURS,
    DEFINITE,
    DEFINITE_ACCUSATIVE,
    ENDING,
    INDEFINITE,
    INDEFINITE_DATIVE,
    NOUNS,
    NUMBERS,
    PLACES,
    PRONOUN,
)
from mt.data.scenes.scene import Box, Group, Scene

LANGUAGES = ("en", "de")
FULL = "full"  # the construction that names every group
# Marks: three bits for each group (its article or number, its colour, its noun), and some for the rest.
ARTICLE, COLOUR, NOUN, BITS = 1, 2, 4, 3
VERB, FIRST, PLACE = (1 << bit for bit in (20, 21, 22))
CONJUNCTIONS = 24  # from this bit on
CLEARLY = 1.6  # a place is named where one direction is this many times the other
MUCH_LARGER = 1.25


class Sentence(NamedTuple):
    """One thing that can be said of a scene: its words in both languages, with marks."""

    construction: str
    english: list[Word]
    german: list[Word]

    def text(self, language: str) -> str:
        """The sentence in one of LANGUAGES, words separated by blanks."""
        return " ".join(word.text for word in self._words(language))

    def links(self, source: str, target: str) -> str:
        """Gold word links between two of LANGUAGES (Pharaoh format)."""
        return pharaoh(*([word.marks for word in self._words(language)] for language in (source, target)))

    def boxes(self, language: str, scene: Scene) -> str:
        """Gold boxes of words, "word:left,top,width,height", counted from 0; several of a word one after the other."""
        found = []
        for place, word in enumerate(self._words(language)):
            for number, group in enumerate(scene.groups):
                # an article says nothing of what is seen, unless it is a number
                seen = COLOUR | NOUN | (ARTICLE if group.count > 1 else 0)
                if word.marks & (seen << (BITS * number)):
                    found += [f"{place}:{box.left},{box.top},{box.side},{box.side}" for box in group.boxes]
        return " ".join(found)

    def _words(self, language: str) -> list[Word]:
        return self.english if language == "en" else self.german


def sentences(scene: Scene) -> Iterator[Sentence]:
    """Everything that the grammar can say of a scene and that is true; full descriptions first, in reading order."""
    groups = [_Named(number, group) for number, group in enumerate(scene.groups)]
    in_order = sorted(groups, key=lambda one: min(_reading_order(box) for box in one.group.boxes))
    for order in permutations(in_order):
        yield _full(order)
    for one in groups:
        yield from _of_group(one, is_only=len(groups) == 1)
    for one, other in permutations(groups, 2):
        yield from _of_two(one, other)


def truths(scene: Scene, language: str) -> set[str]:
    """All captions that are true of a scene, in one of LANGUAGES."""
    return {sentence.text(language) for sentence in sentences(scene)}


def full_descriptions(scene: Scene, language: str) -> list[str]:
    """The captions that name every group; the first one in the order of training captions."""
    return [one.text(language) for one in sentences(scene) if one.construction == FULL]


def _reading_order(box: Box) -> tuple[int, int]:
    return box.left, box.top


class _Named:
    """A group of a scene with its words. `number` is its place in the scene, which gives its marks."""

    def __init__(self, number: int, group: Group):
        self.group, self.noun = group, NOUNS[group.kind]
        self.is_single = group.count == 1
        self.article, self.colour, self.mark = ((bit << (BITS * number)) for bit in (ARTICLE, COLOUR, NOUN))

    def english(self, article: str | None = None) -> list[Word]:
        """ "a red star", "two red stars"; with an article, that one, and no colour."""
        noun = Word(self.noun.english if self.is_single else self.noun.english_plural, self.mark)
        if article is not None:
            return [Word(article, self.article), noun]
        colour = Word(self.group.colour, self.colour)
        if not self.is_single:
            return [Word(NUMBERS[self.group.count][0], self.article), colour, noun]
        return [Word("an" if self.group.colour[0] in "aeiou" else "a", self.article), colour, noun]

    def german(self, *, is_dative: bool = False) -> list[Word]:
        """ "ein roter Stern", "zwei rote Sterne", in the dative "einem roten Stern", "zwei roten Sternen"."""
        gender, stem = self.noun.gender, COLOURS[self.group.colour].german
        if not self.is_single:
            words = NUMBERS[self.group.count][1], f"{stem}e", self.noun.german_plural
        elif is_dative:
            words = INDEFINITE_DATIVE[gender], f"{stem}en", self.noun.oblique or self.noun.german
        else:
            words = INDEFINITE[gender], f"{stem}{ENDING[gender]}", self.noun.german
        return [Word(text, mark) for text, mark in zip(words, (self.article, self.colour, self.mark), strict=True)]

    def the_german(self, *, is_accusative: bool = False) -> list[Word]:
        """ "der Stern", "den Stern", "die Sterne"."""
        if not self.is_single:
            article, noun = "die", self.noun.german_plural
        elif is_accusative:
            article, noun = DEFINITE_ACCUSATIVE[self.noun.gender], self.noun.oblique or self.noun.german
        else:
            article, noun = DEFINITE[self.noun.gender], self.noun.german
        return [Word(article, self.article), Word(noun, self.mark)]


def _full(order: tuple[_Named, ...]) -> Sentence:
    """ "a red star, two blue fish and a green house"."""
    sides: list[list[Word]] = []
    for language, conjunction in zip(LANGUAGES, ("and", "und"), strict=True):
        words: list[Word] = []
        for place, one in enumerate(order):
            if place and place < len(order) - 1:
                words[-1] = Word(f"{words[-1].text},", words[-1].marks)
            elif place:
                words.append(Word(conjunction, 1 << CONJUNCTIONS))
            words += one.english() if language == "en" else one.german()
        sides.append(words)
    return Sentence(FULL, *sides)


def _of_group(one: _Named, *, is_only: bool) -> Iterator[Sentence]:
    noun, colour = one.noun, one.group.colour
    there = [Word("there", FIRST), Word("is" if one.is_single else "are", VERB), *one.english()]
    yield Sentence("there", there, [Word("da", FIRST), Word("ist" if one.is_single else "sind", VERB), *one.german()])
    is_, ist = ("is", "ist") if one.is_single else ("are", "sind")
    english = [*one.english("the"), Word(is_, VERB), Word(colour, one.colour)]
    yield Sentence("predicate", english, [*one.the_german(), Word(ist, VERB), Word(COLOURS[colour].german, one.colour)])
    see = [Word("I", FIRST), Word("can", VERB), Word("see", VERB), *one.english("the")]
    yield Sentence("see", see, [Word("ich", FIRST), Word("sehe", VERB), *one.the_german(is_accusative=True)])
    if is_only and one.is_single:
        english = [Word("it", one.mark), Word("is", VERB), Word(colour, one.colour)]
        german = [Word(PRONOUN[noun.gender], one.mark), Word("ist", VERB), Word(COLOURS[colour].german, one.colour)]
        yield Sentence("it", english, german)


def _of_two(one: _Named, other: _Named) -> Iterator[Sentence]:
    if not (one.is_single and other.is_single):
        return
    (box,), (of_other,) = one.group.boxes, other.group.boxes
    for place in _places(box, of_other):
        english, german = PLACES[place]
        yield Sentence(
            "place",
            [*one.english(), Word("is", VERB), *spell(english, PLACE), *other.english()],
            [*one.german(), Word("ist", VERB), *spell(german, PLACE), *other.german(is_dative=True)],
        )
    if box.side > MUCH_LARGER * of_other.side:
        yield Sentence(
            "larger",
            [*one.english("the"), Word("is", VERB), *spell("larger than", PLACE), *other.english("the")],
            [*one.the_german(), Word("ist", VERB), *spell("größer als", PLACE), *other.the_german()],
        )


def _places(one: Box, other: Box) -> Iterator[str]:
    across, down = (a - b for a, b in zip(one.centre, other.centre, strict=True))
    if abs(across) > CLEARLY * abs(down):
        yield "left" if across < 0 else "right"
    elif abs(down) > CLEARLY * abs(across):
        yield "above" if down < 0 else "below"
