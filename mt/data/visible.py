"""Whether a text has visible characters: one rule for reading, cleaning, translating and aligning."""

from __future__ import annotations

import re

# Of Unicode: blanks (Zs, Zl, Zp), controls (Cc), format characters (Cf) except those of Arabic, Syriac and Kaithi
# that are drawn around digits, characters that fonts may ignore (Default_Ignorable_Code_Point: joiners,
# fillers of Hangul, variation selectors, tags), and the empty Braille pattern. An emoji is visible by its parts.
_INVISIBLE = (
    r"\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
VISIBLE = re.compile(f"[^{_INVISIBLE}]")


def is_visible(text: str) -> bool:
    """Whether a text has visible characters: more than blanks, controls and characters without a shape."""
    return VISIBLE.search(text) is not None
