"""The lexicon: the tables of words, read once into entries with all their forms."""

from dataclasses import dataclass
from functools import cache

from mt.data.bundled import lexicon_modifiers as modifiers
from mt.data.bundled import morphology_de as german
from mt.data.bundled import morphology_en as english
from mt.data.bundled.lexicon_nouns import NOUNS
from mt.data.bundled.lexicon_places import PLACE_NOUNS
from mt.data.bundled.lexicon_verbs import VERBS

CASES = {"accusative": german.ACCUSATIVE, "dative": german.DATIVE}


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun: `en` is (singular, plural), `de` the four cases of (singular, plural)."""

    lemma: str
    en: tuple[str, str]
    gender: str
    de: tuple[tuple[str, ...], tuple[str, ...]]
    tags: frozenset[str]

    @property
    def is_mass(self) -> bool:
        return not self.en[1]

    @property
    def is_plural_only(self) -> bool:
        return self.gender == "p"


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective: English and German (positive, comparative, superlative); German without endings."""

    lemma: str
    en: tuple[str, ...]
    de: tuple[str, ...]
    classes: frozenset[str]

    @property
    def is_compared(self) -> bool:
        return len(self.en) == 3


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb in both languages, its frame and the nouns that suit it; `governs` is (English, German, case)."""

    lemma: str
    en: english.EnglishVerb
    de: german.GermanVerb
    frame: str
    subjects: frozenset[str]
    objects: frozenset[str]
    governs: tuple[str, str, int] | None
    flags: frozenset[str]

    @property
    def is_state(self) -> bool:
        return "state" in self.flags


@dataclass(frozen=True, eq=False)
class Phrase:
    """A fixed pair of phrases with its own links, e.g. `every day` / `jeden Tag`."""

    lemma: str
    en: tuple[str, ...]
    de: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    when: str


def _rows(table: str):
    """(header, fields) of each line of a table; the header is that of the last `[...]` line."""
    header = ""
    for line in table.strip().splitlines():
        if line.startswith("["):
            header = line.strip("[]")
        elif line.strip():
            yield header, [field.strip() for field in line.split(";")]


def _noun(header: str, fields: list[str]) -> Noun:
    singular, _, plural = fields[0].partition("/")
    forms = fields[1].split()
    gender, weak = forms[1].rstrip("*"), forms[1].endswith("*")
    tags = set(header.split()) | set(fields[2].split() if len(fields) > 2 else ())
    if "worker" in tags or header == "kin":
        tags.add("person")
    if header == "kin":
        tags.discard("person")
    lemma = singular.replace(" ", "_")
    tags.add(lemma)
    if gender == "p":
        de = german.decline(forms[0], "p", forms[2], forms[0], False)
        return Noun(lemma, ("", singular), "p", (de[1], de[1]), frozenset(tags))
    if forms[2] == "-":
        tags.add("mass")
        de = german.decline(forms[0], gender, forms[0], forms[3] if len(forms) > 3 else None, False)
        return Noun(lemma, (singular, ""), gender, de, frozenset(tags))
    de = german.decline(forms[0], gender, forms[2], forms[3] if len(forms) > 3 else None, weak)
    return Noun(lemma, (singular, plural or english.plural(singular)), gender, de, frozenset(tags))


def _adjective(fields: list[str]) -> Adjective:
    forms = fields[1].split()
    lemma = fields[0]
    if forms[1:] == ["-", "-"]:
        return Adjective(lemma, (lemma,), (forms[0],), frozenset(fields[2].split()))
    en = (lemma, *english.comparison(lemma, modifiers.ENGLISH_COMPARISON))
    de = tuple(forms) if len(forms) == 3 else (forms[0], *german.comparison(forms[0]))
    return Adjective(lemma, en, de, frozenset(fields[2].split()))


def _verb(frame: str, fields: list[str]) -> Verb:
    fields += [""] * (5 - len(fields))
    flags = fields[4].split()
    governs = None
    if frame == "prepositional":
        governs = (flags[0].strip("_"), flags[1], CASES[flags[2]])
        flags = flags[3:]
    en = english.read_verb(fields[0])
    de = german.read_verb(fields[1], "sein" in flags, "sich" in flags)
    lemma = f"{en.base} {en.particle or en.preposition}".strip() + f"/{de.infinitive}"
    return Verb(
        lemma,
        en,
        de,
        frame,
        frozenset(fields[2].split("|")),
        frozenset(fields[3].split("|")),
        governs,
        frozenset(flags),
    )


def read_links(links: str) -> tuple[tuple[int, int], ...]:
    """Pairs of numbers of words: "0-0 1-2" gives ((0, 0), (1, 2))."""
    pairs = (link.split("-") for link in links.split())
    return tuple((int(en), int(de)) for en, de in pairs)


def _phrase(fields: list[str], when: str = "") -> Phrase:
    links = read_links(fields[3] if len(fields) > 3 else "0-0")
    return Phrase(
        fields[0], tuple(fields[0].split()), tuple(fields[1].split()), links, fields[2] if len(fields) > 2 else when
    )


@cache
def nouns() -> tuple[Noun, ...]:
    """All nouns, in the order of their table."""
    return tuple(_noun(header, fields) for header, fields in _rows(NOUNS + "\n" + PLACE_NOUNS))


@cache
def verbs() -> tuple[Verb, ...]:
    """All verbs, in the order of their table; one spelling may stand there with several frames."""
    return tuple(_verb(header, fields) for header, fields in _rows(VERBS))


@cache
def adjectives() -> tuple[Adjective, ...]:
    """All adjectives."""
    return tuple(_adjective(fields) for _, fields in _rows(modifiers.ADJECTIVES))


@cache
def phrases(table: str) -> tuple[Phrase, ...]:
    """The phrases of a table of `lexicon_modifiers`: TIMES, FREQUENCIES, MANNERS, NUMBERS, ..."""
    return tuple(_phrase(fields) for _, fields in _rows(getattr(modifiers, table)))


@cache
def nouns_tagged(tags: frozenset[str]) -> tuple[Noun, ...]:
    """The nouns that carry any of the tags."""
    return tuple(noun for noun in nouns() if noun.tags & tags)


@cache
def noun(lemma: str) -> Noun:
    """The noun of that name."""
    return next(noun for noun in nouns() if noun.lemma == lemma)


@cache
def verb(lemma: str) -> Verb:
    """The first verb whose lemma begins so, e.g. `give` or `be/`."""
    return next(verb for verb in verbs() if verb.lemma.startswith(lemma))


@cache
def adjective(lemma: str) -> Adjective:
    """The adjective of that name."""
    return next(adjective for adjective in adjectives() if adjective.lemma == lemma)


@cache
def adjectives_for(noun_entry: Noun) -> tuple[Adjective, ...]:
    """The adjectives that may stand before a noun."""
    tags = noun_entry.tags | {CLASS_OF[tag] for tag in noun_entry.tags if tag in CLASS_OF}
    return tuple(adjective for adjective in adjectives() if adjective.classes & tags)


@cache
def describable(tags: frozenset[str]) -> tuple[Noun, ...]:
    """The nouns with one of the tags that some adjective suits."""
    return tuple(entry for entry in nouns_tagged(tags) if adjectives_for(entry))


CLASS_OF = {
    "kin": "person",
    "readable": "story",
    "watchable": "story",
    "tellable": "story",
    "big": "furniture",
    "home": "building",
}

COPULA = Verb(
    "be/sein", english.BE, german.SEIN, "copula", frozenset({"person"}), frozenset(), None, frozenset({"state"})
)
