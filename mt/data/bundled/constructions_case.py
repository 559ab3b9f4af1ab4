"""Cases of the noun: genitive, on the table and onto it, es gibt, gefallen, gehören."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_adjective import describe
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.draw_verb import VERBS
from mt.data.bundled.morphology_de import ACCUSATIVE, DATIVE
from mt.data.bundled.noun_phrase import NounPhrase
from mt.data.bundled.sentence import Word

OWNED = frozenset(["clothing", "vehicle", "readable", "device", "pet", "garden", "house", "room", "apartment"])
PARTS = (
    ("roof", "house"),
    ("roof", "church"),
    ("roof", "castle"),
    ("door", "room"),
    ("door", "apartment"),
    ("window", "kitchen"),
    ("window", "room"),
    ("author", "book"),
    ("author", "article"),
    ("author", "novel"),
    ("wall", "room"),
    ("wall", "kitchen"),
    ("door", "garage"),
    ("roof", "factory"),
    ("gate", "castle"),
    ("door", "house"),
    ("window", "apartment"),
    ("floor", "kitchen"),
)
CONTENTS = (
    ("city", "restaurant museum hospital park library church bridge cinema theater hotel bakery pharmacy"),
    ("village", "church school bakery pharmacy restaurant hotel castle"),
    ("garden", "tree flower bird bench rabbit"),
    ("park", "tree flower bird bench lake duck"),
    ("zoo", "wild monkey lion"),
    ("room", "furniture window"),
    ("kitchen", "table chair window refrigerator cupboard"),
    ("street", "tree house bakery restaurant supermarket"),
    ("forest", "tree wild rabbit castle"),
    ("house", "room cat mouse kitchen"),
)


@construction(1.2)
def genitive(d: Draw) -> Sentence:
    """Das Auto des Lehrers ist neu; Annas Hund schläft; das Dach des Hauses."""
    roll = d.random()
    if roll < 0.3:
        part, whole = d.pick(PARTS)
        d.lemmas += [part, whole]
        possessor = NounPhrase(lexicon.noun(whole), d.mark, determiner="the")
        noun, of = lexicon.noun(part), True
    else:
        noun, of = d.noun(OWNED), False
        if roll < 0.6:
            possessor = d.name()
        else:
            kin = d.chance(0.5)
            owner = d.noun(frozenset({"kin"}) if kin else frozenset({"worker", "king", "queen", "neighbor"}))
            determiner = d.pick(("I", "he", "she", "we")) if kin else "the"
            possessor = NounPhrase(owner, d.mark, determiner=determiner)
    entry = d.adjective(noun) if d.chance(0.25) else None
    phrase = NounPhrase(
        noun, d.mark, determiner="the", possessor=possessor, of=of, adjectives=(entry,) if entry else ()
    )
    if d.chance(0.5) and not entry:
        clause = describe(d, phrase, tense=d.pick(("present", "past")), negated=d.chance(0.15))
        if clause:
            return statement(clause)
    verb = (
        lexicon.verb(d.pick(("see", "find/", "photograph", "look for")))
        if not of
        else lexicon.verb(d.pick(("see", "photograph")))
    )
    d.lemmas.append(verb.lemma)
    clause = d.clause(verb, subject=d.person(), tense=d.pick(("past", "perfect")), with_object=False)
    clause.accusative = phrase
    return statement(clause)


@construction(0.9)
def location_of_things(d: Draw) -> Sentence:
    """Das Buch liegt auf dem Tisch: two-way preposition with dative."""
    verb = d.pick(VERBS["where"])
    d.lemmas.append(verb.lemma)
    subject = d.phrase_of(d.movable(verb.subjects), definite=0.95, adjective=0.15)
    tense = d.pick(("progressive", "past"))
    clause = d.clause(verb, subject=subject, tense=tense, with_object=False, negated=d.chance(0.12))
    clause.place = d.spot(DATIVE, subject.noun, wall="wallspot" in verb.objects)
    if d.chance(0.25):
        return Sentence(clause.english(question=True), clause.german("first"), "?")
    return statement(clause)


@construction(0.9)
def direction_of_things(d: Draw) -> Sentence:
    """Sie legt das Buch auf den Tisch: two-way preposition with accusative."""
    verb = d.pick(VERBS["whereto"])
    d.lemmas.append(verb.lemma)
    tense = d.pick(("progressive", "past", "perfect", "future"))
    clause = d.clause(verb, tense=tense, with_object=False)
    thing = d.movable(verb.objects)
    clause.accusative = d.phrase_of(thing, definite=0.8, owner=clause.subject.owner, adjective=0.15)
    clause.place = d.spot(ACCUSATIVE, clause.accusative.noun, wall=verb.en.base == "hang")
    return statement(clause)


@construction(0.9)
def there_is(d: Draw) -> Sentence:
    """In der Stadt gibt es ein Museum; es gibt hier keine Bäckerei."""
    place, tags = d.pick(CONTENTS)
    noun = d.noun(frozenset(tags.split()))
    d.lemmas.append(place)
    is_plural = noun.is_mass or d.chance(0.4)
    en_be = "are" if is_plural and not noun.is_mass else "is"
    es, gibt = d.mark(), d.mark()
    no = d.chance(0.2)
    determiner = (
        "no" if no else d.number() if is_plural and not noun.is_mass and d.chance(0.5) else "" if is_plural else "a"
    )
    entry = d.adjective(noun) if d.chance(0.4) else None
    phrase = NounPhrase(
        noun,
        d.mark,
        determiner=determiner,
        is_plural=is_plural and not noun.is_mass,
        adjectives=(entry,) if entry else (),
    )
    where = d.prepositional("in", "in", DATIVE, d.the(lexicon.noun(place)))
    there = [Word("there", es), Word(en_be, gibt)]
    roll = d.random()
    if roll < 0.2 and not no:
        return Sentence(
            [Word(en_be, gibt), Word("there", es), *phrase.english(), *where.en],
            [Word("gibt", gibt), Word("es", es), *phrase.german(ACCUSATIVE), *where.de],
            "?",
        )
    if roll < 0.5:
        return Sentence(
            [*where.en, *there, *phrase.english()],
            [*where.de, Word("gibt", gibt), Word("es", es), *phrase.german(ACCUSATIVE)],
        )
    return Sentence(
        [*there, *phrase.english(), *where.en],
        [Word("es", es), Word("gibt", gibt), *phrase.german(ACCUSATIVE), *where.de],
    )


@construction(1.0)
def like_gefallen(d: Draw) -> Sentence:
    """Der Film gefällt mir: the English subject is the German dative."""
    verb = lexicon.verb("like/gefallen")
    person = d.person(pronouns=0.5)
    thing = d.phrase_of(d.noun(verb.objects), definite=1.0, adjective=0.25, plural=0.15)
    negated = d.chance(0.25)
    tense = d.pick(("present", "present", "past"))
    english = Clause(person, verb, d.mark, tense=tense, negated=negated)
    english.contracted = d.chance(0.5)
    english.accusative = thing
    german = Clause(thing, verb, d.mark, tense=tense, negated=negated)
    german.marks = english.marks
    german.dative = person
    if d.chance(0.2) and person.owner.startswith("you"):
        return (
            Sentence(english.english(question=True), german.german("first"), "?") if not negated else like_gefallen(d)
        )
    return Sentence(english.english(), german.german())


@construction(0.7)
def belong_to(d: Draw) -> Sentence:
    """Die Tasche gehört meiner Schwester."""
    verb = lexicon.verb("belong to")
    subject = d.phrase_of(d.noun(verb.subjects), definite=1.0, adjective=0.3, plural=0.2)
    clause = Clause(subject, verb, d.mark, tense=d.pick(("present", "present", "past")), negated=d.chance(0.2))
    clause.contracted = d.chance(0.5)
    clause.dative = d.human_object(PEOPLE, subject)
    if d.chance(0.2) and not clause.negated:
        return Sentence(clause.english(question=True), clause.german("first"), "?")
    return statement(clause)
