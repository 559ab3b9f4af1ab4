"""Drawing adverbials: when, how often, how, where, where to."""

from mt.data.bundled import lexicon
from mt.data.bundled import lexicon_places as places
from mt.data.bundled.clause import Clause
from mt.data.bundled.draw_noun import NounDraw
from mt.data.bundled.lexicon import Noun, Phrase, Verb
from mt.data.bundled.morphology_de import ACCUSATIVE, DATIVE
from mt.data.bundled.noun_phrase import prepositional
from mt.data.bundled.sentence import Word, spell

CITIES = tuple(tuple(line.split()) for line in places.CITIES.strip().splitlines())
PLACES = {
    line.split(";")[0].replace(" ", "_"): [part.strip() for part in line.split(";")]
    for line in places.PLACES.strip().splitlines()
}
GROUPS = {line.split(";")[0]: line.split(";")[1].split() for line in places.GROUPS.strip().splitlines()}
FIXED_PLACES = tuple(
    tuple(part.strip() for part in line.split(";")) for line in places.FIXED_PLACES.strip().splitlines()
)
SPOTS = tuple(tuple(part.strip() for part in line.split(";")) for line in places.SPOTS.strip().splitlines())
PURPOSES = tuple(tuple(part.strip() for part in line.split(";")) for line in places.PURPOSES.strip().splitlines())
WALL = ("wallspot", "on", "an")
MEANS = tuple(tuple(part.strip() for part in line.split(";")) for line in places.MEANS.strip().splitlines())
TIMES: dict[str, tuple[Phrase, ...]] = {}
for _phrase in lexicon.phrases("TIMES"):
    TIMES[_phrase.when] = (*TIMES.get(_phrase.when, ()), _phrase)
# which times go with which tense of English
TIMES_OF = {
    "present": ("habit",),
    "progressive": ("now",),
    "past": ("past", "past", "week"),
    "future": ("future", "week"),
    "perfect": (),
    "pluperfect": (),
    "modal": ("future", "now", "week"),
}


class Adverbial:
    """Words of both languages; `is_front` moves it to the front of its clause; `is_negated`: carries the negation."""

    __slots__ = ("de", "en", "is_front", "is_negated")

    def __init__(self, en: list[Word], de: list[Word], *, is_front: bool = False, is_negated: bool = False):
        self.en = en
        self.de = de
        self.is_front = is_front
        self.is_negated = is_negated


class AdverbialDraw(NounDraw):
    """Choices of adverbials that suit verb and tense."""

    def adverbial(self, phrase: Phrase, *, is_front: bool = False) -> Adverbial:
        """The words of a fixed phrase, with its links as marks."""
        en, de = [0] * len(phrase.en), [0] * len(phrase.de)
        for i, j in phrase.links:
            mark = self.mark()
            en[i] |= mark
            de[j] |= mark
        self.lemmas.append(phrase.lemma)
        return Adverbial(
            [Word(t, m) for t, m in zip(phrase.en, en, strict=True)],
            [Word(t, m) for t, m in zip(phrase.de, de, strict=True)],
            is_front=is_front,
        )

    def time(self, tense: str, verb: Verb | None = None, *, is_front: bool = False) -> Adverbial | None:
        """When, in agreement with the tense; seasons only for what takes its time."""
        whens = TIMES_OF[tense]
        if not whens:
            return None
        if verb is not None and "season" in verb.flags and tense in ("present", "past", "future") and self.chance(0.35):
            when = "season"
        else:
            when = self.pick(whens)
        return self.adverbial(self.pick(TIMES[when]), is_front=is_front)

    def time_for(self, clause: Clause) -> Adverbial | None:
        return self.time(clause.tense, clause.verb)

    def times(self, when: str):
        return TIMES[when]

    def frequency(self) -> Adverbial:
        return self.adverbial(self.pick(lexicon.phrases("FREQUENCIES")))

    def manner(self, verb: Verb) -> Adverbial | None:
        options = [phrase for phrase in lexicon.phrases("MANNERS") if phrase.lemma in verb.flags]
        return self.adverbial(self.pick(options)) if options else None

    def place(self, group: str, *, is_direction: bool = False) -> Adverbial:
        """Where (German dative) or where to, among the places of a group."""
        return self.named_place(self.pick(GROUPS[group]), is_direction=is_direction)

    def named_place(self, name: str, *, is_direction: bool = False) -> Adverbial:
        """Where or where to, for one place, or any of CITIES or FIXED."""
        if name == "CITIES":
            en, de = self.pick(CITIES)
            self.lemmas.append(en)
            preposition, city = self.mark(), self.mark()
            english, german = ("to", "nach") if is_direction else ("in", "in")
            return Adverbial([Word(english, preposition), Word(en, city)], [Word(german, preposition), Word(de, city)])
        if name == "FIXED":
            row = self.pick(FIXED_PLACES)
            en, de, links = row[3:] if is_direction else row[:3]
            return self.adverbial(Phrase(en, tuple(en.split()), tuple(de.split()), lexicon.read_links(links), ""))
        row = PLACES[name]
        noun = lexicon.noun(name)
        self.lemmas.append(name)
        if is_direction:
            german, case = row[4].split()
            return self.prepositional(row[3], german, DATIVE if case == "dative" else ACCUSATIVE, self.the(noun, 0.3))
        return self.prepositional(row[1], row[2], DATIVE, self.the(noun, 0.3))

    def place_for(self, verb: Verb, *, is_direction: bool = False) -> Adverbial | None:
        """A place that suits the verb, or None."""
        group = next((flag[1:] for flag in verb.flags if flag[0] == "@"), None)
        return self.place(group, is_direction=is_direction) if group else None

    def prepositional(self, en: str, de: str, case: int, phrase) -> Adverbial:
        """Preposition and noun phrase."""
        mark = self.mark()
        return Adverbial(
            [*spell(en, mark), *phrase.english("object")], prepositional(Word(de, mark), phrase.german(case))
        )

    def spot(self, case: int, thing: Noun, *, wall: bool = False) -> Adverbial:
        """On the table, under the bed, in the drawer: dative where, accusative where to."""
        tag, en, de = WALL if wall else self.pick(SPOTS)
        noun = self.noun(frozenset({tag}))
        while noun is thing:
            self.lemmas.pop()
            noun = self.noun(frozenset({tag}))
        return self.prepositional(en, de, case, self.the(noun, 0.2))

    def means(self) -> Adverbial:
        en, de = self.pick(MEANS)
        preposition, noun = self.mark(), self.mark()
        words = de.split()
        self.lemmas.append(en)
        return Adverbial(
            [Word("by", preposition), Word(en, noun)],
            [Word(words[0], preposition), Word(words[1]), Word(words[2], noun)],
        )
