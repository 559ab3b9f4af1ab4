"""Main and subordinate clause: weil and denn, dass, wenn and als, bevor, damit, indirect questions."""

from mt.data.bundled import lexicon
from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_adjective import describe
from mt.data.bundled.constructions_main import ALL
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_adverbial import Adverbial
from mt.data.bundled.draw_verb import VERBS
from mt.data.bundled.noun_phrase import Fixed, NounPhrase, Pronoun
from mt.data.bundled.sentence import COMMA, Word

FRONT = [Word(",")]  # stands for the clause before it: the verb comes next
REASONS = ("tired", "sick", "hungry", "thirsty", "nervous", "sad", "happy")
DUTIES = (
    "work/|sleep|rest|get up|go/gehen|pick up|visit|help|call|cook/|eat|write|read|learn|go out|drive/|buy|repair|wash|"
    "prepare|translate|clean|practice|meet|sell|travel"
)
# What takes a while, what one does next, what helps others, and what it helps them to.
LASTING = "wait/|work/|sleep|read|sing/|dance/|cook/|hike|listen/|wash|clean|practice|write|translate|learn|paint"
LATER = "go out|go/gehen|lie down|drive/|travel/|call|turn on|open|eat|rest|sit down|read|work/"
HELPFUL = "open|close|turn on|turn off|repair|prepare|clean|wash|cook/|buy|carry|help"
RESULTS = "sleep|work/|rest|read|cook/|learn|dance/|sing/|translate|write|eat|drink|swim|photograph|play"


def subordinate(
    d: Draw, main: Clause, en: str, de: str, clause: Clause, *, first: bool = False, order: str = "last"
) -> Sentence:
    """Both clauses joined by a conjunction, the subordinate one after or before the other."""
    mark = d.mark()
    en_words = [*[Word(w, mark) for w in en.split()], *clause.english()]
    de_words = [Word(de, mark), *clause.german(order)]
    if first:
        return Sentence([*en_words, COMMA, *main.english()], [*de_words, COMMA, *main.german(front=FRONT)])
    return Sentence([*main.english(), *en_words], [*main.german(), COMMA, *de_words])


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
    subject = d.someone()
    main = d.clause(
        d.active_verb(),
        subject=subject,
        tense="past" if past else "progressive",
        negated=d.chance(0.2),
        time=0.45,
        place=0.6,
    )
    en, de = d.pick((("because", "weil"), ("because", "weil"), ("since", "da")))
    return subordinate(d, main, en, de, reason(d, d.again(subject), past=past), first=de == "da" or d.chance(0.2))


@construction(0.5)
def for_denn(d: Draw) -> Sentence:
    """Er blieb zu Hause, denn er war müde: verb second after denn."""
    subject = d.someone()
    main = d.clause(d.active_verb(), subject=subject, tense="past", negated=d.chance(0.2), time=0.45, place=0.6)
    sub = reason(d, d.again(subject), past=True)
    mark = d.mark()
    return Sentence(
        [*main.english(), COMMA, Word("for", mark), *sub.english()],
        [*main.german(), COMMA, Word("denn", mark), *sub.german()],
    )


@construction(0.9)
def although(d: Draw) -> Sentence:
    """Obwohl er krank war, ging er zur Arbeit."""
    past = d.chance(0.6)
    subject = d.someone()
    main = d.clause(d.active_verb(), subject=subject, tense="past" if past else "progressive", time=0.45, place=0.6)
    sub = reason(d, d.again(subject), past=past)
    return subordinate(d, main, "although", "obwohl", sub, first=d.chance(0.4))


@construction(1.2)
def that_clause(d: Draw) -> Sentence:
    """Ich glaube, dass er morgen kommt."""
    verb = lexicon.verb(d.pick(("say/", "think/denken", "believe/", "know/wissen", "hope/", "hear/hören")))
    verb = next(v for v in VERBS["other"] if v.lemma == verb.lemma)
    d.lemmas.append(verb.lemma)
    tense = "past" if verb.en.base in ("say", "hear") else "present"
    main = d.clause(verb, subject=d.someone(0.6), tense=tense, with_object=False)
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
    subject = d.someone(0.6)
    main = d.clause(
        d.active_verb(), subject=subject, tense="future", modal=d.pick(("", "", "can", "must")), time=0.45, place=0.5
    )
    roll = d.random()
    if roll < 0.4:
        sub = weather(d, past=False, negated=d.chance(0.3))
        sub.tense = "present"
    elif roll < 0.7:
        sub = Clause(d.again(subject), lexicon.verb("have/"), d.mark)
        sub.accusative = NounPhrase(lexicon.noun(d.pick(("time", "money"))), d.mark, determiner="")
    else:
        sub = describe(d, d.again(subject), negated=d.chance(0.2), state=True) or weather(d, past=False)
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
        sub = d.clause(d.one_of(LATER), subject=d.again(subject), tense="past", temporal=True)
    return subordinate(d, main, en, de, sub, first=de == "bevor" and d.chance(0.5))


@construction(1.0)
def after_nachdem(d: Draw) -> Sentence:
    """Nachdem er gegessen hatte, ging er nach Hause."""
    subject = d.narrator()
    sub = d.clause(d.active_verb(), subject=subject, tense="pluperfect")
    main = d.clause(d.active_verb(), subject=d.again(subject), tense="past", temporal=True)
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
