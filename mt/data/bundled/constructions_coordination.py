"""Clauses and noun phrases side by side: und, aber, and conjunctions in pairs."""

from mt.data.bundled import lexicon
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.constructions_subordinate import reason
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_noun import PEOPLE
from mt.data.bundled.noun_phrase import NounPhrase
from mt.data.bundled.sentence import COMMA, Word


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
    subject = d.someone()
    first = d.clause(d.active_verb(), subject=subject, modal="want", tense="past")
    second = reason(d, d.again(subject), past=True, modals=("have",))
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
        clause.accusative = Pair(([], [Word("nicht", clause.negation_mark)]), first, between, second)
        german = clause.german()  # its nicht stands before the first noun phrase
        clause.negated = True
        return Sentence(clause.english(), german)
    clause.accusative = Pair(([Word(en_first, one)], [Word(de_first, one)]), first, between, second)
    return statement(clause)
