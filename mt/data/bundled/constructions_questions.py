"""Questions and orders."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import ALL
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import Adverbial
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.lexicon_modifiers import CLOCK
from mt.data.bundled.morphology_de import DIESER
from mt.data.bundled.noun_phrase import Fixed, NounPhrase
from mt.data.bundled.sentence import Word

WHO = ("wer", "wen", "wem", "wessen")


@construction(1.2)
def yes_no_question(d: Draw) -> Sentence:
    """Liest du das Buch? Do-support has no German word of its own."""
    tense = d.pick(("present", "progressive", "future"))
    verb = d.verb(*ALL, tense=tense)
    if tense == "present" and d.chance(0.4):
        verb = d.verb("accusative", where=lambda verb: verb.is_state and "event" not in verb.flags)
        clause = d.clause(verb, tense=tense, is_question=True, place=0.5)
        return Sentence(clause.english(question=True), clause.german("first"), "?")
    clause = d.clause(verb, tense=tense, is_question=True, place=0.5)
    if tense == "present" or d.chance(0.3):
        clause.time = d.time(tense, clause.verb)
    return Sentence(clause.english(question=True), clause.german("first"), "?")


@construction()
def question_past(d: Draw) -> Sentence:
    """Hast du gestern den Arzt angerufen?"""
    tense = d.pick(("past", "past", "perfect"))
    clause = d.clause(d.verb(*ALL, tense=tense), tense=tense, is_question=True, place=0.5)
    if clause.tense == "past" and d.chance(0.6):
        clause.time = d.time("past", clause.verb)
    return Sentence(clause.english(question=True), clause.german("first"), "?")


@construction(0.8)
def question_modal(d: Draw) -> Sentence:
    """Kannst du mir helfen?"""
    clause = d.clause(
        d.verb(*ALL, tense="modal"),
        modal=d.pick(("can", "must", "may", "want", "have", "should")),
        is_question=True,
        place=0.5,
    )
    if d.chance(0.3):
        clause.time = d.time("modal")
    return Sentence(clause.english(question=True), clause.german("first"), "?")


@construction(0.8)
def question_who(d: Draw) -> Sentence:
    """Wer hat das Fenster geöffnet?"""
    tense = d.pick(("progressive", "past", "perfect", "future"))
    verb = d.verb(*ALL, tense=tense, where=lambda verb: "person" in verb.subjects)
    who = Fixed("who", WHO, d.mark())
    clause = d.clause(verb, subject=who, tense=tense, is_question=True, place=0.5)
    if d.chance(0.3):
        clause.time = d.time(tense, clause.verb)
    return Sentence(clause.english(), clause.german(), "?")


@construction()
def question_what(d: Draw) -> Sentence:
    """Was hast du gestern gekauft?"""
    tense = d.pick(("progressive", "past", "perfect", "future"))
    verb = d.verb("accusative", tense=tense, where=lambda verb: verb.objects & THINGS and not verb.objects & PEOPLE)
    clause = d.clause(verb, tense=tense, is_question=True, with_object=False, place=0.5)
    mark = d.mark()
    if d.chance(0.4):
        clause.time = d.time(tense, clause.verb)
    return Sentence(
        clause.english(question=True, front=[Word("what", mark)]), clause.german(front=[Word("was", mark)]), "?"
    )


THINGS = frozenset(("food", "drink", "readable", "writable", "buy", "own", "carry", "learnable", "drivable"))
ADVERBS = (("when", "wann"), ("where", "wo"), ("why", "warum"))


@construction()
def question_when_where_why(d: Draw) -> Sentence:
    """Warum lernst du Deutsch? Wo wohnt er?"""
    en, de = d.pick(ADVERBS)
    tense = d.pick(("progressive", "past", "future"))
    if en == "when" and tense == "progressive":
        tense = "future"
    verb = d.verb("intransitive", "accusative", "accusative", "dative", tense=tense)
    clause = d.clause(verb, tense=tense, is_question=True)
    mark = d.mark()
    return Sentence(clause.english(question=True, front=[Word(en, mark)]), clause.german(front=[Word(de, mark)]), "?")


@construction(0.6)
def question_whom(d: Draw) -> Sentence:
    """Wen hast du getroffen? Wem hilft er? Auf wen wartest du? The verb decides the case."""
    tense = d.pick(("progressive", "past", "future"))
    frame = d.pick(("accusative", "dative", "prepositional"))
    verb = d.verb(frame, tense=tense, where=lambda verb: verb.objects & PEOPLE)
    clause = d.clause(verb, tense=tense, is_question=True, with_object=False)
    if d.chance(0.4):
        clause.time = d.time(tense, verb)
    who, preposition = d.mark(), d.mark()
    en = [Word("who", who)]
    if frame == "prepositional" and verb.governs is not None and verb.governs[0]:
        english, german, case = verb.governs
        clause.after = ([], [])
        clause.prepositional = Adverbial([Word(english, preposition)], [])
        de = [Word(german, preposition), Word(WHO[case], who)]
    elif frame == "prepositional":
        return question_whom(d)
    else:
        de = [Word(WHO[1 if frame == "accusative" else 2], who)]
    return Sentence(clause.english(question=True, front=en), clause.german(front=de), "?")


@construction(0.6)
def question_how_much(d: Draw) -> Sentence:
    """Wie alt ist dein Bruder? Wie viel kostet das Buch? Das Buch kostet zehn Euro."""
    how, what = d.mark(), d.mark()
    if d.chance(0.5):
        noun = d.noun(frozenset(("clothing", "furniture", "vehicle", "device", "instrument", "readable")) - {"poem"})
        while not noun.tags & {"buy"}:
            d.lemmas.pop()
            noun = d.noun(frozenset(("clothing", "furniture", "vehicle", "device", "instrument", "readable")))
        thing = d.phrase_of(noun, determiner=d.pick(("the", "this")), adjective=0.4, is_plural=d.needs_plural(noun))
        verb = lexicon.verb("cost/")
        d.lemmas.append(verb.lemma)
        clause = d.clause(verb, subject=thing, tense=d.pick(("present", "present", "past")), with_object=False)
        clause.spoken = False
        if d.chance(0.5):
            price, euro = d.pick(lexicon.phrases("PRICES")), d.mark()
            d.lemmas.append(price.lemma)
            clause.predicate = Adverbial(
                [Word(price.en[0], what), Word("euros", euro)], [Word(price.de[0], what), Word("Euro", euro)]
            )
            return Sentence(clause.english(), clause.german())
        return Sentence(
            clause.english(question=True, front=[Word("how", how), Word("much", what)]),
            clause.german(front=[Word("wie", how), Word("viel", what)]),
            "?",
        )
    subject = d.phrase_of(d.noun(frozenset({"kin"})), adjective=0.0, is_plural=False)
    clause = Clause(subject, lexicon.COPULA, d.mark, tense=d.pick(("present", "past")))
    if d.chance(0.5):
        number, year = d.pick(lexicon.phrases("PRICES")), d.mark()
        d.lemmas.append(number.lemma)
        clause.predicate = Adverbial(
            [Word(number.en[0], how), Word("years", year), Word("old", what)],
            [Word(number.de[0], how), Word("Jahre", year), Word("alt", what)],
        )
        return Sentence(clause.english(), clause.german())
    return Sentence(
        clause.english(question=True, front=[Word("how", how), Word("old", what)]),
        clause.german(front=[Word("wie", how), Word("alt", what)]),
        "?",
    )


@construction(0.8)
def question_which(d: Draw) -> Sentence:
    """Welches Buch liest du? Wie viele Bücher hast du gelesen?"""
    tense = d.pick(("progressive", "past", "perfect", "future"))
    verb = d.verb("accusative", tense=tense, where=lambda verb: not verb.objects & PEOPLE)
    clause = d.clause(verb, tense=tense, is_question=True, with_object=False, place=0.2)
    noun = d.noun(verb.objects)
    while noun.is_mass:
        d.lemmas.pop()
        if all(entry.is_mass for entry in lexicon.nouns_tagged(verb.objects)):
            return question_which(d)
        noun = d.noun(verb.objects)
    word, how = d.mark(), d.mark()
    is_many = d.chance(0.4)
    phrase = NounPhrase(noun, d.mark, determiner="", is_plural=is_many or d.needs_plural(noun, verb) or d.chance(0.2))
    if is_many:
        en, de = [Word("how", how), Word("many", word)], [Word("wie", how), Word("viele", word)]
    else:
        en, de = [Word("which", word)], [Word("welch" + DIESER[phrase.gender][1], word)]
    if d.chance(0.3):
        clause.time = d.time(tense, verb)
    return Sentence(
        clause.english(question=True, front=[*en, *phrase.english()]),
        clause.german(front=[*de, *phrase.german(1)]),
        "?",
    )


@construction(0.8)
def at_eight_o_clock(d: Draw) -> Sentence:
    """Der Zug kommt um acht Uhr an."""
    verb = d.verb("intransitive", "direction", where=lambda verb: verb.flags & CLOCKED)
    tense = d.pick(("future", "past"))
    clause = d.clause(verb, tense=tense)
    hour, at, clock = d.pick(HOURS), d.mark(), d.mark()
    number = d.mark()
    is_front = d.chance(0.3)
    en = [Word("at", at), Word(hour[0], number), Word("o'clock", clock)]
    de = [Word("um", at), Word(hour[1], number), Word("Uhr", clock)]
    d.lemmas.append(hour[0])
    if not is_front and d.chance(0.5):
        day = d.adverbial(d.pick(d.times("week")))
        en, de = [*en, *day.en], [*day.de, *de]
    clause.time = Adverbial(en, de, is_front=is_front)
    return Sentence(clause.english(), clause.german())


CLOCKED = frozenset(("moment", "@walk", "@drive", "@come"))
HOURS = tuple(tuple(pair.split()) for pair in CLOCK.split(";"))
