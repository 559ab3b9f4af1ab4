"""Main clauses: word order, tenses, brackets, cases, negation."""

from mt.data.bundled import lexicon
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import Adverbial
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.lexicon import Phrase
from mt.data.bundled.sentence import Word


def statement(clause) -> Sentence:
    """The clause as a sentence of its own."""
    return Sentence(clause.english(), clause.german())


PLAIN = ("accusative", "accusative", "accusative", "intransitive")
ALL = (
    "accusative",
    "accusative",
    "accusative",
    "accusative",
    "intransitive",
    "intransitive",
    "dative",
    "ditransitive",
    "prepositional",
    "direction",
    "location",
)


@construction(1.5)
def present_tense(d: Draw) -> Sentence:
    """Der Lehrer liest das Buch jeden Tag: verb second, progressive or habit."""
    tense = d.pick(("present", "progressive"))
    if tense == "present" and d.chance(0.4):
        verb = d.verb("accusative", where=lambda verb: verb.is_state and "event" not in verb.flags)
        return statement(d.clause(verb, tense=tense))
    clause = d.clause(d.verb(*PLAIN, tense=tense), tense=tense, manner=0.15, place=0.5)
    if tense == "present" or d.chance(0.3):
        clause.time = d.time(tense)
    return statement(clause)


@construction()
def frequency_adverb(d: Draw) -> Sentence:
    """Er trinkt oft Kaffee."""
    clause = d.clause(d.verb(*ALL, tense="present"), definite=0.3, place=0.2)
    clause.frequency = d.frequency()
    return statement(clause)


@construction(1.5)
def fronted_time(d: Draw) -> Sentence:
    """Morgen wird Anna ... / Gestern kaufte Anna ...: time first, then verb, then subject."""
    tense = d.pick(("past", "past", "future", "progressive", "present"))
    clause = d.clause(d.verb(*ALL, tense=tense), tense=tense, manner=0.1, place=0.5)
    clause.time = d.time(tense, clause.verb, is_front=True)
    return statement(clause)


@construction(0.8)
def fronted_place(d: Draw) -> Sentence:
    """Im Park spielen die Kinder."""
    tense = d.pick(("past", "progressive", "future"))
    verb = d.verb(
        "intransitive", "accusative", tense=tense, where=lambda verb: any(flag[0] == "@" for flag in verb.flags)
    )
    clause = d.clause(verb, tense=tense)
    place = d.place_for(verb)
    assert place is not None  # the verb has a flag that names places
    return Sentence(clause.english(front=[*place.en, Word(",")]), clause.german(front=place.de))


@construction(1.2)
def separable_verb(d: Draw) -> Sentence:
    """Sie ruft den Arzt an; er stand früh auf."""
    tense = d.pick(("present", "progressive", "past"))
    verb = d.verb(*PLAIN, tense=tense, where=lambda verb: verb.de.prefix)
    clause = d.clause(verb, tense=tense, manner=0.1, place=0.5)
    if tense == "present":
        clause.frequency = d.frequency()
    elif d.chance(0.5):
        clause.time = d.time(tense, clause.verb)
    return statement(clause)


@construction(1.5)
def perfect_haben(d: Draw) -> Sentence:
    """Ich habe den Schlüssel verloren."""
    frames = ("accusative", "accusative", "dative", "ditransitive")
    verb = d.verb(*frames, tense="perfect", where=lambda verb: not verb.de.perfect_with_sein)
    clause = d.clause(verb, tense="perfect", manner=0.1, negated=d.chance(0.15), place=0.2)
    if not clause.negated and d.chance(0.3):
        clause.frequency = d.adverbial(d.pick(ALREADY))
    return statement(clause)


@construction(0.8)
def perfect_sein(d: Draw) -> Sentence:
    """Die Gäste sind angekommen."""
    verb = d.verb("intransitive", "direction", flag="sein")
    clause = d.clause(verb, tense="perfect", negated=d.chance(0.15))
    if not clause.negated and d.chance(0.4):
        clause.frequency = d.adverbial(d.pick(ALREADY))
    return statement(clause)


@construction(1.5)
def past_tense(d: Draw) -> Sentence:
    """Der Mann kaufte gestern ein Auto / Ich habe gestern ein Auto gekauft."""
    clause = d.clause(d.verb(*ALL), tense="past", manner=0.1, place=0.15)
    if clause.verb.frame != "location" or d.chance(0.5):
        clause.time = d.time("past", clause.verb)
    return statement(clause)


@construction(1.5)
def modal_verb(d: Draw) -> Sentence:
    """Wir müssen heute die Fenster putzen."""
    modal = d.pick(("can", "must", "should", "may", "want", "have"))
    clause = d.clause(
        d.verb(*ALL, tense="modal"),
        modal=modal,
        manner=0.1,
        negated=modal in ("can", "should", "want", "have") and d.chance(0.25),
    )
    if d.chance(0.4):
        clause.time = d.time("modal")
    return statement(clause)


@construction(0.8)
def modal_past(d: Draw) -> Sentence:
    """Er musste gestern arbeiten."""
    modal = d.pick(("want", "have", "was allowed", "was able"))
    clause = d.clause(d.verb(*ALL, tense="modal"), modal=modal, tense="past", negated=d.chance(0.2))
    if d.chance(0.5):
        clause.time = d.time("past", clause.verb)
    return statement(clause)


@construction(1.2)
def future_tense(d: Draw) -> Sentence:
    """Sie wird morgen nach Berlin fahren."""
    clause = d.clause(d.verb(*ALL, tense="future"), tense="future", manner=0.1, negated=d.chance(0.15), place=0.5)
    if d.chance(0.7):
        clause.time = d.time("future", clause.verb)
    return statement(clause)


@construction(1.2)
def give_something(d: Draw) -> Sentence:
    """Der Vater gibt dem Kind den Ball; er gibt ihn ihm."""
    tense = d.pick(("progressive", "past", "future", "perfect"))
    clause = d.clause(d.verb("ditransitive"), tense=tense)
    if d.chance(0.3):
        clause.time = d.time(tense, clause.verb)
    return statement(clause)


@construction(0.8)
def dative_verb(d: Draw) -> Sentence:
    """Er hilft seiner Mutter."""
    tense = d.pick(("present", "progressive", "past", "future"))
    verb = d.verb("dative", tense=tense)
    clause = d.clause(verb, tense=tense)
    if tense == "present":
        clause.frequency = d.frequency()
    elif d.chance(0.4):
        clause.time = d.time(tense, verb)
    return statement(clause)


@construction(0.8)
def reflexive_verb(d: Draw) -> Sentence:
    """Wir beeilen uns; gestern hat sie sich ausgeruht."""
    tense = d.pick(("progressive", "past", "future", "perfect"))
    verb = d.verb("intransitive", "intransitive", "prepositional", flag="sich", tense=tense)
    clause = d.clause(verb, tense=tense, manner=0.2)
    if d.chance(0.5):
        clause.time = d.time(tense, clause.verb, is_front=d.chance(0.4))
    return statement(clause)


@construction()
def prepositional_verb(d: Draw) -> Sentence:
    """Ich warte auf den Bus."""
    tense = d.pick(("progressive", "past", "future"))
    clause = d.clause(d.verb("prepositional", tense=tense), tense=tense)
    if d.chance(0.5):
        clause.time = d.time(tense, clause.verb)
    return statement(clause)


@construction(1.3)
def time_before_place(d: Draw) -> Sentence:
    """Er fährt morgen mit dem Auto nach Berlin."""
    tense = d.pick(("past", "future", "progressive"))
    verb = d.verb("direction", "ride")
    clause = d.clause(verb, tense=tense)
    clause.time = d.time(tense, verb)
    if verb.frame == "ride":  # English: to Berlin by train; German: mit dem Zug nach Berlin
        place, means = d.place_for(verb, is_direction=True), d.means()
        assert place is not None  # so has every verb of this frame
        clause.place = Adverbial([*place.en, *means.en], [*means.de, *place.de])
    return statement(clause)


@construction(1.3)
def negation_nicht(d: Draw) -> Sentence:
    """Sie versteht die Frage nicht."""
    tense = d.pick(("present", "progressive", "past", "future"))
    if tense == "present":
        verb = d.verb("accusative", where=lambda verb: verb.is_state and "event" not in verb.flags)
    else:
        verb = d.verb(*ALL, tense=tense)
    clause = d.clause(verb, tense=tense, negated=True, definite=1.0, manner=0.15)
    if tense in ("past", "progressive") and d.chance(0.4):
        clause.time = d.time(tense, clause.verb)
    return statement(clause)


@construction(1.2)
def negation_kein(d: Draw) -> Sentence:
    """Er hat kein Auto; wir essen kein Fleisch."""
    tense = d.pick(("present", "progressive", "past", "future", "perfect"))
    if tense == "present":
        verb = lexicon.verb(d.pick(("have/", "need")))
        d.lemmas.append(verb.lemma)
    else:
        verb = d.verb("accusative", tense=tense, where=lambda verb: verb.objects - PEOPLE)
    clause = d.clause(verb, tense=tense, negated=True, definite=0.0)
    for _ in range(20):
        if clause.is_kein:
            break
        d.fill(clause, definite=0.0)
        d.suit(clause)
    if tense in ("past", "progressive") and d.chance(0.3):
        clause.time = d.time(tense, clause.verb)
    return statement(clause)


ALREADY = (
    Phrase("already", ("already",), ("schon",), ((0, 0),), ""),
    Phrase("just", ("just",), ("gerade",), ((0, 0),), ""),
)
