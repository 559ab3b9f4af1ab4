"""The passive, plain and with modal verbs."""

from mt.data.bundled.clause import Clause
from mt.data.bundled.construction import Sentence, construction
from mt.data.bundled.constructions_main import statement
from mt.data.bundled.draw import Draw
from mt.data.bundled.morphology_de import DATIVE


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
