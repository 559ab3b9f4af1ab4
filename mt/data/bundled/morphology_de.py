"""German word forms: articles, adjective endings, noun declension, verb conjugation.

Cases are numbered 0 nominative, 1 accusative, 2 dative, 3 genitive; genders are "m", "f", "n", and "p" for the plural.
Persons are numbered 0..5: ich, du, er/sie/es, wir, ihr, sie.
"""

from dataclasses import dataclass

NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE = range(4)
ICH, DU, ER, WIR, IHR, SIE = range(6)

DEFINITE = {
    "m": ("der", "den", "dem", "des"),
    "f": ("die", "die", "der", "der"),
    "n": ("das", "das", "dem", "des"),
    "p": ("die", "die", "den", "der"),
}
# The relative pronoun is the article but for two forms.
RELATIVE = {**DEFINITE, "p": ("die", "die", "denen", "deren")}
# Endings of ein, kein, mein; of dieser, jeder and of an adjective without article.
EIN = {
    "m": ("", "en", "em", "es"),
    "f": ("e", "e", "er", "er"),
    "n": ("", "", "em", "es"),
    "p": ("e", "e", "en", "er"),
}
DIESER = {
    "m": ("er", "en", "em", "es"),
    "f": ("e", "e", "er", "er"),
    "n": ("es", "es", "em", "es"),
    "p": ("e", "e", "en", "er"),
}
STRONG = {**DIESER, "m": ("er", "en", "em", "en"), "n": ("es", "es", "em", "en")}
WEAK = {
    "m": ("e", "en", "en", "en"),
    "f": ("e", "e", "en", "en"),
    "n": ("e", "e", "en", "en"),
    "p": ("en", "en", "en", "en"),
}
MIXED = {**WEAK, "m": ("er", "en", "en", "en"), "n": ("es", "es", "en", "en")}

CONTRACTIONS = {
    "in dem": "im",
    "in das": "ins",
    "an dem": "am",
    "an das": "ans",
    "zu dem": "zum",
    "zu der": "zur",
    "bei dem": "beim",
    "von dem": "vom",
}


def ein_word(stem: str, gender: str, case: int) -> str:
    """ein, kein, mein, euer with their ending: einen, keine, eurem."""
    ending = EIN[gender][case]
    return ("eur" if stem == "euer" and ending else stem) + ending


def adjective(stem: str, ending: str) -> str:
    """Stem and ending; teuer and dunkel lose their e, hoch its c."""
    if stem.endswith(("euer", "kel")):
        stem = stem[:-2] + stem[-1]
    elif stem == "hoch":
        stem = "hoh"
    return stem + ending


def comparison(stem: str) -> tuple[str, str]:
    """Regular comparative and superlative stems: kleiner, kleinst; teurer, teuerst; hässlicher, hässlichst."""
    comparative = adjective(stem, "er") if not stem.endswith("e") else stem + "r"
    superlative = stem + ("est" if stem.endswith(("d", "t", "s", "ß", "sch", "z", "au", "eu")) else "st")
    return comparative, superlative


def genitive(noun: str) -> str:
    """Regular genitive singular of a masculine or neuter noun: Hundes, Lehrers, Platzes."""
    lower = noun.lower()
    if lower.endswith(("s", "ß", "x", "z", "sch")):
        return noun + "es"
    groups = sum(1 for i, c in enumerate(lower) if c in "aeiouäöüy" and (i == 0 or lower[i - 1] not in "aeiouäöüy"))
    return noun + ("es" if groups == 1 and (lower[-1] not in "aeiouäöüyh" or lower.endswith("ch")) else "s")


def decline(singular: str, gender: str, plural: str, genitive_form: str | None, weak: bool):
    """The eight forms of a noun: ((nominative, accusative, dative, genitive) singular, the same plural)."""
    if weak:
        forms = (singular, plural, plural, plural)
    elif gender == "f":
        forms = (singular,) * 4
    else:
        forms = (singular, singular, singular, genitive_form or genitive(singular))
    dative_plural = plural if plural.endswith(("n", "s")) else plural + "n"
    return forms, (plural, plural, dative_plural, plural)


INSEPARABLE = ("be", "ver", "er", "ent", "ge", "zer", "miss", "emp")


@dataclass(frozen=True)
class GermanVerb:
    """All forms of one verb; finite forms are without the separable prefix, the others with it."""

    infinitive: str
    zu_infinitive: str  # one word if there is a prefix: anzurufen; else "zu rufen"
    participle: str
    present: tuple[str, ...]
    preterite: tuple[str, ...]
    imperative: str  # du
    prefix: str = ""
    perfect_with_sein: bool = False
    reflexive: bool = False


IRREGULAR_PRESENT = {
    "haben": ("habe", "hast", "hat", "haben", "habt", "haben"),
    "wissen": ("weiß", "weißt", "weiß", "wissen", "wisst", "wissen"),
}


def needs_e(stem: str) -> bool:
    """Whether -st and -t want an e before them: arbeitet, öffnet, but lernt."""
    if stem.endswith(("d", "t")):
        return True
    return stem[-1] in "mn" and stem[-2] not in "aeiouäöülrhmn"


def present(infinitive: str, third: str | None) -> tuple[str, ...]:
    """Six persons of the present; `third` is given for verbs that change their vowel."""
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    e = "e" if needs_e(stem) else ""
    first = stem + "e"
    if infinitive.endswith("eln"):
        first = stem[:-2] + "le"
    plural = infinitive
    if third is None:
        second = stem + ("t" if stem[-1] in "sßzx" else e + "st")
        third = stem + e + "t"
    elif third == "hält":
        second = "hältst"
    else:
        base = third[:-1]
        second = third if base[-1] in "sßzx" else base + "st"
    return first, second, third, plural, stem + e + "t", plural


def preterite(first: str) -> tuple[str, ...]:
    """Six persons from the first: ging, gingst, ...; machte, machtest, ..."""
    if first.endswith("e"):
        return first, first + "st", first, first + "n", first + "t", first + "n"
    second = first + ("est" if first[-1] in "dtsßz" else "st")
    fifth = first + ("et" if first[-1] in "dt" else "t")
    return first, second, first, first + "en", fifth, first + "en"


def read_verb(text: str, perfect_with_sein: bool = False, reflexive: bool = False) -> GermanVerb:
    """A verb from its lexicon entry: `auf+machen` or `an+rufen - rief gerufen`."""
    parts = text.split()
    prefix, plus, infinitive = parts[0].rpartition("+")
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    third = None
    if len(parts) == 4:
        third = None if parts[1] == "-" else parts[1]
        past, participle = parts[2], parts[3]
    else:
        e = "e" if needs_e(stem) else ""
        past = stem + e + "te"
        no_ge = infinitive.startswith(INSEPARABLE) or infinitive.endswith("ieren")
        participle = ("" if no_ge else "ge") + stem + e + "t"
    forms = present(infinitive, third)
    if infinitive in IRREGULAR_PRESENT:
        forms = IRREGULAR_PRESENT[infinitive]
    if third and "ä" not in third and infinitive not in IRREGULAR_PRESENT:  # gib, lies; but fahr, schlaf
        order = third[:-1] if third not in (infinitive, stem + "t") else stem
    elif infinitive.endswith("eln"):
        order = stem[:-2] + "le"
    else:
        order = stem + ("e" if len(parts) == 1 or needs_e(stem) else "")
    zu = f"{prefix}zu{infinitive}" if plus else f"zu {infinitive}"
    return GermanVerb(
        prefix + infinitive,
        zu,
        prefix + participle,
        forms,
        preterite(past),
        order,
        prefix,
        perfect_with_sein,
        reflexive,
    )


def _auxiliary(infinitive: str, participle: str, present: str, past: str) -> GermanVerb:
    return GermanVerb(infinitive, "zu " + infinitive, participle, tuple(present.split()), tuple(past.split()), "")


SEIN = GermanVerb(
    "sein", "zu sein", "gewesen", ("bin", "bist", "ist", "sind", "seid", "sind"), preterite("war"), "sei", "", True
)
HABEN = _auxiliary("haben", "gehabt", "habe hast hat haben habt haben", "hatte hattest hatte hatten hattet hatten")
WERDEN = _auxiliary(
    "werden", "worden", "werde wirst wird werden werdet werden", "wurde wurdest wurde wurden wurdet wurden"
)


def _modal(infinitive: str, singular: str, third: str, past: str) -> GermanVerb:
    second = singular + ("t" if singular.endswith("ß") else "st")
    stem = infinitive[:-2]
    return GermanVerb(
        infinitive,
        "zu " + infinitive,
        "",
        (singular, second, third, infinitive, stem + "t", infinitive),
        preterite(past),
        "",
    )


KOENNEN = _modal("können", "kann", "kann", "konnte")
MUESSEN = GermanVerb(
    "müssen", "zu müssen", "", ("muss", "musst", "muss", "müssen", "müsst", "müssen"), preterite("musste"), ""
)
DUERFEN = _modal("dürfen", "darf", "darf", "durfte")
WOLLEN = _modal("wollen", "will", "will", "wollte")
# Subjunctives stand where others have their present: sollte, möchte, könnte, würde, wäre, hätte.
SOLLTE = GermanVerb("sollen", "", "", preterite("sollte"), preterite("sollte"), "")
MOECHTE = GermanVerb("mögen", "", "", preterite("möchte"), preterite("möchte"), "")
KOENNTE = GermanVerb("können", "", "", preterite("könnte"), preterite("könnte"), "")
WUERDE = GermanVerb("werden", "", "", preterite("würde"), preterite("würde"), "")
WAERE = ("wäre", "wärst", "wäre", "wären", "wärt", "wären")
HAETTE = preterite("hätte")
