"""Adjectives: predicates, professions, endings, comparison."""

from functools import partial

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import CITIES, Adverbial
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.lexicon import COPULA, Noun
from mt.data.bundled.morphology_de import SIE
from mt.data.bundled.noun_phrase import Fixed, NounPhrase
from mt.data.bundled.sentence import Word, spell

DESCRIBED = frozenset(
    [
        "animal",
        "food",
        "vehicle",
        "clothing",
        "furniture",
        "site",
        "building",
        "readable",
        "device",
        "thing",
        "idea",
        "film",
        "party",
        "wild",
    ]
)
COMPARED = ("vehicle", "animal", "furniture", "clothing", "site", "readable", "kin", "person", "film", "home")
TOO_MUCH = frozenset(
    ("expensive", "big", "small", "long", "short", "heavy", "slow", "difficult", "easy", "warm", "cold", "hot")
)


def describe(
    d: Draw, subject, *, tense: str = "present", negated: bool = False, state: bool = True, noun: Noun | None = None
) -> Clause | None:
    """`subject` is (not) adjective, or None where nothing suits."""
    entry = d.quality(subject, state=state, noun=noun)
    if entry is None:
        return None
    clause = Clause(subject, COPULA, d.mark, tense=tense, negated=negated)
    clause.contracted = negated and d.chance(0.5)
    mark, degree = d.mark(), d.mark()
    en, de = spell(entry.en[0], mark), [Word(entry.de[0], mark)]
    if not negated and d.chance(0.35):
        english, german = d.pick((("very", "sehr"), ("too", "zu"), ("really", "wirklich"), ("very", "sehr")))
        if english == "too" and entry.lemma not in TOO_MUCH:
            english, german = "very", "sehr"
        if english == "very" and entry.lemma in ("wonderful", "delicious"):
            english, german = "really", "wirklich"
        if entry.is_compared:
            en.insert(0, Word(english, degree))
            de.insert(0, Word(german, degree))
    clause.predicate = Adverbial(en, de)
    return clause


@construction(1.3)
def predicate_adjective(d: Draw) -> Sentence:
    """Die Suppe ist heiß: no ending."""
    subject = d.person(pronouns=0.2) if d.chance(0.3) else d.thing(DESCRIBED)
    clause = describe(d, subject, tense=d.pick(("present", "present", "past")), negated=d.chance(0.2))
    return statement(clause) if clause else predicate_adjective(d)


@construction(0.6)
def predicate_profession(d: Draw) -> Sentence:
    """Mein Bruder ist Lehrer: no article."""
    while True:
        subject = d.person(pronouns=0.3)
        if subject.owner in ("he", "she"):
            break
    while True:
        noun = d.noun(frozenset({"worker"}))
        if (noun.gender == "m") == (subject.owner == "he") and noun is not subject.noun:
            break
        d.lemmas.pop()
    clause = Clause(subject, COPULA, d.mark, tense=d.pick(("present", "present", "past")), negated=d.chance(0.2))
    clause.contracted = d.chance(0.5)
    phrase = NounPhrase(noun, d.mark, determiner="a")
    german = phrase.german(0)[1:]
    if clause.negated:
        german = phrase.german(0, negated=clause.negation_mark)
    clause.predicate = Adverbial(phrase.english(), german, is_negated=True)
    return statement(clause)


@construction(1.2)
def adjective_endings(d: Draw) -> Sentence:
    """Sie trägt ein rotes Kleid; er kauft den alten Tisch; wir haben frisches Brot."""
    tense = d.pick(("past", "perfect", "future", "progressive"))
    verb = d.verb("accusative", tense=tense, where=lambda verb: lexicon.describable(verb.objects - PEOPLE))
    clause = d.clause(verb, tense=tense, with_object=False)
    noun = d.pick(lexicon.describable(verb.objects - PEOPLE))
    d.lemmas.append(noun.lemma)
    clause.accusative = d.phrase_of(noun, adjective=1.0, owner=clause.subject.owner, definite=0.4)
    d.suit(clause)
    if d.chance(0.3):
        clause.time = d.time_for(clause)
    return statement(clause)


def compared_pair(d: Draw):
    """Two things or people of one kind and an adjective that suits both."""
    while True:
        kind = d.pick(COMPARED)
        nouns = lexicon.nouns_tagged(frozenset({kind}))
        first, second = d.pick(nouns), d.pick(nouns)
        both = [
            a
            for a in lexicon.adjectives_for(first)
            if a.is_compared and "state" not in a.classes and a in lexicon.adjectives_for(second)
        ]
        if first is second or not both or first.is_mass or second.is_mass:
            continue
        entry = d.pick(both)
        d.lemmas += [first.lemma, second.lemma, entry.lemma]
        owner = (
            d.pick(("I", "we", "he", "she", "they"))
            if kind == "kin" or (d.chance(0.3) and kind == "clothing")
            else None
        )
        plural = d.needs_plural(first) or d.needs_plural(second)
        side = partial(d.phrase_of, definite=1.0, determiner=owner, owner=owner or "I", adjective=0.0, is_plural=plural)
        return side(first), side(second), entry


@construction(1.2)
def comparative(d: Draw) -> Sentence:
    """Das Auto ist schneller als der Bus; mein Bruder ist nicht so alt wie meine Schwester."""
    first, second, entry = compared_pair(d)
    clause = Clause(first, COPULA, d.mark, tense=d.pick(("present", "present", "past")))
    mark, than, as_ = d.mark(), d.mark(), d.mark()
    if d.chance(0.65):
        en = [*spell(entry.en[1], mark), Word("than", than), *second.english()]
        de = [Word(entry.de[1], mark), Word("als", than), *second.german(0)]
    else:
        clause.negated = d.chance(0.5)
        clause.contracted = d.chance(0.5)
        en = [Word("as", as_), Word(entry.en[0], mark), Word("as", than), *second.english()]
        de = [Word("so", as_), Word(entry.de[0], mark), Word("wie", than), *second.german(0)]
        if not clause.negated:
            de[0] = Word("genauso", as_)
            en = [Word("just", as_), *en]
    clause.predicate = Adverbial(en, de)
    return statement(clause)


@construction(0.9)
def superlative(d: Draw) -> Sentence:
    """Das ist die älteste Kirche in der Stadt; dieses Auto ist am schnellsten."""
    first, _, entry = compared_pair(d)
    if d.chance(0.4) and entry.lemma not in ("good", "bad"):
        clause = Clause(first, COPULA, d.mark, tense="present")
        mark, article = d.mark(), d.mark()
        en = [Word("the", article), *spell(entry.en[2], mark)]
        clause.predicate = Adverbial(en, [Word("am", article), Word(entry.de[2] + "en", mark)])
        return statement(clause)
    noun = first.noun
    if "kin" in noun.tags or not noun.tags & {"site", "building"}:
        owner = d.pick(("I", "he", "she", "we", "they"))
        if "person" in noun.tags or "one" in noun.tags:
            owner = "the"
        phrase = NounPhrase(
            noun, d.mark, determiner=owner, adjectives=(entry,), degree=2, is_plural=d.needs_plural(noun)
        )
        place = None
    else:
        phrase = NounPhrase(noun, d.mark, determiner="the", adjectives=(entry,), degree=2)
        en, de = d.pick(CITIES)
        preposition, name = d.mark(), d.mark()
        d.lemmas.append(en)
        place = Adverbial([Word("in", preposition), Word(en, name)], [Word("in", preposition), Word(de, name)])
    is_plural = phrase.is_plural
    subject = Fixed("these" if is_plural else "this", "das", d.mark(), person=SIE if is_plural else 2, is_pronoun=True)
    clause = Clause(subject, COPULA, d.mark, tense="present")
    clause.predicate = Adverbial(phrase.english(), phrase.german(0))
    if place:
        clause.predicate = Adverbial([*phrase.english(), *place.en], [*phrase.german(0), *place.de])
    return statement(clause)
