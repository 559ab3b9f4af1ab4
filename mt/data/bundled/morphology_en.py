"""English word forms: plural, verb forms, comparison, a/an, possessive."""

from dataclasses import dataclass

VOWELS = "aeiou"
DOUBLING = frozenset(
    ["swim", "run", "sit", "get", "put", "cut", "forget", "begin", "plan", "stop", "hug", "jog", "let", "win"]
)
VOWEL_LETTER_BUT_CONSONANT_SOUND = ("uni", "use", "euro", "one", "once")
MUTE_H = ("hour", "honest", "heir")


def plural(noun: str) -> str:
    """Regular plural of a noun or, for several words, of its last."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def third_person(verb: str) -> str:
    """Third person singular present: gives, washes, carries, goes."""
    if verb in ("have", "do", "go"):
        return {"have": "has", "do": "does", "go": "goes"}[verb]
    return plural(verb)


def past(verb: str) -> str:
    """Regular past and participle: worked, loved, carried, hugged."""
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in VOWELS:
        return verb[:-1] + "ied"
    return (verb + verb[-1] if verb in DOUBLING else verb) + "ed"


def progressive(verb: str) -> str:
    """The -ing form: working, loving, lying, running."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee") and verb != "be":
        return verb[:-1] + "ing"
    return (verb + verb[-1] if verb in DOUBLING else verb) + "ing"


def indefinite_article(following: str) -> str:
    """`a` or `an`, by the sound that begins the following word."""
    word = following.lower()
    if word.startswith(VOWEL_LETTER_BUT_CONSONANT_SOUND):
        return "a"
    return "an" if word[0] in VOWELS or word.startswith(MUTE_H) else "a"


def possessive(noun: str) -> str:
    """With apostrophe: the teacher's, the parents', Thomas's."""
    return noun + "'" if noun.endswith("s") and not noun[0].isupper() else noun + "'s"


def comparison(adjective: str, irregular: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Comparative and superlative, of one word (older, oldest) or two (more famous, most famous)."""
    if adjective in irregular:
        return irregular[adjective]
    groups = sum(
        1 for i, c in enumerate(adjective) if c in VOWELS + "y" and (i == 0 or adjective[i - 1] not in VOWELS + "y")
    )
    if adjective.endswith("y") and groups == 2 and len(adjective) > 3:
        return adjective[:-1] + "ier", adjective[:-1] + "iest"
    if groups - adjective.endswith("e") <= 1 and adjective not in ("tired", "famous"):
        if adjective.endswith("e"):
            return adjective + "r", adjective + "st"
        if adjective[-1] in "gtdnm" and adjective[-2] in VOWELS and (len(adjective) < 3 or adjective[-3] not in VOWELS):
            return adjective + adjective[-1] + "er", adjective + adjective[-1] + "est"
        return adjective + "er", adjective + "est"
    return "more " + adjective, "most " + adjective


@dataclass(frozen=True)
class EnglishVerb:
    """All forms of one verb, its particle (get *up*) and stranded preposition (look *for*)."""

    base: str
    third: str
    past: str
    participle: str
    progressive: str
    particle: str = ""
    preposition: str = ""


BE = EnglishVerb("be", "is", "was", "been", "being")


def read_verb(text: str) -> EnglishVerb:
    """A verb from its lexicon entry: `give gave given`, `get up/got/gotten`, `look ~for`."""
    forms, slash, rest = text.partition("/")
    words = forms.split()
    particle = preposition = ""
    if slash:
        second, third = rest.split("/")
        particle = " ".join(words[1:])
        words = [words[0], second, third]
    elif len(words) == 2:
        preposition = words.pop().lstrip("~")
    base = words[0]
    second, third = (words[1], words[2]) if len(words) == 3 else (past(base), past(base))
    return EnglishVerb(base, third_person(base), second, third, progressive(base), particle, preposition)
