"""Writing systems by language code: which letters a text in a language is expected to be written with."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

# Blocks of Unicode, as ranges for the brackets of a regular expression.
SCRIPTS = {
    "Arabic": r"\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Armenian": r"\u0530-\u058f\ufb13-\ufb17",
    "Bengali": r"\u0980-\u09ff",
    "Cyrillic": r"\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Devanagari": r"\u0900-\u097f\ua8e0-\ua8ff",
    "Ethiopic": r"\u1200-\u139f\u2d80-\u2ddf\uab00-\uab2f",
    "Georgian": r"\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2f",
    "Greek": r"\u0370-\u03ff\u1f00-\u1fff",
    "Gujarati": r"\u0a80-\u0aff",
    "Gurmukhi": r"\u0a00-\u0a7f",
    "Han": r"\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3100-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U00020000-\U0003ffff",
    "Hangul": r"\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc",
    "Hebrew": r"\u0590-\u05ff\ufb1d-\ufb4f",
    "Kana": r"\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Kannada": r"\u0c80-\u0cff",
    "Khmer": r"\u1780-\u17ff",
    "Lao": r"\u0e80-\u0eff",
    "Latin": r"A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1d00-\u1dbf\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff"
    r"\uab30-\uab6f\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a",
    "Malayalam": r"\u0d00-\u0d7f",
    "Myanmar": r"\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f",
    "Odia": r"\u0b00-\u0b7f",
    "Sinhala": r"\u0d80-\u0dff",
    "Tamil": r"\u0b80-\u0bff",
    "Telugu": r"\u0c00-\u0c7f",
    "Thai": r"\u0e00-\u0e7f",
    "Tibetan": r"\u0f00-\u0fff",
}
# Of no script, although letters for Python: signs such as º and µ, ½, ², Ⅷ, ①, and letters of mathematics.
COMMON = r"ªº²³µ¹¼-¾\u02b0-\u02ff\u2070-\u209f\u2100-\u218f\u2460-\u24ff\u2776-\u2793\u3192-\u32ff\U0001d400-\U0001f1ff"

LANGUAGES = {
    "Arabic": "ar arz fa ps sd ug ur",
    "Armenian": "hy",
    "Bengali": "as bn",
    "Cyrillic": "be bg cv kk ky mk mn ru tg tt uk",
    "Cyrillic Latin": "sr uz",
    "Devanagari": "hi mr ne sa",
    "Ethiopic": "am ti",
    "Georgian": "ka",
    "Greek": "el grc",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Han": "lzh wuu yue zh",
    "Han Hangul": "ko",
    "Han Kana": "ja",
    "Hebrew": "he iw yi",
    "Kannada": "kn",
    "Khmer": "km",
    "Lao": "lo",
    "Latin": "af az bs ca cs cy da de en eo es et eu fi fil fo fr fy ga gd gl ha hr ht hu id ig is it jv la lb lt lv mg"
    " mi ms mt nb nl nn no nso oc pl pt ro rw sk sl sn so sq st su sv sw tl tn tr ts vi wo xh yo zu",
    "Latin Arabic": "ku",
    "Malayalam": "ml",
    "Myanmar": "my",
    "Odia": "or",
    "Sinhala": "si",
    "Tamil": "ta",
    "Telugu": "te",
    "Thai": "th",
    "Tibetan": "bo dz",
}
# the part of a code that names a script (ISO 15924): sr-Latn, zh_Hant
SUBTAGS = {
    "arab": "Arabic", "cyrl": "Cyrillic", "deva": "Devanagari", "grek": "Greek", "hans": "Han", "hant": "Han",
    "hebr": "Hebrew", "latn": "Latin",
}  # fmt: skip
_SCRIPTS_OF = {code: scripts.split() for scripts, codes in LANGUAGES.items() for code in codes.split()}
_LETTER = re.compile(rf"[^\W\d_{COMMON}]")


def language_of(code: str) -> str:
    """The language part of a code: "pt" of pt-BR and of pt_br."""
    return re.split("[-_]", code.lower())[0]


@lru_cache
def scripts_of(code: str) -> tuple[str, ...]:
    """The scripts that a language is written in; none for a code that this file does not know.

    A code may name its script: sr-Latn.
    """
    for part in re.split("[-_]", code.lower())[1:]:
        if part in SUBTAGS:
            return (SUBTAGS[part],)
    return tuple(_SCRIPTS_OF.get(language_of(code), ()))


def foreign_share(text: str, code: str) -> float:
    """The share of a text's letters that belong to none of the language's scripts; 0 where no script is known."""
    scripts = _expected(code)
    if scripts is None or (scripts.hold_ascii and text.isascii()) or scripts.outside.search(text) is None:
        return 0.0
    return len(scripts.outside.findall(text)) / len(_LETTER.findall(text))


def outside_letters(code: str) -> re.Pattern[str] | None:
    """A letter of none of the language's scripts; None where no script is known."""
    scripts = _expected(code)
    return None if scripts is None else scripts.outside


def script_counts(text: str) -> Counter[str]:
    """How many letters of a text are of each script."""
    counts = {script: len(re.findall(f"[{blocks}]", text)) for script, blocks in SCRIPTS.items()}
    return Counter({script: count for script, count in counts.items() if count})


class _Expected(NamedTuple):
    outside: re.Pattern[str]  # a letter of none of the scripts
    hold_ascii: bool


@lru_cache
def _expected(code: str) -> _Expected | None:
    scripts = scripts_of(code)
    if not scripts:
        return None
    blocks = "".join(SCRIPTS[script] for script in scripts)
    return _Expected(re.compile(rf"[^\W\d_{COMMON}{blocks}]"), "Latin" in scripts)
