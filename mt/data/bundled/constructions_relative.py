"""What takes up a noun: relative clauses, and pronouns that agree with it."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_adjective import describe
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import Adverbial
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.draw_verb import VERBS
from mt.data.bundled.morphology_de import ACCUSATIVE, DATIVE, RELATIVE
from mt.data.bundled.noun_phrase import NounPhrase, Pronoun
from mt.data.bundled.sentence import COMMA, Word

COLORS = frozenset(("red", "blue", "green", "yellow", "black", "white", "brown", "gray"))
OPPOSITES = (
    "new old|big small|interesting boring|exciting boring|long short|good bad|beautiful ugly|expensive cheap|"
    "clean dirty|fast slow|wonderful bad|easy difficult|wonderful boring|interesting bad|exciting bad|"
    "elegant ugly|warm cold|hot cold|good boring|wonderful ugly|cold hot|modern old|fresh old"
)
OPPOSED = frozenset(frozenset(pair.split()) for pair in OPPOSITES.split("|"))
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
            assert verb.governs is not None
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
        one = describe(d, head, state=False)
        other = describe(d, again, state=False, noun=noun) if one else None
        predicates = [clause.predicate for clause in (one, other) if clause and clause.predicate]
        adjectives = frozenset(predicate.en[-1].text for predicate in predicates)
        if one is None or other is None or len(adjectives) < 2 or adjectives in OPPOSED or adjectives <= COLORS:
            return pronoun_agreement(d)
        first, second = one, other
        if _value(predicates[0]) == _value(predicates[1]):
            return _two(first, "and", "und", second, d.mark(), comma_de=False)
    return _two(first, "but", "aber", second, d.mark())


def _value(predicate: Adverbial) -> bool:
    return predicate.en[-1].text in BAD or predicate.en[0].text == "too"


def _two(first: Clause, en: str, de: str, second: Clause, mark: int, comma_de: bool = True) -> Sentence:
    return Sentence(
        [*first.english(), *([COMMA] if en == "but" else []), Word(en, mark), *second.english()],
        [*first.german(), *([COMMA] if comma_de else []), Word(de, mark), *second.german()],
    )
