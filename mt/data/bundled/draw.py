"""Drawing words that suit each other: whole clauses, with subjects and objects for their verbs."""

from mt.data.bundled.clause import Clause
from mt.data.bundled.draw_adverbial import AdverbialDraw
from mt.data.bundled.draw_noun import PERSONS
from mt.data.bundled.draw_verb import VerbDraw
from mt.data.bundled.lexicon import Verb
from mt.data.bundled.noun_phrase import NounPhrase


class Draw(AdverbialDraw, VerbDraw):
    """All choices of one sentence: what the constructions are written with."""

    def clause(
        self,
        verb: Verb,
        *,
        subject=None,
        tense: str = "present",
        modal: str = "",
        negated: bool = False,
        is_question: bool = False,
        with_object: bool = True,
        definite: float = 0.5,
        manner: float = 0.0,
        temporal: bool = False,
        place: float = 0.0,
        time: float = 0.0,
    ) -> Clause:
        """A clause with all the arguments that the verb wants, and some adverbs of manner."""
        if subject is None:
            subject = self.subject(verb.subjects)
            while is_question and not modal and subject.owner in ("I", "we"):
                subject = self.subject(verb.subjects)
        if tense == "progressive" and verb.is_state:
            tense = "present"
        spoken = is_question or (subject.person in (0, 1, 3, 4) and not temporal) or subject.owner.startswith("you")
        if verb.lemma == "have/haben" or verb.frame == "copula":
            spoken = False
        clause = Clause(subject, verb, self.mark, tense=tense, modal=modal, negated=negated, spoken=spoken)
        clause.contracted = negated and self.chance(0.5)
        if with_object:
            self.fill(clause, definite=definite)
            self.suit(clause)
        if manner and self.chance(manner) and not (clause.accusative and clause.accusative.is_indefinite):
            clause.manner = self.manner(verb)
        if place and clause.manner is None and verb.frame in ("intransitive", "accusative") and self.chance(place):
            clause.place = self.place_for(verb)
        if time and self.chance(time):
            clause.time = self.time("modal" if modal and tense == "present" else tense, verb)
        return clause

    def fill(self, clause: Clause, *, definite: float = 0.5) -> None:
        """The objects and complements that the verb wants."""
        verb, subject = clause.verb, clause.subject
        frame = verb.frame
        if frame in ("accusative", "ditransitive"):
            clause.accusative = self.object(verb.objects, subject, definite=definite)
        elif frame == "dative":
            clause.dative = self.object(verb.objects, subject, definite=1.0)
        elif frame == "prepositional":
            assert verb.governs is not None
            en, de, case = verb.governs
            target = self.object(verb.objects, subject, definite=1.0)
            if en:
                clause.prepositional = self.prepositional(en, de, case, target)
            else:
                phrase = self.prepositional("x", de, case, target)
                phrase.en = phrase.en[1:]
                clause.prepositional = phrase
        elif frame == "direction":
            clause.place = self.place_for(verb, is_direction=True)
        elif frame == "location":
            clause.place = self.place_for(verb)
        if frame == "ditransitive":
            clause.dative = self.human_object(PERSONS, subject)
            clause.to_dative = verb.en.base in ("explain",) or self.chance(0.35)
        accusative = clause.accusative
        if clause.negated and isinstance(accusative, NounPhrase):
            if isinstance(accusative.determiner, tuple):
                accusative.determiner = "the"
                accusative.is_indefinite = False
            elif accusative.determiner == "" and accusative.is_plural:
                accusative.determiner = "any"

    def suit(self, clause: Clause) -> None:
        """Puts the object into the plural where the verb or noun wants it."""
        phrase = clause.accusative
        if not isinstance(phrase, NounPhrase) or phrase.is_plural or not self.needs_plural(phrase.noun, clause.verb):
            return
        determiner = phrase.determiner
        clause.accusative = NounPhrase(
            phrase.noun,
            self.mark,
            determiner="" if determiner == "a" else determiner,
            is_plural=True,
            adjectives=phrase.adjectives,
        )
