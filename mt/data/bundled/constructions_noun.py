"""Constructions round the noun: adjectives, comparison, genitive, relative clauses, es gibt, place of things."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.draw import CITIES, PEOPLE, VERBS, Adverbial, Draw
from mt.data.bundled.lexicon import COPULA, Noun
from mt.data.bundled.morphology_de import ACCUSATIVE, DATIVE, RELATIVE, SIE
from mt.data.bundled.noun_phrase import Fixed, NounPhrase, Pronoun
from mt.data.bundled.sentence import COMMA, Word, spell

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


COLORS = frozenset(("red", "blue", "green", "yellow", "black", "white", "brown", "gray"))
TOO_MUCH = frozenset(
    ("expensive", "big", "small", "long", "short", "heavy", "slow", "difficult", "easy", "warm", "cold", "hot")
)
OPPOSITES = (
    "new old|big small|interesting boring|exciting boring|long short|good bad|beautiful ugly|expensive cheap|"
    "clean dirty|fast slow|wonderful bad|easy difficult|wonderful boring|interesting bad|exciting bad|"
    "elegant ugly|warm cold|hot cold|good boring|wonderful ugly|cold hot|modern old|fresh old"
)
OPPOSED = frozenset(frozenset(pair.split()) for pair in OPPOSITES.split("|"))


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
        options = {"definite": 1.0, "determiner": owner, "owner": owner or "I", "adjective": 0.0, "is_plural": plural}
        return d.phrase_of(first, **options), d.phrase_of(second, **options), entry


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


OWNED = frozenset(["clothing", "vehicle", "readable", "device", "pet", "garden", "house", "room", "apartment"])


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


def relative_subject_words(d: Draw, head: NounPhrase, *, tense: str):
    """(English, German) relative clause whose subject is the head."""
    verb = d.suitable_verb(head.noun, "intransitive", "accusative", "location", "dative", tense=tense)
    mark = d.mark()
    clause = d.clause(verb, subject=head, tense=tense)
    clause.spoken = False
    en = clause.english(front=[Word("who" if head.noun.tags & PEOPLE else "that", mark)], skip_subject=True)
    de = [COMMA, Word(RELATIVE[head.gender][0], mark), *clause.german("last", skip_subject=True), COMMA]
    return en, de


@construction(1.2)
def relative_subject(d: Draw) -> Sentence:
    """Der Mann, der dort arbeitet, ist mein Onkel; ich kenne die Frau, die das Haus gekauft hat."""
    head = d.phrase_of(d.noun(frozenset(("person", "pet"))), determiner="the", plural=0.2, adjective=0.0)
    en, de = relative_subject_words(d, head, tense=d.pick(("past", "progressive")))
    if d.chance(0.5):
        clause = describe(d, head, tense="present", state=False)
        if clause:
            subject = Relative(head, en, de)
            clause.subject = subject
            return statement(clause)
    verb = (
        lexicon.verb(d.pick(("see", "know/kennen", "photograph", "find")))
        if "pet" in head.noun.tags
        else lexicon.verb(d.pick(("know/kennen", "call", "visit", "greet", "help", "meet", "invite")))
    )
    if "pet" in head.noun.tags and verb.en.base == "know":
        verb = lexicon.verb("see")
    d.lemmas.append(verb.lemma)
    clause = d.clause(
        verb, subject=d.pronoun(), tense="past" if verb.en.base != "know" else "present", with_object=False
    )
    if verb.frame == "dative":
        clause.dative = head
    else:
        clause.accusative = head
    clause.after = (en, de)
    return statement(clause)


class Relative:
    """A noun phrase with its relative clause inside."""

    is_pronoun = False

    def __init__(self, head: NounPhrase, en: list[Word], de: list[Word]):
        self.head, self.en, self.de = head, en, de
        self.noun, self.person, self.en_person = head.noun, head.person, head.en_person
        self.owner, self.is_indefinite = head.owner, head.is_indefinite

    def english(self, role: str) -> list[Word]:
        return [*self.head.english(role), *self.en]

    def german(self, case: int) -> list[Word]:
        return [*self.head.german(case), *self.de]


@construction(1.2)
def relative_object(d: Draw) -> Sentence:
    """Das Buch, das ich gekauft habe, ist spannend."""
    verb = d.verb("accusative", tense="past", where=lambda verb: not verb.objects & PEOPLE and verb.en.base != "have")
    inner = d.clause(verb, subject=d.person(pronouns=0.6), tense="past", with_object=False)
    head = d.phrase_of(d.noun(verb.objects), determiner="the", plural=0.2, adjective=0.0)
    mark = d.mark()
    en = inner.english(front=[Word("that", mark)])
    de = [COMMA, Word(RELATIVE[head.gender][ACCUSATIVE], mark), *inner.german("last"), COMMA]
    if d.chance(0.6):
        clause = describe(d, head, tense=d.pick(("present", "past")), state=False)
        if clause:
            clause.subject = Relative(head, en, de)
            return statement(clause)
    outer = (
        lexicon.verb(d.pick(("see", "find/", "look for", "need")))
        if verb.en.base not in ("see", "find", "look", "need")
        else lexicon.verb("see")
    )
    d.lemmas.append(outer.lemma)
    subject = Pronoun(d.pick(("I", "he", "she", "we", "they")), d.mark())
    clause = d.clause(
        outer, subject=subject, tense="present" if outer.en.base in ("need",) else "past", with_object=False
    )
    clause.accusative = head
    clause.after = (en, de)
    return statement(clause)


@construction(0.8)
def relative_other(d: Draw) -> Sentence:
    """Die Frau, der ich geholfen habe; der Stuhl, auf dem er sitzt; die Stadt, in der wir wohnen."""
    kind = d.pick(("dative", "prepositional", "where"))
    mark, preposition = d.mark(), d.mark()
    if kind == "where":
        noun = lexicon.noun(
            d.pick(("city", "village", "house", "hotel", "factory", "hospital", "apartment", "restaurant"))
        )
        head = NounPhrase(noun, d.mark, determiner="the")
        verb = lexicon.verb("work/") if noun.lemma not in ("apartment",) and d.chance(0.5) else lexicon.verb("live/")
        if noun.lemma in ("factory", "hospital", "restaurant"):
            verb = lexicon.verb("work/")
        inner = d.clause(verb, subject=d.person(), tense=d.pick(("present", "past")), with_object=False)
        if inner.tense == "past":
            inner.spoken = inner.subject.person in (0, 1, 3, 4)
        en = inner.english(front=[Word("where", mark | preposition)])
        de = [COMMA, Word("in", preposition), Word(RELATIVE[head.gender][DATIVE], mark), *inner.german("last"), COMMA]
        d.lemmas.append(noun.lemma)
    else:
        head = d.phrase_of(d.noun(frozenset({"person"})), determiner="the", plural=0.2, adjective=0.0)
        if kind == "dative":
            verb = d.verb("dative")
            inner = d.clause(verb, subject=d.person(pronouns=0.6), tense="past", with_object=False)
            en = inner.english(front=[Word("whom", mark)])
            de = [COMMA, Word(RELATIVE[head.gender][DATIVE], mark), *inner.german("last"), COMMA]
        else:
            verb = lexicon.verb(d.pick(("wait/warten", "speak", "dance/tanzen", "think/denken")))
            if verb.governs is None:
                verb = next(v for v in VERBS["prepositional"] if v.en.base == verb.en.base)
            inner = d.clause(verb, subject=d.person(pronouns=0.6), tense="past", with_object=False)
            en_preposition, de_preposition, case = verb.governs
            en = inner.english(front=[Word(en_preposition, preposition), Word("whom", mark)])
            de = [
                COMMA,
                Word(de_preposition, preposition),
                Word(RELATIVE[head.gender][case], mark),
                *inner.german("last"),
                COMMA,
            ]
        d.lemmas.append(verb.lemma)
    clause = describe(d, head, tense="present", state=False)
    if clause is None:
        return relative_other(d)
    clause.subject = Relative(head, en, de)
    return statement(clause)


@construction(1.0)
def pronoun_agreement(d: Draw) -> Sentence:
    """Die Lampe ist schön, aber sie ist zu teuer; ich suche den Schlüssel, aber ich finde ihn nicht."""
    noun = d.noun(frozenset(("furniture", "clothing", "vehicle", "device", "readable", "thing", "home", "site")))
    head = d.phrase_of(
        noun, determiner=d.pick(("the", "this", "I", "he", "she", "we")), adjective=0.0, is_plural=d.needs_plural(noun)
    )
    mark = d.mark()
    again = head.pronoun(mark)
    if noun.tags & {"thing"} and d.chance(0.4):
        subject = Pronoun(d.pick(("I", "he", "she", "we", "they")), d.mark())
        first = d.clause(lexicon.verb("look for"), subject=subject, tense="progressive", with_object=False)
        first.accusative = head
        second = d.clause(
            lexicon.verb("find/"), subject=Pronoun(subject.name, d.mark()), modal="can", negated=True, with_object=False
        )
        second.accusative = again
        d.lemmas += ["look for/suchen", "find/finden"]
    else:
        first = describe(d, head, state=False)
        second = describe(d, again, state=False, noun=noun) if first else None
        adjectives = frozenset(clause.predicate.en[-1].text for clause in (first, second) if clause)
        if len(adjectives) < 2 or adjectives in OPPOSED or adjectives <= COLORS:
            return pronoun_agreement(d)
        if _value(first.predicate) == _value(second.predicate):
            return _two(first, "and", "und", second, d.mark(), comma_de=False)
    return _two(first, "but", "aber", second, d.mark())


def _value(predicate: Adverbial) -> bool:
    return predicate.en[-1].text in BAD or predicate.en[0].text == "too"


BAD = frozenset(
    [
        "ugly",
        "expensive",
        "heavy",
        "broken",
        "dirty",
        "boring",
        "bad",
        "difficult",
        "slow",
        "dangerous",
        "old",
        "sad",
        "lazy",
        "strict",
    ]
)


def _two(first: Clause, en: str, de: str, second: Clause, mark: int, comma_de: bool = True) -> Sentence:
    return Sentence(
        [*first.english(), *([COMMA] if en == "but" else []), Word(en, mark), *second.english()],
        [*first.german(), *([COMMA] if comma_de else []), Word(de, mark), *second.german()],
    )
