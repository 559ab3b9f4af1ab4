"""Sentences of two clauses: subordinate clauses, infinitives, coordination, wishes, the passive, orders."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import ALL, statement
from mt.data.bundled.constructions_noun import describe
from mt.data.bundled.draw import PEOPLE, PURPOSES, VERBS, Adverbial, Draw
from mt.data.bundled.morphology_de import DATIVE, HAETTE, WAERE
from mt.data.bundled.noun_phrase import Fixed, NounPhrase, Pronoun
from mt.data.bundled.sentence import COMMA, Word

NARRATIVE = ("he", "she", "they")


def subordinate(
    d: Draw, main: Clause, en: str, de: str, clause: Clause, *, first: bool = False, order: str = "last"
) -> Sentence:
    """Both clauses joined by a conjunction, the subordinate one behind or in front."""
    mark = d.mark()
    en_words = [*[Word(w, mark) for w in en.split()], *clause.english()]
    de_words = [Word(de, mark), *clause.german(order)]
    if first:
        return Sentence([*en_words, COMMA, *main.english()], [*de_words, COMMA, *main.german(front=FRONT)])
    return Sentence([*main.english(), *en_words], [*main.german(), COMMA, *de_words])


FRONT = [Word(",")]  # stands for the clause before it: the verb comes next


def again(d: Draw, subject):
    """A pronoun for a subject that was just named."""
    if isinstance(subject, Pronoun):
        return Pronoun(subject.name, d.mark())
    if subject.owner in ("he", "she", "they", "we", "I"):
        return Pronoun(subject.owner, d.mark())
    return subject.pronoun(d.mark())


def someone(d: Draw, pronouns: float = 0.4):
    """A person that a pronoun can take up."""
    while True:
        subject = d.person(pronouns=pronouns)
        if subject.owner:
            return subject


def reason(d: Draw, subject, *, past: bool, modals: tuple[str, ...] = ("want", "have")) -> Clause:
    """Why somebody does something: tired, has to work, bad weather, no time."""
    roll = d.random()
    if roll < 0.4:
        entry, mark, very = lexicon.adjective(d.pick(REASONS)), d.mark(), d.mark()
        d.lemmas.append(entry.lemma)
        clause = Clause(subject, lexicon.COPULA, d.mark, tense="past" if past else "present")
        en, de = [Word(entry.en[0], mark)], [Word(entry.de[0], mark)]
        if d.chance(0.4):
            en, de = [Word("very", very), *en], [Word("sehr", very), *de]
        clause.predicate = Adverbial(en, de)
        return clause
    if roll < 0.75:
        return d.clause(d.one_of(DUTIES), subject=subject, modal=d.pick(modals), tense="past" if past else "present")
    if roll < 0.85:
        return weather(d, past=past)
    clause = Clause(subject, lexicon.verb("have/"), d.mark, tense="past" if past else "present", negated=d.chance(0.6))
    clause.contracted = d.chance(0.5)
    noun = lexicon.noun(d.pick(("time", "money")))
    d.lemmas.append(noun.lemma)
    clause.accusative = NounPhrase(noun, d.mark, determiner="any" if clause.negated else "")
    return clause


REASONS = ("tired", "sick", "hungry", "thirsty", "nervous", "sad", "happy")
DUTIES = (
    "work/|sleep|rest|get up|go/gehen|pick up|visit|help|call|cook/|eat|write|read|learn|go out|drive/|buy|repair|wash|"
    "prepare|translate|clean|practice|meet|sell|travel"
)
# What takes a while, what one can forget or leave out, what helps others, and what it helps them to.
LASTING = "wait/|work/|sleep|read|sing/|dance/|cook/|hike|listen/|wash|clean|practice|write|translate|learn|paint"
OMITTED = (
    "greet|thank|answer|close|ask|help|listen to|pay|call|check|prepare|try|congratulate|turn off|wake|visit|sleep|eat|"
    "pack"
)
LATER = "go out|go/gehen|lie down|drive/|travel/|call|turn on|open|eat|rest|sit down|read|work/"
HELPFUL = "open|close|turn on|turn off|repair|prepare|clean|wash|cook/|buy|carry|help"
RESULTS = "sleep|work/|rest|read|cook/|learn|dance/|sing/|translate|write|eat|drink|swim|photograph|play"


def weather(d: Draw, *, past: bool, negated: bool = False) -> Clause:
    """Es regnet."""
    verb = lexicon.verb(d.pick(("rain", "snow")))
    d.lemmas.append(verb.lemma)
    subject = Fixed("it", "es", d.mark(), is_pronoun=True)
    clause = Clause(subject, verb, d.mark, tense="past" if past else "progressive", negated=negated)
    clause.contracted = d.chance(0.5)
    return clause


@construction(1.3)
def because(d: Draw) -> Sentence:
    """Sie bleibt zu Hause, weil sie müde ist."""
    past = d.chance(0.5)
    subject = someone(d)
    main = d.clause(
        d.active_verb(),
        subject=subject,
        tense="past" if past else "progressive",
        negated=d.chance(0.2),
        time=0.45,
        place=0.6,
    )
    en, de = d.pick((("because", "weil"), ("because", "weil"), ("since", "da")))
    return subordinate(d, main, en, de, reason(d, again(d, subject), past=past), first=de == "da" or d.chance(0.2))


@construction(0.5)
def for_denn(d: Draw) -> Sentence:
    """Er blieb zu Hause, denn er war müde: verb second after denn."""
    subject = someone(d)
    main = d.clause(d.active_verb(), subject=subject, tense="past", negated=d.chance(0.2), time=0.45, place=0.6)
    sub = reason(d, again(d, subject), past=True)
    mark = d.mark()
    return Sentence(
        [*main.english(), COMMA, Word("for", mark), *sub.english()],
        [*main.german(), COMMA, Word("denn", mark), *sub.german()],
    )


@construction(0.9)
def although(d: Draw) -> Sentence:
    """Obwohl er krank war, ging er zur Arbeit."""
    past = d.chance(0.6)
    subject = someone(d)
    main = d.clause(d.active_verb(), subject=subject, tense="past" if past else "progressive", time=0.45, place=0.6)
    sub = reason(d, again(d, subject), past=past)
    return subordinate(d, main, "although", "obwohl", sub, first=d.chance(0.4))


@construction(1.2)
def that_clause(d: Draw) -> Sentence:
    """Ich glaube, dass er morgen kommt."""
    verb = lexicon.verb(d.pick(("say/", "think/denken", "believe/", "know/wissen", "hope/", "hear/hören")))
    verb = next(v for v in VERBS["other"] if v.lemma == verb.lemma)
    d.lemmas.append(verb.lemma)
    tense = "past" if verb.en.base in ("say", "hear") else "present"
    main = d.clause(verb, subject=someone(d, 0.6), tense=tense, with_object=False)
    inner_tense = d.pick(("past", "progressive", "future", "perfect")) if tense == "present" else "past"
    if verb.en.base == "hope":
        inner_tense = d.pick(("future", "perfect"))
    if d.chance(0.3) and inner_tense in ("past", "progressive"):
        sub = describe(
            d, d.thing() if d.chance(0.5) else d.person(), tense="past" if inner_tense == "past" else "present"
        )
    else:
        sub = None
    if sub is None:
        sub = d.clause(d.verb(*ALL, tense=inner_tense), tense=inner_tense, negated=d.chance(0.15))
        if d.chance(0.4):
            sub.time = d.time(inner_tense, sub.verb)
    return subordinate(d, main, "that", "dass", sub)


@construction(1.1)
def if_wenn(d: Draw) -> Sentence:
    """Wenn es regnet, bleiben wir zu Hause."""
    subject = someone(d, 0.6)
    main = d.clause(
        d.active_verb(), subject=subject, tense="future", modal=d.pick(("", "", "can", "must")), time=0.45, place=0.5
    )
    roll = d.random()
    if roll < 0.4:
        sub = weather(d, past=False, negated=d.chance(0.3))
        sub.tense = "present"
    elif roll < 0.7:
        sub = Clause(again(d, subject), lexicon.verb("have/"), d.mark)
        sub.accusative = NounPhrase(lexicon.noun(d.pick(("time", "money"))), d.mark, determiner="")
    else:
        sub = describe(d, again(d, subject), negated=d.chance(0.2), state=True) or weather(d, past=False)
    return subordinate(d, main, "if", "wenn", sub, first=d.chance(0.7))


@construction(1.0)
def when_als(d: Draw) -> Sentence:
    """Als ich nach Hause kam, schlief mein Bruder."""
    subject = d.person(pronouns=0.5)
    while subject.owner.startswith("you"):
        subject = d.person(pronouns=0.5)
    if d.chance(0.4):
        sub = Clause(subject, lexicon.COPULA, d.mark, tense="past")
        entry = lexicon.adjective(d.pick(("young", "sick", "small", "tired")))
        mark = d.mark()
        d.lemmas.append(entry.lemma)
        sub.predicate = Adverbial([Word(entry.en[0], mark)], [Word(entry.de[0], mark)])
    else:
        sub = d.clause(d.short_verb(), subject=subject, tense="past", temporal=True)
    main = d.clause(d.active_verb(), subject=d.narrator(), tense="past", temporal=True, place=0.6)
    return subordinate(d, main, "when", "als", sub, first=d.chance(0.7))


def other_than(d: Draw, subject):
    """Somebody else, and not `you`."""
    while True:
        other = d.narrator()
        if other.owner != subject.owner:
            return other


@construction(1.0)
def before_bevor(d: Draw) -> Sentence:
    """Bevor sie ging, schloss sie das Fenster."""
    subject = d.narrator()
    en, de = d.pick((("before", "bevor"), ("before", "bevor"), ("until", "bis")))
    verb = d.one_of(LASTING) if de == "bis" else d.active_verb()
    main = d.clause(verb, subject=subject, tense="past", temporal=True, place=0.5)
    if de == "bis":
        sub = d.clause(
            d.one_of("come back|arrive|fall asleep|go/gehen"),
            subject=other_than(d, subject),
            tense="past",
            temporal=True,
        )
    else:
        sub = d.clause(d.one_of(LATER), subject=again(d, subject), tense="past", temporal=True)
    return subordinate(d, main, en, de, sub, first=de == "bevor" and d.chance(0.5))


@construction(1.0)
def after_nachdem(d: Draw) -> Sentence:
    """Nachdem er gegessen hatte, ging er nach Hause."""
    subject = d.narrator()
    sub = d.clause(d.active_verb(), subject=subject, tense="pluperfect")
    main = d.clause(d.active_verb(), subject=again(d, subject), tense="past", temporal=True)
    return subordinate(d, main, "after", "nachdem", sub, first=True)


@construction(0.7)
def while_waehrend(d: Draw) -> Sentence:
    """Während ich kochte, lasen die Kinder."""
    subject = d.narrator()
    sub = d.clause(d.one_of(LASTING), subject=subject, tense="progressive", place=0.5)
    main = d.clause(d.active_verb(), subject=other_than(d, subject), tense="progressive", place=0.5)
    return subordinate(d, main, "while", "während", sub, first=d.chance(0.6))


@construction(0.8)
def so_that_damit(d: Draw) -> Sentence:
    """Sie macht das Licht aus, damit das Kind schlafen kann."""
    subject = d.narrator()
    main = d.clause(d.one_of(HELPFUL), subject=subject, tense=d.pick(("progressive", "future")), time=0.2)
    other = d.person(pronouns=0.6)
    while other.owner == subject.owner:
        other = d.person(pronouns=0.6)
    sub = d.clause(d.one_of(RESULTS), subject=other, modal="can", place=0.2)
    return subordinate(d, main, "so that", "damit", sub)


@construction(1.0)
def whether_ob(d: Draw) -> Sentence:
    """Weißt du, ob der Zug schon abgefahren ist?"""
    tense = d.pick(("future", "past", "perfect", "progressive"))
    sub = d.clause(d.verb(*ALL, tense=tense), tense=tense)
    if d.chance(0.4):
        sub.time = d.time(tense, sub.verb)
    return indirect(d, "whether", "ob", sub)


def indirect(d: Draw, en: str, de: str, sub: Clause) -> Sentence:
    """I do not know / Do you know / He asks, and an indirect question."""
    roll = d.random()
    mark = d.mark()
    if roll < 0.4:
        subject = d.pronoun(("I", "he", "she", "we", "they"))
        main = Clause(subject, lexicon.verb("know/wissen"), d.mark, negated=True)
        main.contracted = d.chance(0.5)
    elif roll < 0.7:
        main = Clause(Pronoun(d.you(), d.mark()), lexicon.verb("know/wissen"), d.mark)
        return Sentence(
            [*main.english(question=True), Word(en, mark), *sub.english()],
            [*main.german("first"), COMMA, Word(de, mark), *sub.german("last")],
            "?",
        )
    else:
        main = d.clause(
            next(v for v in VERBS["other"] if v.en.base == "ask"), subject=d.narrator(), tense="progressive"
        )
    return Sentence(
        [*main.english(), Word(en, mark), *sub.english()], [*main.german(), COMMA, Word(de, mark), *sub.german("last")]
    )


@construction(0.8)
def indirect_question(d: Draw) -> Sentence:
    """Ich weiß nicht, wo er wohnt."""
    verb = d.active_verb()
    has_place = verb.frame in ("direction", "location")
    en, de = d.pick((("when", "wann"), ("why", "warum"), ("why", "warum") if has_place else ("where", "wo")))
    return indirect(d, en, de, d.clause(verb, tense=d.pick(("past", "future"))))


@construction(1.0)
def in_order_to(d: Draw) -> Sentence:
    """Er geht in den Supermarkt, um Brot zu kaufen."""
    subject = someone(d)
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
    subject = someone(d)
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
    subject = someone(d, 0.7)
    main = d.clause(d.active_verb(), subject=subject, modal="would")
    other = again(d, subject)
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
        [Word("if", mark), *subject.english("subject"), *en, COMMA, *_swap(main, other).english()],
        [Word("wenn", mark), *subject.german(0), *de, COMMA, *_swap(main, other).german(front=FRONT)],
    )


def _swap(clause: Clause, subject) -> Clause:
    clause.subject = subject
    return clause


@construction(0.5)
def wish(d: Draw) -> Sentence:
    """Ich wünschte, ich hätte mehr Zeit."""
    subject = d.pronoun(("I", "he", "she", "we", "they"))
    other = again(d, subject)
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


@construction(1.2)
def passive(d: Draw) -> Sentence:
    """Der Brief wurde gestern geschrieben; das Haus wird von meinem Vater gebaut."""
    tense = d.pick(("past", "past", "perfect", "present", "future"))
    clause = passive_clause(d, tense=tense)
    if tense == "past" and d.chance(0.4):
        clause.time = d.time("past", clause.verb)
    if tense == "present":
        clause.time = d.adverbial(d.pick(d.times("habit")))
    if d.chance(0.35):
        agent = d.person(pronouns=0.0)
        clause.manner = d.prepositional("by", "von", DATIVE, agent)
    return statement(clause)


def passive_clause(d: Draw, *, tense: str = "present", modal: str = "") -> Clause:
    """A clause whose subject is the thing to which something is done."""
    verb = d.passive_verb()
    if tense == "present" and not modal:
        while "once" in verb.flags:
            d.lemmas.pop()
            verb = d.passive_verb()
    noun = d.noun(verb.objects)
    is_plural = d.needs_plural(noun, verb) or (not noun.is_mass and d.chance(0.25))
    phrase = d.phrase_of(noun, determiner="the", adjective=0.2, is_plural=is_plural)
    clause = Clause(phrase, verb, d.mark, tense=tense, modal=modal)
    clause.passive = True
    return clause


@construction(0.7)
def passive_modal(d: Draw) -> Sentence:
    """Das Auto muss repariert werden."""
    clause = passive_clause(d, modal=d.pick(("must", "can", "have", "should")))
    clause.negated = clause.modal in ("can", "should") and d.chance(0.3)
    clause.contracted = d.chance(0.5)
    if d.chance(0.3):
        clause.time = d.time("modal")
    return statement(clause)


@construction(1.0)
def coordination(d: Draw) -> Sentence:
    """Er öffnete das Fenster und schloss die Tür; ich koche, und sie liest; er ist müde, aber er arbeitet."""
    mark = d.mark()
    if d.chance(0.5):
        subject = d.narrator(first=False)
        first = d.clause(d.active_verb(), subject=subject, tense="past", temporal=True)
        second = d.clause(d.active_verb(), subject=subject, tense="past", temporal=True, place=0.5)
        return Sentence(
            [*first.english(), Word("and", mark), *second.english(skip_subject=True)],
            [*first.german(), Word("und", mark), *second.german("first", skip_subject=True)],
        )
    first = d.clause(d.active_verb(), subject=d.narrator(), tense="progressive")
    second = d.clause(d.active_verb(), subject=d.narrator(), tense="progressive")
    while second.subject.owner == first.subject.owner:
        second = d.clause(d.active_verb(), subject=d.narrator(), tense="progressive")
    return Sentence(
        [*first.english(), COMMA, Word("and", mark), *second.english()],
        [*first.german(), COMMA, Word("und", mark), *second.german()],
    )


@construction(0.7)
def but_aber(d: Draw) -> Sentence:
    """Sie wollte schlafen, aber sie musste arbeiten."""
    subject = someone(d)
    first = d.clause(d.active_verb(), subject=subject, modal="want", tense="past")
    second = reason(d, again(d, subject), past=True, modals=("have",))
    mark = d.mark()
    return Sentence(
        [*first.english(), COMMA, Word("but", mark), *second.english()],
        [*first.german(), COMMA, Word("aber", mark), *second.german()],
    )


class Pair:
    """Two noun phrases under a pair of conjunctions: nicht den Tee, sondern den Kaffee."""

    is_pronoun = is_indefinite = False
    noun = None

    def __init__(self, before: tuple[list[Word], list[Word]], first, between: tuple[list[Word], list[Word]], second):
        self.parts = before, first, between, second

    def english(self, role: str) -> list[Word]:
        before, first, between, second = self.parts
        return [*before[0], *first.english("object"), *between[0], *second.english("object")]

    def german(self, case: int) -> list[Word]:
        before, first, between, second = self.parts
        return [*before[1], *first.german(case), *between[1], *second.german(case)]


@construction(1.0)
def paired_conjunctions(d: Draw) -> Sentence:
    """Nicht den Tee, sondern den Kaffee; sowohl ... als auch; weder ... noch; entweder ... oder."""
    en_first, de_first, en_second, de_second = d.pick(
        (
            ("not", "nicht", "but", "sondern"),
            ("both", "sowohl", "and", "als auch"),
            ("neither", "weder", "nor", "noch"),
            ("either", "entweder", "or", "oder"),
        )
    )
    tense = d.pick(("past", "future", "perfect"))
    verb = d.verb(
        "accusative",
        tense=tense,
        where=lambda verb: not verb.objects & PEOPLE and len(lexicon.nouns_tagged(verb.objects)) > 2,
    )
    clause = d.clause(verb, tense=tense, with_object=False)
    options = verb.objects - PEOPLE
    first_noun = d.noun(options)
    second_noun = d.noun(options)
    while second_noun is first_noun:
        d.lemmas.pop()
        second_noun = d.noun(options)
    determiner = "the" if en_first == "not" or first_noun.is_mass or second_noun.is_mass or d.chance(0.5) else "a"
    first = NounPhrase(first_noun, d.mark, determiner=determiner, is_plural=d.needs_plural(first_noun, verb))
    second = NounPhrase(second_noun, d.mark, determiner=determiner, is_plural=d.needs_plural(second_noun, verb))
    for phrase in (first, second):
        if phrase.is_plural and determiner == "a":
            phrase.determiner = ""
    one, two = d.mark(), d.mark()
    comma = [COMMA] if de_second == "sondern" else []
    between = [Word(en_second, two)], [*comma, *[Word(w, two) for w in de_second.split()]]
    if en_first == "not":
        clause.negated, one = True, clause.marks[2]
        clause.contracted = False
        clause.accusative = Pair(([], [Word("nicht", one)]), first, between, second)
        german = [w for w in clause.german() if w.text != "nicht" or w.marks != one]
        clause.negated = False
        german = clause.german()
        clause.negated = True
        return Sentence(clause.english(), german)
    clause.accusative = Pair(([Word(en_first, one)], [Word(de_first, one)]), first, between, second)
    return statement(clause)
