"""Drawing words that suit each other: subjects for verbs, objects, adverbials, whole clauses."""

from random import Random

from mt.data.bundled import lexicon
from mt.data.bundled import lexicon_modifiers as modifiers
from mt.data.bundled import lexicon_places as places
from mt.data.bundled.clause import Clause
from mt.data.bundled.lexicon import Noun, Phrase, Verb
from mt.data.bundled.morphology_de import ACCUSATIVE, DATIVE
from mt.data.bundled.noun_phrase import Both, Fixed, NounPhrase, Pronoun, prepositional
from mt.data.bundled.sentence import Word, spell

NAMES = tuple(tuple(line.split()) for line in modifiers.NAMES.strip().splitlines())
SURNAMES = tuple(modifiers.SURNAMES.split())
CITIES = tuple(tuple(line.split()) for line in places.CITIES.strip().splitlines())
PLACES = {
    line.split(";")[0].replace(" ", "_"): [part.strip() for part in line.split(";")]
    for line in places.PLACES.strip().splitlines()
}
GROUPS = {line.split(";")[0]: line.split(";")[1].split() for line in places.GROUPS.strip().splitlines()}
FIXED_PLACES = tuple(
    tuple(part.strip() for part in line.split(";")) for line in places.FIXED_PLACES.strip().splitlines()
)
SPOTS = tuple(tuple(part.strip() for part in line.split(";")) for line in places.SPOTS.strip().splitlines())
PURPOSES = tuple(tuple(part.strip() for part in line.split(";")) for line in places.PURPOSES.strip().splitlines())
WALL = ("wallspot", "on", "an")
MEANS = tuple(tuple(part.strip() for part in line.split(";")) for line in places.MEANS.strip().splitlines())
KIN = frozenset({"kin"})
PERSONS = frozenset({"person"})
PEOPLE = frozenset(("person", "kin"))


def suits(verb: Verb, tense: str) -> bool:
    """Whether a tense (or `modal`) makes sense: nobody plans to lose a key or buys a house every day."""
    if not tense:
        return True
    if verb.is_state:
        return tense == "past"
    if "unwilled" in verb.flags and tense == "modal":
        return False
    if "event" in verb.flags:
        return tense in ("past", "perfect", "pluperfect")
    return tense != "present" or "once" not in verb.flags


THINGS = frozenset(
    ["animal", "vehicle", "clothing", "furniture", "site", "building", "readable", "device", "idea", "food"]
)
CHILDISH = frozenset({"child"})

# which times go with which tense of English
TIMES_OF = {
    "present": ("habit",),
    "progressive": ("now",),
    "past": ("past", "past", "week"),
    "future": ("future", "week"),
    "perfect": (),
    "pluperfect": (),
    "modal": ("future", "now", "week"),
}


class Adverbial:
    """Words of both languages; `is_front` moves it to the front of its clause; `is_negated`: carries the negation."""

    __slots__ = ("de", "en", "is_front", "is_negated")

    def __init__(self, en: list[Word], de: list[Word], *, is_front: bool = False, is_negated: bool = False):
        self.en = en
        self.de = de
        self.is_front = is_front
        self.is_negated = is_negated


class Draw:
    """Random choices of one sentence, its marks, and the lemmas that it used."""

    def __init__(self, random: Random):
        self.random = random.random
        self.start()

    def start(self) -> None:
        """Forget the last sentence."""
        self.next_mark = 1
        self.lemmas: list[str] = []
        self.address = "you"
        self.has_you = False

    # Plain choices

    def mark(self) -> int:
        """A mark that no word has yet."""
        mark = self.next_mark
        self.next_mark = mark << 1
        return mark

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def pick(self, options):
        return options[int(self.random() * len(options))]

    # Noun phrases

    def noun(self, tags: frozenset[str]) -> Noun:
        """A noun with one of the tags, the tag drawn first where nouns of many tags would drown the others."""
        entry = self.pick(lexicon.nouns_tagged(tags))
        self.lemmas.append(entry.lemma)
        return entry

    def adjective(self, noun: Noun):
        """An adjective that suits the noun, or None."""
        options = lexicon.adjectives_for(noun)
        if not options:
            return None
        entry = self.pick(options)
        self.lemmas.append(entry.lemma)
        return entry

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

    def number(self) -> tuple[str, str]:
        entry = self.pick(lexicon.phrases("NUMBERS"))
        self.lemmas.append(entry.lemma)
        return entry.en[0], entry.de[0]

    def you(self) -> str:
        self.has_you = True
        return self.address

    def name(self):
        name, sex = self.pick(NAMES)
        self.lemmas.append(name)
        return Fixed(name, name, self.mark(), owner="he" if sex == "m" else "she")

    def pronoun(self, names=("I", "you", "he", "she", "we", "they")) -> Pronoun:
        name = self.pick(names)
        return Pronoun(self.you() if name == "you" else name, self.mark())

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

    # Adverbials

    def adverbial(self, phrase: Phrase, *, is_front: bool = False) -> Adverbial:
        """The words of a fixed phrase, with its links as marks."""
        en, de = [0] * len(phrase.en), [0] * len(phrase.de)
        for i, j in phrase.links:
            mark = self.mark()
            en[i] |= mark
            de[j] |= mark
        self.lemmas.append(phrase.lemma)
        return Adverbial(
            [Word(t, m) for t, m in zip(phrase.en, en, strict=True)],
            [Word(t, m) for t, m in zip(phrase.de, de, strict=True)],
            is_front=is_front,
        )

    def time(self, tense: str, verb: Verb | None = None, *, is_front: bool = False) -> Adverbial | None:
        """When, in agreement with the tense; seasons only for what takes its time."""
        whens = TIMES_OF[tense]
        if not whens:
            return None
        if verb is not None and "season" in verb.flags and tense in ("present", "past", "future") and self.chance(0.35):
            when = "season"
        else:
            when = self.pick(whens)
        return self.adverbial(self.pick(TIMES[when]), is_front=is_front)

    def frequency(self) -> Adverbial:
        return self.adverbial(self.pick(lexicon.phrases("FREQUENCIES")))

    def manner(self, verb: Verb) -> Adverbial | None:
        options = [phrase for phrase in lexicon.phrases("MANNERS") if phrase.lemma in verb.flags]
        return self.adverbial(self.pick(options)) if options else None

    def place(self, group: str, *, is_direction: bool = False) -> Adverbial:
        """Where (German dative) or where to, among the places of a group."""
        return self.named_place(self.pick(GROUPS[group]), is_direction=is_direction)

    def named_place(self, name: str, *, is_direction: bool = False) -> Adverbial:
        """Where or where to, for one place, or any of CITIES or FIXED."""
        if name == "CITIES":
            en, de = self.pick(CITIES)
            self.lemmas.append(en)
            preposition, city = self.mark(), self.mark()
            english, german = ("to", "nach") if is_direction else ("in", "in")
            return Adverbial([Word(english, preposition), Word(en, city)], [Word(german, preposition), Word(de, city)])
        if name == "FIXED":
            row = self.pick(FIXED_PLACES)
            en, de, links = row[3:] if is_direction else row[:3]
            pairs = tuple(tuple(map(int, link.split("-"))) for link in links.split())
            return self.adverbial(Phrase(en, tuple(en.split()), tuple(de.split()), pairs, ""))
        row = PLACES[name]
        noun = lexicon.noun(name)
        self.lemmas.append(name)
        if is_direction:
            german, case = row[4].split()
            return self.prepositional(row[3], german, DATIVE if case == "dative" else ACCUSATIVE, self.the(noun, 0.3))
        return self.prepositional(row[1], row[2], DATIVE, self.the(noun, 0.3))

    def place_for(self, verb: Verb, *, is_direction: bool = False) -> Adverbial | None:
        """A place that suits the verb, or None."""
        group = next((flag[1:] for flag in verb.flags if flag[0] == "@"), None)
        return self.place(group, is_direction=is_direction) if group else None

    def the(self, noun: Noun, adjective: float = 0.0, *, determiner="the") -> NounPhrase:
        entry = self.adjective(noun) if adjective and self.chance(adjective) else None
        return NounPhrase(noun, self.mark, determiner=determiner, adjectives=(entry,) if entry else ())

    def prepositional(self, en: str, de: str, case: int, phrase) -> Adverbial:
        """Preposition and noun phrase."""
        mark = self.mark()
        return Adverbial(
            [*spell(en, mark), *phrase.english("object")], prepositional(Word(de, mark), phrase.german(case))
        )

    def spot(self, case: int, thing: Noun, *, wall: bool = False) -> Adverbial:
        """On the table, under the bed, in the drawer: dative where, accusative where to."""
        tag, en, de = WALL if wall else self.pick(SPOTS)
        noun = self.noun(frozenset({tag}))
        while noun is thing:
            self.lemmas.pop()
            noun = self.noun(frozenset({tag}))
        return self.prepositional(en, de, case, self.the(noun, 0.2))

    def means(self) -> Adverbial:
        en, de = self.pick(MEANS)
        preposition, noun = self.mark(), self.mark()
        words = de.split()
        self.lemmas.append(en)
        return Adverbial(
            [Word("by", preposition), Word(en, noun)],
            [Word(words[0], preposition), Word(words[1]), Word(words[2], noun)],
        )

    # Clauses

    def verb(self, *frames: str, tense: str = "", flag: str = "", where=None) -> Verb:
        """A verb with one of the frames that may stand in the tense (see `suits`)."""
        while True:
            entry = self.pick(VERBS[self.pick(frames)])
            if (not flag or flag in entry.flags) and suits(entry, tense) and (where is None or where(entry)):
                self.lemmas.append(entry.lemma)
                return entry

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
        if clause.negated and clause.accusative is not None and clause.accusative.noun is not None:
            phrase = clause.accusative
            if isinstance(phrase.determiner, tuple):
                phrase.determiner = "the"
                phrase.is_indefinite = False
            elif phrase.determiner == "" and phrase.is_plural:
                phrase.determiner = "any"

    # Narrower draws

    def needs_plural(self, noun: Noun, verb: Verb | None = None) -> bool:
        """Shoes come in pairs; what is counted or collected comes in numbers."""
        return "pair" in noun.tags or (verb is not None and "many" in verb.flags and not noun.is_mass)

    def thing(self, tags: frozenset[str] = THINGS) -> NounPhrase:
        """A thing, animal or place with the, this or my; it is talked about, so it is known."""
        noun = self.noun(tags)
        determiner = self.pick(("the", "the", "the", "this", "I", "we", "she", "he"))
        if not noun.tags & {"own", "home"}:
            determiner = self.pick(("the", "the", "this"))
        return self.phrase_of(noun, determiner=determiner, adjective=0.0)

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

    def movable(self, tags: frozenset[str]) -> Noun:
        """A thing with one of the tags that can lie or stand on another: no furniture."""
        noun = self.noun(tags)
        while noun.tags & {"furniture", "big"}:
            self.lemmas.pop()
            noun = self.noun(tags)
        return noun

    def narrator(self, *, first: bool = True):
        """Somebody of whom a story is told: no `you`, and with `first=False` no `I` either."""
        while True:
            subject = self.person(pronouns=0.4)
            if subject.owner and not subject.owner.startswith("you") and (first or subject.person in (2, 5)):
                return subject

    def active_verb(self, *, sich: bool = True) -> Verb:
        """A verb for something that people do on purpose."""
        while True:
            entry = self.pick(ACTIVE[self.pick(ACTIVE_FRAMES)])
            if sich or "sich" not in entry.flags:
                self.lemmas.append(entry.lemma)
                return entry

    def one_of(self, names: str) -> Verb:
        """One of the verbs of a list like `work/|pick up`."""
        entry = lexicon.verb(self.pick(names.split("|")))
        self.lemmas.append(entry.lemma)
        return entry

    def short_verb(self) -> Verb:
        """A verb for something that happens at one moment: arrive, come, open."""
        entry = self.pick(MOMENTS)
        self.lemmas.append(entry.lemma)
        return entry

    def passive_verb(self) -> Verb:
        entry = self.pick(PASSIVES)
        self.lemmas.append(entry.lemma)
        return entry

    def suitable_verb(self, noun: Noun, *frames: str, tense: str) -> Verb:
        """A dynamic verb that the noun can be the subject of."""
        while True:
            entry = self.pick(VERBS[self.pick(frames)])
            if entry.subjects & noun.tags and not entry.is_state and suits(entry, tense):
                self.lemmas.append(entry.lemma)
                return entry

    def suit(self, clause: Clause) -> None:
        """Puts the object into the plural where the verb or noun wants it."""
        phrase = clause.accusative
        if phrase is None or phrase.noun is None or phrase.is_plural or not self.needs_plural(phrase.noun, clause.verb):
            return
        determiner = phrase.determiner
        clause.accusative = NounPhrase(
            phrase.noun,
            self.mark,
            determiner="" if determiner == "a" else determiner,
            is_plural=True,
            adjectives=phrase.adjectives,
        )

    def times(self, when: str):
        return TIMES[when]

    def time_for(self, clause: Clause) -> Adverbial | None:
        return self.time(clause.tense, clause.verb)


STATES = [entry for entry in lexicon.adjectives() if "state" in entry.classes]
CHARACTERS = [entry for entry in lexicon.adjectives() if "person" in entry.classes]
VERBS: dict[str, tuple[Verb, ...]] = {}
for _verb in lexicon.verbs():
    VERBS[_verb.frame] = (*VERBS.get(_verb.frame, ()), _verb)
TIMES = {}
for _phrase in lexicon.phrases("TIMES"):
    TIMES[_phrase.when] = (*TIMES.get(_phrase.when, ()), _phrase)

ACTIVE_FRAMES = (
    *["accusative"] * 6,
    *["intransitive"] * 3,
    "dative",
    "ditransitive",
    "prepositional",
    "direction",
    "direction",
    "location",
)
ACTIVE = {
    frame: [
        v
        for v in VERBS[frame]
        if not v.is_state
        and "event" not in v.flags
        and "person" in v.subjects
        and not v.flags & {"passively", "unwilled"}
    ]
    for frame in set(ACTIVE_FRAMES)
}
MOMENTS = [
    v
    for v in VERBS["accusative"] + VERBS["intransitive"] + VERBS["direction"]
    if "moment" in v.flags and "person" in v.subjects
]
PASSIVES = [
    v
    for v in VERBS["accusative"]
    if not v.is_state
    and not v.objects & PEOPLE
    and not v.en.preposition
    and "person" in v.subjects
    and "nopassive" not in v.flags
]
