"""What people like, wish, ask for and order: gern, möchte, wenn ich hätte, könnten Sie, öffne, lass uns."""

from mt.data.bundled import lexicon
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.constructions_subordinate import FRONT
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import Adverbial
from mt.data.bundled.draw_verb import VERBS
from mt.data.bundled.morphology_de import HAETTE, WAERE
from mt.data.bundled.noun_phrase import NounPhrase, Pronoun
from mt.data.bundled.sentence import COMMA, Word


@construction(1.1)
def gladly_gern(d: Draw) -> Sentence:
    """Sie liest gern Bücher."""
    subject = d.person(pronouns=0.4)
    clause = d.clause(d.active_verb(), subject=subject, definite=0.1, negated=d.chance(0.15))
    clause.gladly = True
    if d.chance(0.2) and not clause.negated and subject.owner.startswith("you"):
        return Sentence(clause.english(question=True), clause.german("first"), "?")
    return statement(clause)


@construction(0.9)
def would_like(d: Draw) -> Sentence:
    """Ich möchte einen Kaffee trinken; wir hätten gern eine Pizza."""
    subject = d.person(pronouns=0.6)
    if d.chance(0.3):
        verb = next(v for v in VERBS["other"] if v.en.base == "like")
        noun = d.noun(frozenset(("dish", "drink", "fruit", "cake")))
        phrase = d.phrase_of(noun, definite=0.0, adjective=0.2, plural=0.3)
        would = d.mark()
        thing = phrase.german(1)
        subject_de = subject.german(0)
        en = [*subject.english("subject"), Word("would", would), Word("like", would), *phrase.english()]
        de = [*subject_de, Word(HAETTE[subject.person], would), Word("gern", would), *thing]
        d.lemmas.append(verb.lemma)
        return Sentence(en, de)
    clause = d.clause(d.active_verb(), subject=subject, modal="would like")
    if d.chance(0.4):
        clause.time = d.time("modal")
    return statement(clause)


@construction(0.9)
def unreal_condition(d: Draw) -> Sentence:
    """Wenn ich Zeit hätte, würde ich dich besuchen; wenn sie reich wäre, ..."""
    subject = d.someone(0.7)
    main = d.clause(d.active_verb(), subject=subject, modal="would")
    other = main.subject = d.again(subject)
    mark, verb, thing = d.mark(), d.mark(), d.mark()
    if d.chance(0.5):
        noun = lexicon.noun(d.pick(("time", "money")))
        d.lemmas.append(noun.lemma)
        phrase = NounPhrase(noun, d.mark, determiner="")
        more = d.mark()
        quantity = [Word("more", more)] if d.chance(0.5) else []
        mehr = [Word("mehr", more)] if quantity else []
        en = [Word("had", verb), *quantity, *phrase.english()]
        de = [*mehr, *phrase.german(1), Word(HAETTE[other.person], verb)]
    else:
        entry = lexicon.adjective(d.pick(("rich", "young", "healthy", "strong", "famous", "tired", "brave")))
        d.lemmas.append(entry.lemma)
        en = [Word("were", verb), Word(entry.en[0], thing)]
        de = [Word(entry.de[0], thing), Word(WAERE[other.person], verb)]
    return Sentence(
        [Word("if", mark), *subject.english("subject"), *en, COMMA, *main.english()],
        [Word("wenn", mark), *subject.german(0), *de, COMMA, *main.german(front=FRONT)],
    )


@construction(0.5)
def wish(d: Draw) -> Sentence:
    """Ich wünschte, ich hätte mehr Zeit."""
    subject = d.pronoun(("I", "he", "she", "we", "they"))
    other = d.again(subject)
    wishes, verb = d.mark(), d.mark()
    stem = {"I": "wünschte", "we": "wünschten", "they": "wünschten"}.get(subject.name, "wünschte")
    wish_en = "wishes" if subject.name in ("he", "she") else "wish"
    if d.chance(0.6):
        noun = d.noun(
            frozenset(("clothing", "pet", "instrument", "house", "garden", "car", "bicycle", "camera", "time", "money"))
        )
        entry_phrase = d.phrase_of(
            noun, definite=0.0, adjective=0.5, plural=0.0, determiner="" if noun.is_mass else "a"
        )
        en = [Word("had", verb), *entry_phrase.english()]
        de = [Word(HAETTE[other.person], verb), *entry_phrase.german(1)]
    else:
        entry = lexicon.adjective(d.pick(("rich", "young", "healthy", "strong", "famous", "brave", "tall", "smart")))
        mark = d.mark()
        d.lemmas.append(entry.lemma)
        en = [Word("were", verb), Word(entry.en[0], mark)]
        de = [Word(WAERE[other.person], verb), Word(entry.de[0], mark)]
    return Sentence(
        [*subject.english("subject"), Word(wish_en, wishes), *other.english("subject"), *en],
        [*subject.german(0), Word(stem, wishes), COMMA, *other.german(0), *de],
    )


@construction(0.7)
def polite_request(d: Draw) -> Sentence:
    """Könnten Sie bitte das Fenster öffnen?"""
    subject = Pronoun(d.you(), d.mark())
    clause = d.clause(d.active_verb(), subject=subject, modal="could")
    please = d.mark()
    clause.frequency = Adverbial([Word("please", please)], [Word("bitte", please)])
    return Sentence(clause.english(question=True), clause.german("first"), "?")


@construction(1.2)
def imperative(d: Draw) -> Sentence:
    """Öffne bitte das Fenster, Öffnen Sie das Fenster, Öffnet das Fenster."""
    verb = d.active_verb()
    subject = Pronoun(d.you(), d.mark())
    clause = d.clause(verb, subject=subject, negated=d.chance(0.15))
    please = d.mark()
    verb_mark, do = clause.marks[:2]
    if d.address == "you":
        finite = [Word(verb.de.imperative, verb_mark | do)]
    elif d.address == "you all":
        finite = [Word(verb.de.present[4], verb_mark | do)]
    else:
        base = verb.de.infinitive[len(verb.de.prefix) :]
        finite = [Word(base, verb_mark | do), Word("Sie")]
    reflexive = clause._reflexive()
    rest = [*finite, *reflexive, *clause.german_middle()]
    if verb.de.prefix:
        rest.append(Word(verb.de.prefix, verb_mark))
    en = clause.english_infinitive()
    if clause.negated:
        negation = clause.negation_mark
        en = [Word("don't", do | negation), *en] if clause.contracted else [Word("do", do), Word("not", negation), *en]
    if d.chance(0.5):
        en = [Word("please", please), *en]
        rest = [Word("bitte", please), *rest]
    return Sentence(en, rest, "!" if d.chance(0.3) else ".")


@construction(0.5)
def let_us(d: Draw) -> Sentence:
    """Lass uns ins Kino gehen."""
    let, us = d.mark(), d.mark()
    subject = Pronoun("we", us)
    clause = d.clause(d.active_verb(sich=False), subject=subject)
    return Sentence(
        [Word("let's", let | us), *clause.english_infinitive()],
        [Word("lass", let), Word("uns", us), *clause.german_infinitive()],
    )
