"""A clause: a verb with its arguments and adverbials, written in English order and in German order.

German: [front] finite-verb subject middle-field right-bracket in main clauses; subject middle-field right-bracket
finite-verb in subordinate ones. English: [front] subject auxiliary verb objects manner place time.
"""

from typing import TYPE_CHECKING

from mt.data.bundled import morphology_de as german
from mt.data.bundled.lexicon import Verb
from mt.data.bundled.morphology_de import ACCUSATIVE, DATIVE, ER, HABEN, NOMINATIVE, SEIN, WERDEN
from mt.data.bundled.noun_phrase import Nominal, NounPhrase
from mt.data.bundled.sentence import Word, spell

if TYPE_CHECKING:
    from mt.data.bundled.draw_adverbial import Adverbial  # that module imports this one

# name: English words before the infinitive (first one is finite), negated finite, past; German; its past tense
MODALS = {
    "can": ("can", "", german.KOENNEN),
    "must": ("must", "", german.MUESSEN),
    "should": ("should", "", german.SOLLTE),
    "may": ("may", "", german.DUERFEN),
    "could": ("could", "", german.KOENNTE),
    "would": ("would", "", german.WUERDE),
    "would like": ("would", "like to", german.MOECHTE),
    "want": ("want", "to", german.WOLLEN),
    "have": ("have", "to", german.MUESSEN),
    "was allowed": ("be", "allowed to", german.DUERFEN),
    "was able": ("be", "able to", german.KOENNEN),
}
BE_PRESENT = ("am", "are", "is", "are", "are", "are")
BE_PAST = ("was", "were", "was", "were", "were", "were")


class Clause:
    """One clause. Arguments are noun phrases, adverbials `Adverbial`s; None where absent.

    tense: present, progressive, past, perfect, pluperfect, future. `spoken` past is the German perfect, else preterite.
    """

    __slots__ = (
        "accusative",
        "after",
        "contracted",
        "dative",
        "frequency",
        "gladly",
        "manner",
        "marks",
        "modal",
        "negated",
        "passive",
        "place",
        "predicate",
        "prepositional",
        "spoken",
        "subject",
        "tense",
        "time",
        "to_dative",
        "verb",
    )

    def __init__(self, subject, verb: Verb, marks, *, tense="present", modal="", negated=False, spoken=False):
        self.subject = subject
        self.verb = verb
        self.marks = (marks(), marks(), marks(), marks())  # verb, auxiliary, negation, `to`
        self.tense = tense
        self.modal = modal
        self.negated = negated
        self.spoken = spoken
        self.contracted = self.passive = self.gladly = self.to_dative = False
        self.accusative: Nominal | None = None
        self.dative: Nominal | None = None
        self.prepositional: Adverbial | None = None
        self.predicate: Adverbial | None = None
        self.time: Adverbial | None = None
        self.frequency: Adverbial | None = None
        self.manner: Adverbial | None = None
        self.place: Adverbial | None = None
        self.after: tuple[list[Word], list[Word]] = ([], [])

    # English

    def _english_verb(self, inverted: bool) -> tuple[list[Word], list[Word]]:
        """(finite verb or auxiliary, rest of the verb) where do-support is used if asked for or needed."""
        person = self.subject.en_person
        verb, auxiliary, _, to = self.marks
        forms = self.verb.en
        is_be = forms.base == "be"
        tense, modal = self.tense, self.modal
        be = BE_PAST if tense == "past" else BE_PRESENT
        chain: list[Word] = []
        if modal:
            first, rest, _ = MODALS[modal]
            base = [Word("be", to), Word(forms.participle, verb)] if self.passive else [Word(forms.base, verb)]
            tail = [Word(w, to if w == "to" else auxiliary) for w in rest.split()]
            chain = tail + base
            if first == "be":
                return [Word(be[person], auxiliary)], chain
            if first in ("want", "have"):
                if inverted or self.negated:
                    return [Word(_do(tense, person), auxiliary)], [Word(first, auxiliary), *chain]
                past = {"want": "wanted", "have": "had"}[first]
                third = {"want": "wants", "have": "has"}[first]
                finite = past if tense == "past" else third if person == ER else first
                return [Word(finite, auxiliary)], chain
            return [Word(first, auxiliary)], chain
        if self.gladly:
            if inverted or self.negated:
                return [Word(_do(tense, person), auxiliary)], [Word("like", to), Word("to"), Word(forms.base, verb)]
            finite = "likes" if person == ER else "like"
            return [Word(finite, to)], [Word("to"), Word(forms.base, verb)]
        if self.passive:
            participle = Word(forms.participle, verb)
            if tense == "perfect":
                return [Word("has" if person == ER else "have", auxiliary)], [Word("been", to), participle]
            if tense == "future":
                return [Word("will", auxiliary)], [Word("be", to), participle]
            return [Word(be[person], auxiliary)], [participle]
        if tense == "future":
            return [Word("will", auxiliary)], [Word(forms.base, verb)]
        if tense in ("perfect", "pluperfect"):
            finite = "had" if tense == "pluperfect" else "has" if person == ER else "have"
            return [Word(finite, auxiliary)], [Word(forms.participle, verb)]
        if is_be:
            return [Word(be[person], verb)], []
        if tense == "progressive":
            return [Word(BE_PRESENT[person], auxiliary)], [Word(forms.progressive, verb)]
        if inverted or self.negated:
            return [Word(_do(tense, person), auxiliary)], [Word(forms.base, verb)]
        finite = forms.past if tense == "past" else forms.third if person == ER else forms.base
        return [], [Word(finite, verb | (auxiliary if tense == "past" and self.spoken else 0))]

    def _english_objects(self) -> list[Word]:
        words: list[Word] = []
        forms = self.verb.en
        verb = self.marks[0]
        if forms.preposition:
            words.append(Word(forms.preposition, verb))
        accusative = self.accusative.english("object") if self.accusative else []
        dative = self.dative.english("object") if self.dative else []
        particle = spell(forms.particle, verb) if forms.particle else []
        if self.dative and self.accusative and self.to_dative:
            words += [*accusative, Word("to"), *dative]
        elif self.accusative and self.accusative.is_pronoun and not self.dative:
            words += accusative + particle
        else:
            words += particle + dative + accusative
        return words

    def english_rest(self, *, with_time: bool = True) -> list[Word]:
        """All that follows the verb, without the time where that stands in front."""
        words = self._english_objects()
        for part in (self.predicate, self.prepositional, self.manner, self.place, self.time if with_time else None):
            if part is not None:
                words += part.en
        return words + self.after[0]

    def english(self, *, question: bool = False, front=(), skip_subject: bool = False) -> list[Word]:
        """A statement, or with `question` finite verb before subject; `front` goes first."""
        subject = [] if skip_subject else self.subject.english("subject")
        finite, rest = self._english_verb(question)
        negation: list[Word] = []
        has_no = isinstance(self.accusative, NounPhrase) and self.accusative.determiner == "no"
        if self.negated and not (self.is_kein and has_no):
            mark = self.negation_mark
            if self.contracted and finite and finite[0].text not in ("am", "may"):
                finite = [Word(contract(finite[0].text), finite[0].marks | mark)]
            elif finite and finite[0].text == "can":
                finite = [Word("cannot", finite[0].marks | mark)]
            else:
                negation = [Word("not", mark)]
        frequency = self.frequency.en if self.frequency else []
        time_in_front = self.time.en if self.time is not None and self.time.is_front and not question else None
        words = list(front) if time_in_front is None else [*front, *time_in_front]
        if question:
            words += finite + subject + negation + frequency + rest
        elif self.modal in ("want", "have") or self.gladly:  # often wants to; does not want to
            words += (
                subject
                + (
                    finite + negation + frequency
                    if negation or not rest or finite[0].text in DO
                    else frequency + finite
                )
                + rest
            )
        else:
            words += subject + finite + negation + frequency + rest
        return words + self.english_rest(with_time=time_in_front is None)

    def english_infinitive(self) -> list[Word]:
        """The verb in its base form with all that follows it."""
        return [Word(self.verb.en.base, self.marks[0]), *self.english_rest()]

    def english_participle(self) -> list[Word]:
        """The verb in its -ing form with all that follows it."""
        return [Word(self.verb.en.progressive, self.marks[0]), *self.english_rest()]

    # German

    @property
    def is_kein(self) -> bool:
        """Whether the negation is `kein` at the object."""
        return (
            self.negated
            and self.accusative is not None
            and self.accusative.noun is not None
            and self.accusative.is_indefinite
        )

    @property
    def negation_mark(self) -> int:
        return self.marks[2]

    def _german_verb(self) -> tuple[list[Word], list[Word]]:
        """(finite verb, right bracket without a prefix that belongs to the finite verb)."""
        person = self.subject.person
        verb, auxiliary, _, to = self.marks
        forms = self.verb.de
        tense = self.tense
        infinitive = [Word(forms.infinitive, verb)]
        participle = [Word(forms.participle, verb)]
        helper = SEIN if forms.perfect_with_sein else HABEN
        if self.modal:
            modal = MODALS[self.modal][2]
            finite = (modal.preterite if tense == "past" else modal.present)[person]
            return [Word(finite, auxiliary)], [*participle, Word("werden", to)] if self.passive else infinitive
        if self.passive:
            if tense == "perfect":
                return [Word(SEIN.present[person], auxiliary)], [*participle, Word("worden", to)]
            if tense == "future":
                return [Word(WERDEN.present[person], auxiliary)], [*participle, Word("werden", to)]
            return [Word((WERDEN.preterite if tense == "past" else WERDEN.present)[person], auxiliary)], participle
        if tense == "future":
            return [Word(WERDEN.present[person], auxiliary)], infinitive
        if tense == "perfect" or (tense == "past" and self.spoken):
            return [Word(helper.present[person], auxiliary)], participle
        if tense == "pluperfect":
            return [Word(helper.preterite[person], auxiliary)], participle
        return [Word((forms.preterite if tense == "past" else forms.present)[person], verb | auxiliary)], []

    def _reflexive(self) -> list[Word]:
        if not self.verb.de.reflexive:
            return []
        text = ("mich", "dich", "sich", "uns", "euch", "sich")[self.subject.person]
        return [Word(text, self.marks[0])]

    def german_middle(self) -> list[Word]:
        """Pronouns, time, frequency, objects, nicht, manner, place, prepositional object, predicate."""
        words: list[Word] = []
        accusative, dative = self.accusative, self.dative
        if accusative and accusative.is_pronoun:
            words += accusative.german(ACCUSATIVE)
        if dative and dative.is_pronoun:
            words += dative.german(DATIVE)
        if self.time and not self.time.is_front:
            words += self.time.de
        if self.frequency:
            words += self.frequency.de
        if self.gladly:
            gern = [Word("gern", self.marks[3])]
            words += [Word("nicht", self.marks[2]), *gern] if self.negated else gern
        if dative and not dative.is_pronoun:
            words += dative.german(DATIVE)
        is_kein = self.is_kein and not self.gladly
        if accusative and not accusative.is_pronoun:
            if is_kein and isinstance(accusative, NounPhrase):
                words += accusative.german(ACCUSATIVE, negated=self.marks[2])
            else:
                words += accusative.german(ACCUSATIVE)
        if self.negated and not is_kein and not self.gladly and not (self.predicate and self.predicate.is_negated):
            words.append(Word("nicht", self.marks[2]))
        for part in (self.manner, self.place, self.prepositional, self.predicate):
            if part is not None:
                words += part.de
        return words

    def german(self, order: str = "second", *, front=(), skip_subject: bool = False) -> list[Word]:
        """order: "second" (front or subject before the verb), "first" (questions) or "last" (subordinate)."""
        subject = [] if skip_subject else self.subject.german(NOMINATIVE)
        finite, tail = self._german_verb()
        middle = self.german_middle()
        reflexive = self._reflexive()
        prefix = self.verb.de.prefix
        has_loose_prefix = bool(prefix) and not tail
        if order != "second" and reflexive and not self.subject.is_pronoun and not skip_subject:
            subject, reflexive = reflexive + subject, []  # Heute beeilt sich der Mann
        if order == "last":
            if has_loose_prefix:
                finite = [Word(prefix + finite[0].text, finite[0].marks)]
            return subject + reflexive + middle + tail + finite + self.after[1]
        if has_loose_prefix:
            tail = [Word(prefix, self.marks[0])]
        if order == "first":
            return finite + subject + reflexive + middle + tail + self.after[1]
        if self.time and self.time.is_front:
            front = [*front, *self.time.de]
        if front:
            if reflexive and not self.subject.is_pronoun:
                subject, reflexive = reflexive + subject, []
            return [*front, *finite, *subject, *reflexive, *middle, *tail, *self.after[1]]
        return subject + finite + reflexive + middle + tail + self.after[1]

    def german_infinitive(self, *, zu: int | None = None) -> list[Word]:
        """Middle field and infinitive; with a mark `zu`, the infinitive with zu (anzurufen)."""
        forms = self.verb.de
        verb = self.marks[0]
        words = self._reflexive() + self.german_middle()
        if zu is None:
            words.append(Word(forms.infinitive, verb))
        elif forms.prefix:
            words.append(Word(forms.zu_infinitive, verb | zu))
        else:
            words += [Word("zu", zu), Word(forms.infinitive, verb)]
        return words + self.after[1]


DO = ("do", "does", "did")


def _do(tense: str, person: int) -> str:
    return "did" if tense == "past" else "does" if person == ER else "do"


def contract(auxiliary: str) -> str:
    """doesn't, can't, won't, shouldn't."""
    return {"can": "can't", "will": "won't"}.get(auxiliary, auxiliary + "n't")
