"""Infinitives with zu: um zu, versuchen zu, es ist leicht zu, ohne zu."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import PURPOSES, Adverbial
from mt.data.bundled.draw_verb import VERBS
from mt.data.bundled.noun_phrase import Fixed
from mt.data.bundled.sentence import COMMA, Word

# What one can forget or leave out.
OMITTED = (
    "greet|thank|answer|close|ask|help|listen to|pay|call|check|prepare|try|congratulate|turn off|wake|visit|sleep|eat|"
    "pack"
)


@construction(1.0)
def in_order_to(d: Draw) -> Sentence:
    """Er geht in den Supermarkt, um Brot zu kaufen."""
    subject = d.someone()
    place, name, objects = d.pick(PURPOSES)
    tense = d.pick(("past", "progressive", "future"))
    go = d.one_of("travel/|drive/|fly/") if place == "CITIES" else d.one_of("go/gehen|go/gehen|come/")
    main = d.clause(go, subject=subject, tense=tense, with_object=False)
    main.place = d.named_place(place, is_direction=True)
    if d.chance(0.4):
        main.time = d.time(tense, is_front=True)
    inner = d.clause(d.one_of(name), subject=subject, with_object=False)
    if objects:
        inner.accusative = d.object(frozenset(objects.split("|")), subject, definite=0.15)
    to = d.mark()
    return Sentence(
        [*main.english(), Word("to", to), *inner.english_infinitive()],
        [*main.german(), COMMA, Word("um", to), *inner.german_infinitive(zu=to)],
    )


def to_infinitive(d: Draw, main: Clause, inner: Clause) -> Sentence:
    """Main clause and infinitive with zu; a comma only before an infinitive that has something with it."""
    to = d.mark()
    infinitive = inner.german_infinitive(zu=to)
    is_bare = len(infinitive) == (1 if inner.verb.de.prefix else 2)
    return Sentence(
        [*main.english(), Word("to", to), *inner.english_infinitive()],
        [*main.german(), *([] if is_bare else [COMMA]), *infinitive],
    )


@construction(1.2)
def infinitive_with_zu(d: Draw) -> Sentence:
    """Sie versucht, das Fenster zu öffnen; er hat vergessen, dich anzurufen."""
    verb = d.pick([v for v in VERBS["other"] if "control" in v.flags])
    d.lemmas.append(verb.lemma)
    subject = d.someone()
    tense = d.pick(("past", "perfect", "future")) if verb.en.base != "plan" else "progressive"
    main = d.clause(verb, subject=subject, tense=tense, with_object=False)
    inner = d.clause(d.active_verb(), subject=subject, place=0.6)
    return to_infinitive(d, main, inner)


@construction(0.8)
def it_is_easy_to(d: Draw) -> Sentence:
    """Es ist wichtig, die Regeln zu lernen."""
    mark = d.mark()
    entry = lexicon.adjective(
        d.pick(("difficult", "easy", "important", "dangerous", "boring", "interesting", "practical"))
    )
    d.lemmas.append(entry.lemma)
    subject = Fixed("it", "es", d.mark(), is_pronoun=True)
    main = Clause(subject, lexicon.COPULA, d.mark, negated=d.chance(0.3), tense=d.pick(("present", "present", "past")))
    main.contracted = d.chance(0.5)
    main.predicate = Adverbial([Word(entry.en[0], mark)], [Word(entry.de[0], mark)])
    anyone = Fixed("", "", 0)
    inner = d.clause(d.active_verb(sich=False), subject=anyone, place=0.6)
    return to_infinitive(d, main, inner)


@construction(0.6)
def without_ohne_zu(d: Draw) -> Sentence:
    """Er ging, ohne das Fenster zu schließen."""
    subject = d.narrator()
    main = d.clause(d.active_verb(), subject=subject, tense="past", temporal=True)
    inner = d.clause(d.one_of(OMITTED), subject=subject)
    en, de = d.pick((("without", "ohne"), ("instead of", "statt")))
    mark = d.mark()
    infinitive = inner.german_infinitive(zu=0)
    return Sentence(
        [*main.english(), *[Word(w, mark) for w in en.split()], *inner.english_participle()],
        [*main.german(), COMMA, Word(de, mark), *infinitive],
    )
