"""Right-to-left labels for a renderer that only knows left to right: letters joined, then put in visual order.

Newer releases of matplotlib shape text themselves, as every viewer of SVG does; this is for PNG with older ones. Both
tables come from the Unicode database that Python carries: Arabic presentation forms, bidirectional classes.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import groupby

FORMS = {"<isolated>": 0, "<final>": 1, "<initial>": 2, "<medial>": 3}
MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


def is_right_to_left(text: str) -> bool:
    """Whether any letter of the text runs from right to left (Arabic, Hebrew, Syriac, Thaana, N'Ko...)."""
    return any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)


def visual_order(text: str) -> str:
    """What to draw from left to right so that `text`, one label, reads right; other text comes back as it is.

    Runs of numbers and of left-to-right letters keep their order. Less than the full algorithm: labels are words.
    """
    if not is_right_to_left(text):
        return text
    clusters = re.findall(r".[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]*", joined(text), re.DOTALL)
    runs = ((forward, list(group)) for forward, group in groupby(clusters, key=_runs_forward))
    ordered = (run if forward else [part[::-1].translate(MIRRORED) for part in reversed(run)] for forward, run in runs)
    return "".join(part for run in reversed(list(ordered)) for part in run)


def joined(text: str) -> str:
    """Arabic letters in the form that fits their neighbours: isolated, final, initial or medial; lam-alef as one."""
    forms, drawn, before = _forms(), [], False  # before: whether the letter before joins this one
    letters = re.findall(r"\u0644[\u0622\u0623\u0625\u0627]|.", text, re.DOTALL)
    for at, letter in enumerate(letters):
        if unicodedata.category(letter[0]) == "Mn":  # a vowel sign does not break the joining of letters
            drawn.append(letter)
            continue
        known = forms.get(letter, {})
        following = next((other for other in letters[at + 1 :] if unicodedata.category(other[0]) != "Mn"), "")
        after = 2 in known and 1 in forms.get(following, {})
        drawn.append(known.get(before + 2 * after, letter))
        before = after
    return "".join(drawn)


def _runs_forward(cluster: str) -> bool:
    return unicodedata.bidirectional(cluster[0]) in ("L", "EN", "AN", "ES", "ET", "CS")


@cache
def _forms() -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for code in (*range(0xFB50, 0xFC00), *range(0xFE70, 0xFEFD)):
        form, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        text = "".join(chr(int(letter, 16)) for letter in letters)
        if form in FORMS and " " not in text:
            found.setdefault(text, {}).setdefault(FORMS[form], chr(code))
    return found
