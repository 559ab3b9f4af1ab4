"""Noun phrases: values that can be written in English and in any German case, with marks on their words.

All have `person` (0 ich .. 5 sie, for the German verb), `en_person` (for the English one), `english(role)` and
`german(case)`. `is_pronoun` and `is_indefinite` steer word order and negation.
"""

from typing import Protocol

from mt.data.bundled import morphology_de as german
from mt.data.bundled import morphology_en as english
from mt.data.bundled.lexicon import Adjective, Noun
from mt.data.bundled.morphology_de import DU, ER, GENITIVE, ICH, IHR, SIE, WIR
from mt.data.bundled.sentence import Word, spell

# name: English subject, object, possessive;
# German nominative, accusative, dative, reflexive, stem of the possessive; person
PRONOUNS = {
    "I": ("I", "me", "my", "ich", "mich", "mir", "mich", "mein", ICH),
    "you": ("you", "you", "your", "du", "dich", "dir", "dich", "dein", DU),
    "he": ("he", "him", "his", "er", "ihn", "ihm", "sich", "sein", ER),
    "she": ("she", "her", "her", "sie", "sie", "ihr", "sich", "ihr", ER),
    "it": ("it", "it", "its", "es", "es", "ihm", "sich", "sein", ER),
    "we": ("we", "us", "our", "wir", "uns", "uns", "uns", "unser", WIR),
    "you all": ("you", "you", "your", "ihr", "euch", "euch", "euch", "euer", IHR),
    "they": ("they", "them", "their", "sie", "sie", "ihnen", "sich", "ihr", SIE),
    "you, sir": ("you", "you", "your", "Sie", "Sie", "Ihnen", "sich", "Ihr", SIE),
    "it m": ("it", "it", "its", "er", "ihn", "ihm", "sich", "sein", ER),
    "it f": ("it", "it", "its", "sie", "sie", "ihr", "sich", "ihr", ER),
}
ENGLISH_PLURAL = frozenset(("we", "they", "you", "you all", "you, sir"))


class Nominal(Protocol):
    """What can be an object: `noun` is None for pronouns, names and phrases that are joined."""

    @property
    def is_pronoun(self) -> bool: ...

    @property
    def is_indefinite(self) -> bool: ...

    @property
    def noun(self) -> Noun | None: ...

    def english(self, role: str) -> list[Word]: ...

    def german(self, case: int) -> list[Word]: ...


class Pronoun:
    """A personal pronoun."""

    is_pronoun = True
    is_indefinite = False
    noun = None

    def __init__(self, name: str, mark: int):
        self.name = name
        self.mark = mark
        *self.forms, self.person = PRONOUNS[name]
        self.en_person = SIE if name in ENGLISH_PLURAL else self.person
        self.owner = "it" if name.startswith("it") else name

    def english(self, role: str) -> list[Word]:
        return [Word(self.forms[0 if role == "subject" else 1], self.mark)]

    def german(self, case: int) -> list[Word]:
        return [Word(self.forms[3 + case], self.mark)]


class Fixed:
    """A phrase of one form a case: a name, who/wer, relative pronoun, es, somebody."""

    noun = None

    def __init__(
        self, en: str, de, mark: int, *, person: int = ER, owner: str = "", is_pronoun=False, is_indefinite=False
    ):
        self.en = en if isinstance(en, tuple) else (en, en)
        self.de = (de,) * 4 if isinstance(de, str) else de
        self.mark = mark
        self.person = self.en_person = person
        self.owner = owner
        self.is_pronoun = is_pronoun
        self.is_indefinite = is_indefinite

    def english(self, role: str) -> list[Word]:
        return spell(self.en[role != "subject"], self.mark)

    def german(self, case: int) -> list[Word]:
        return spell(self.de[case], self.mark)


class Both:
    """Two noun phrases joined: Anna und Paul, my brother and I."""

    is_pronoun = False
    is_indefinite = False
    noun = None

    def __init__(self, first, second, mark: int):
        self.parts = (first, second)
        self.mark = mark
        self.person = WIR if second.person == ICH else SIE
        self.en_person = SIE
        self.owner = "we" if self.person == WIR else "they"

    def english(self, role: str) -> list[Word]:
        return [*self.parts[0].english(role), Word("and", self.mark), *self.parts[1].english(role)]

    def german(self, case: int) -> list[Word]:
        return [*self.parts[0].german(case), Word("und", self.mark), *self.parts[1].german(case)]


class NounPhrase:
    """Determiner, adjectives, noun, and what follows it (a genitive).

    determiner: "the", "a", "" (none), "this", "every", "no", a number's (English, German), or an owner: the name of a
    pronoun ("I" gives my/mein). `degree` 0..2 compares the first adjective. `possessor` is a noun phrase in the
    genitive (the teacher's car: das Auto des Lehrers) or a name (Annas Auto); `of` puts it behind in English too.
    """

    is_pronoun = False

    def __init__(
        self,
        noun: Noun,
        marks,
        *,
        determiner="the",
        is_plural: bool = False,
        adjectives: tuple[Adjective, ...] = (),
        degree: int = 0,
        possessor=None,
        of: bool = False,
    ):
        self.noun = noun
        self.is_plural = is_plural or noun.is_plural_only
        self.determiner = determiner
        self.adjectives = adjectives
        self.degree = degree
        self.possessor = possessor
        self.of = of
        self.mark = marks()
        self.determiner_mark = marks()
        self.adjective_marks = [marks() for _ in adjectives]
        self.gender = "p" if self.is_plural else noun.gender
        self.person = self.en_person = SIE if self.is_plural else ER
        self.is_indefinite = determiner in ("a", "", "any") or isinstance(determiner, tuple)
        self.owner = "" if "neutral" in noun.tags and not self.is_plural else self._owner()

    def _owner(self) -> str:
        if self.is_plural:
            return "they"
        if not self.noun.tags & {"person", "kin"}:
            return ""
        return "he" if self.noun.gender == "m" else "she"

    def pronoun(self, mark: int) -> Pronoun:
        """The pronoun that takes up this phrase: by sex for people, by gender for all else."""
        if self.is_plural:
            return Pronoun("they", mark)
        if self.noun.tags & {"person", "kin"}:
            return Pronoun("he" if self.noun.gender == "m" else "she", mark)
        return Pronoun({"m": "it m", "f": "it f", "n": "it"}[self.noun.gender], mark)

    def english(self, role: str = "object") -> list[Word]:
        words: list[Word] = []
        for adjective, mark in zip(self.adjectives, self.adjective_marks, strict=True):
            words += spell(adjective.en[self.degree if not words else 0], mark)
        words += spell(self.noun.en[self.is_plural], self.mark)
        if self.possessor is not None and not self.of:
            owner = self.possessor.english("object")
            last = owner[-1]
            return [*owner[:-1], Word(english.possessive(last.text), last.marks), *words]
        determiner = self.determiner
        if determiner == "a":
            words.insert(0, Word(english.indefinite_article(words[0].text), self.determiner_mark))
        elif isinstance(determiner, tuple):
            words.insert(0, Word(determiner[0], self.determiner_mark))
        elif determiner == "any":
            words.insert(0, Word("any", self.determiner_mark))
        elif determiner == "this":
            words.insert(0, Word("these" if self.is_plural else "this", self.determiner_mark))
        elif determiner in ("the", "every", "no"):
            words.insert(0, Word(determiner, self.determiner_mark))
        elif determiner:
            words.insert(0, Word(PRONOUNS[determiner][2], self.determiner_mark))
        if self.of:
            owner = self.possessor.english("object")
            words += [Word("of", self.possessor.determiner_mark), *owner]
        return words

    def german(self, case: int, *, negated: int = 0) -> list[Word]:
        """In that case; `negated`, a mark, turns `ein` or no article into `kein` with that mark added."""
        gender = self.gender
        determiner = self.determiner
        words: list[Word] = []
        endings = german.WEAK
        if self.possessor is not None and not self.of and self.possessor.noun is None:  # Annas Auto
            owner = self.possessor
            words.append(Word(german_genitive_of_name(owner.de[0]), owner.mark))
            endings = german.STRONG
        elif negated:
            words.append(Word(german.ein_word("kein", gender, case), self.determiner_mark | negated))
            endings = german.MIXED
        elif determiner == "the":
            words.append(Word(german.DEFINITE[gender][case], self.determiner_mark))
        elif determiner == "a":
            words.append(Word(german.ein_word("ein", gender, case), self.determiner_mark))
            endings = german.MIXED
        elif determiner in ("", "any"):
            endings = german.STRONG
        elif isinstance(determiner, tuple):
            words.append(Word(determiner[1], self.determiner_mark))
            endings = german.STRONG
        elif determiner in ("this", "every"):
            stem = "dies" if determiner == "this" else "jed"
            words.append(Word(stem + german.DIESER[gender][case], self.determiner_mark))
        else:
            stem = "kein" if determiner == "no" else PRONOUNS[determiner][7]
            words.append(Word(german.ein_word(stem, gender, case), self.determiner_mark))
            endings = german.MIXED
        ending = endings[gender][case]
        for i, adjective in enumerate(self.adjectives):
            stem = adjective.de[self.degree if i == 0 else 0]
            words.append(Word(german.adjective(stem, ending), self.adjective_marks[i]))
        words.append(Word(self.noun.de[self.is_plural][case], self.mark))
        if self.possessor is not None and (self.of or self.possessor.noun is not None):
            words += self.possessor.german(GENITIVE)
        return words


def german_genitive_of_name(name: str) -> str:
    """Annas, Martins; Thomas', Max'."""
    return name + ("'" if name.endswith(("s", "x", "z", "ß")) else "s")


def prepositional(preposition: Word, words: list[Word]) -> list[Word]:
    """German preposition and noun phrase, contracted where it must be (in dem: im)."""
    joined = german.CONTRACTIONS.get(f"{preposition.text} {words[0].text}")
    if joined and len(words) > 1:
        return [Word(joined, preposition.marks | words[0].marks), *words[1:]]
    return [preposition, *words]
