"""Characters without meaning in a sentence: controls, private use, replacements of unreadable bytes."""

from __future__ import annotations

import re
from functools import lru_cache

from mt.data.cleaning.checks.scripts import scripts_of

DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that Arabic and Hebrew text may need
# Controls except the tab, line ends, byte order marks, lone surrogates, private use, U+FFFD and similar. Joiners and
# soft hyphens are allowed: Persian, Indic scripts and emoji need joiners, careful typesetting uses soft hyphens.
CONTROLS = (
    r"\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufff0-\uffff"
    r"\U000f0000-\U0010ffff"
)


def has_control_character(text: str, language: str) -> bool:
    """Whether a text holds one of `CONTROLS`, or of `DIRECTIONS` where its language does not need them."""
    # "\ufffd" and its neighbour, the sign for an object, count as printable
    if text.isprintable() and (text.isascii() or not ("\ufffd" in text or "\ufffc" in text)):
        return False
    return controls(language).search(text) is not None


@lru_cache
def controls(language: str) -> re.Pattern[str]:
    """One of `CONTROLS`, or of `DIRECTIONS` where the language does not need them."""
    scripts = scripts_of(language)
    needs_directions = not scripts or not {"Arabic", "Hebrew"}.isdisjoint(scripts)
    return re.compile(f"[{CONTROLS}{'' if needs_directions else DIRECTIONS}]")
