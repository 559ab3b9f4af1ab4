"""Drawing noun phrases: people, pronouns, names, things, and what they are like."""

from mt.data.bundled import lexicon
from mt.data.bundled import lexicon_modifiers as modifiers
from mt.data.bundled.draw_choice import Choice
from mt.data.bundled.lexicon import Noun, Verb
from mt.data.bundled.noun_phrase import Both, Fixed, NounPhrase, Pronoun

NAMES = tuple(tuple(line.split()) for line in modifiers.NAMES.strip().splitlines())
SURNAMES = tuple(modifiers.SURNAMES.split())
KIN = frozenset({"kin"})
PERSONS = frozenset({"person"})
PEOPLE = frozenset(("person", "kin"))
THINGS = frozenset(
    ["animal", "vehicle", "clothing", "furniture", "site", "building", "readable", "device", "idea", "food"]
)
CHILDISH = frozenset({"child"})
STATES = [entry for entry in lexicon.adjectives() if "state" in entry.classes]
CHARACTERS = [entry for entry in lexicon.adjectives() if "person" in entry.classes]


class NounDraw(Choice):
    """Choices of nouns and of whole noun phrases."""

    def noun(self, tags: frozenset[str]) -> Noun:
        """A noun with one of the tags, the tag drawn first where nouns of many tags would drown the others."""
        entry = self.pick(lexicon.nouns_tagged(tags))
        self.lemmas.append(entry.lemma)
        return entry

    def movable(self, tags: frozenset[str]) -> Noun:
        """A thing with one of the tags that can lie or stand on another: no furniture."""
        noun = self.noun(tags)
        while noun.tags & {"furniture", "big"}:
            self.lemmas.pop()
            noun = self.noun(tags)
        return noun

    def adjective(self, noun: Noun):
        """An adjective that suits the noun, or None."""
        options = lexicon.adjectives_for(noun)
        if not options:
            return None
        entry = self.pick(options)
        self.lemmas.append(entry.lemma)
        return entry

    def quality(self, subject, *, state: bool = True, noun: Noun | None = None):
        """An adjective that the subject may be, or None: people may be tired, which nobody is by nature."""
        noun = noun or subject.noun
        people = noun is None or noun.tags & PEOPLE
        used = subject.adjectives if isinstance(subject, NounPhrase) else ()
        if people:
            options = STATES if state else CHARACTERS
        else:
            options = [entry for entry in lexicon.adjectives_for(noun) if entry not in used]
        if not options or (used and not people):
            return None
        entry = self.pick(options)
        self.lemmas.append(entry.lemma)
        return entry

    def number(self) -> tuple[str, str]:
        entry = self.pick(lexicon.phrases("NUMBERS"))
        self.lemmas.append(entry.lemma)
        return entry.en[0], entry.de[0]

    def name(self):
        name, sex = self.pick(NAMES)
        self.lemmas.append(name)
        return Fixed(name, name, self.mark(), owner="he" if sex == "m" else "she")

    def pronoun(self, names=("I", "you", "he", "she", "we", "they")) -> Pronoun:
        name = self.pick(names)
        return Pronoun(self.you() if name == "you" else name, self.mark())

    def again(self, subject) -> Pronoun:
        """A pronoun for a subject that was just named."""
        if isinstance(subject, Pronoun):
            return Pronoun(subject.name, self.mark())
        if subject.owner in ("he", "she", "they", "we", "I"):
            return Pronoun(subject.owner, self.mark())
        return subject.pronoun(self.mark())

    def phrase_of(
        self,
        noun: Noun,
        *,
        owner: str = "",
        adjective: float = 0.4,
        plural: float = 0.2,
        definite: float = 0.5,
        determiner=None,
        is_plural: bool | None = None,
    ) -> NounPhrase:
        """A noun phrase round a noun; `owner` allows a possessive (his book)."""
        chance = self.chance
        if is_plural is None:
            is_plural = not noun.is_mass and chance(plural) and "one" not in noun.tags
        if "kin" in noun.tags and determiner is None:
            determiner = owner or self.pick(("I", "he", "she", "we", "they", "you"))
            if determiner == "you":
                determiner = self.you()
        elif determiner is None:
            if noun.is_mass:
                determiner = "the" if chance(definite) else ""
            elif owner and chance(0.3):
                determiner = owner
            elif chance(definite):
                determiner = "the" if chance(0.8) or is_plural else "this"
            elif is_plural:
                determiner = "" if chance(0.6) else self.number()
            else:
                determiner = "a"
        entry = self.adjective(noun) if chance(adjective) else None
        return NounPhrase(
            noun, self.mark, determiner=determiner, is_plural=is_plural, adjectives=(entry,) if entry else ()
        )

    def the(self, noun: Noun, adjective: float = 0.0, *, determiner="the") -> NounPhrase:
        entry = self.adjective(noun) if adjective and self.chance(adjective) else None
        return NounPhrase(noun, self.mark, determiner=determiner, adjectives=(entry,) if entry else ())

    def thing(self, tags: frozenset[str] = THINGS) -> NounPhrase:
        """A thing, animal or place with the, this or my; it is talked about, so it is known."""
        noun = self.noun(tags)
        determiner = self.pick(("the", "the", "the", "this", "I", "we", "she", "he"))
        if not noun.tags & {"own", "home"}:
            determiner = self.pick(("the", "the", "this"))
        return self.phrase_of(noun, determiner=determiner, adjective=0.0)

    def needs_plural(self, noun: Noun, verb: Verb | None = None) -> bool:
        """Shoes come in pairs; what is counted or collected comes in numbers."""
        return "pair" in noun.tags or (verb is not None and "many" in verb.flags and not noun.is_mass)

    def person(self, tags: frozenset[str] = PERSONS, *, pronouns: float = 0.35):
        """Who does something: pronoun, name, two names, kin or another person."""
        roll = self.random()
        if roll < pronouns:
            return self.pronoun()
        if tags & PERSONS:
            if roll < pronouns + 0.13:
                return self.name()
            if roll < pronouns + 0.17:
                first, second = self.name(), self.name()
                return Both(first, second, self.mark()) if first.en != second.en else first
            if roll < pronouns + 0.32:
                return self.phrase_of(
                    self.noun(KIN), owner=self.pick(("I", "I", "we", "he", "she", "they")), adjective=0.25
                )
        is_plural = self.chance(0.2)
        return self.phrase_of(self.noun(tags), definite=1.0 if is_plural else 0.88, adjective=0.4, is_plural=is_plural)

    def someone(self, pronouns: float = 0.4):
        """A person that a pronoun can take up."""
        while True:
            subject = self.person(pronouns=pronouns)
            if subject.owner:
                return subject

    def narrator(self, *, first: bool = True):
        """Somebody of whom a story is told: no `you`, and with `first=False` no `I` either."""
        while True:
            subject = self.person(pronouns=0.4)
            if subject.owner and not subject.owner.startswith("you") and (first or subject.person in (2, 5)):
                return subject

    def subject(self, tags: frozenset[str]):
        """A subject with one of the tags; `it` for the weather."""
        if "person" in tags and (len(tags) == 1 or self.chance(0.8)):
            return self.person()
        if tags & PERSONS:
            tags = tags - PERSONS
        return self.phrase_of(self.noun(tags), definite=1.0 if not tags & CHILDISH else 0.9)

    def object(self, tags: frozenset[str], subject, *, definite: float = 0.5):
        """An object with one of the tags; people may be pronouns or names."""
        owner = subject.owner
        if tags & PERSONS or tags & KIN:
            other = tags - PERSONS - KIN
            if not other or self.chance(0.6):
                return self.human_object(tags, subject)
            tags = other
        return self.phrase_of(self.noun(tags), owner=owner if owner != "it" else "", definite=definite)

    def human_object(self, tags: frozenset[str], subject):
        roll = self.random()
        if roll < 0.3:
            banned = {"I": "we", "we": "I"}.get(subject.owner)
            names = [n for n in ("I", "you", "he", "she", "we", "they") if n not in (subject.owner, banned)]
            if subject.owner.startswith("you"):
                names.remove("you") if "you" in names else None
            return self.pronoun(tuple(names))
        if roll < 0.5 and not isinstance(subject, Both):
            name = self.name()
            if getattr(subject, "en", None) != name.en:
                return name
        if roll < 0.75 or not tags & PERSONS:
            owner = subject.owner
            noun = self.noun(KIN)
            if subject.noun is noun:
                noun = self.noun(frozenset({"friend"}))
            return self.phrase_of(noun, owner=owner if owner and owner != "it" else "I", adjective=0.25)
        noun = self.noun(PERSONS)
        if subject.noun is noun:
            noun = self.noun(frozenset({"neighbor", "woman"} - {noun.lemma}))
        return self.phrase_of(noun, definite=0.9, plural=0.2)
