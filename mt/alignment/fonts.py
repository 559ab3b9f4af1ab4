"""Fonts for labels in any script: which installed fonts have the characters, and a warning if none has."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager

log = logging.getLogger(__name__)

FIRST = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian
# tried first, in this order, before other installed fonts
PREFERRED = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "PingFang SC", "Hiragino Sans", "Hiragino Sans GB", "Apple SD Gothic Neo",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "NanumGothic",
    "IPAexGothic", "Droid Sans Fallback",
    "Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali",
    "Noto Sans Tamil", "Noto Sans Telugu", "Noto Sans Thai", "Noto Sans Ethiopic", "Nirmala UI", "Leelawadee UI",
    "Noto Sans", "FreeSans", "Arial Unicode MS", "Unifont", "Noto Sans Symbols2", "Noto Emoji", "Segoe UI Symbol",
)  # fmt: skip
LAST_RESORT = "Last Resort"  # has only boxes
_warned: set[str] = set()  # scripts that were reported: one warning in a process
INSTALL = "Noto Sans covers most scripts, Noto Sans CJK those of East Asia"


def families_for(texts: Iterable[str]) -> list[str]:
    """Font families to try in order, so that every character of the texts is drawn if an installed font has it.

    A script that no font has is named in one warning, once in a process.
    """
    wanted = {ord(letter) for text in texts for letter in text if not letter.isspace() and letter.isprintable()}
    families, missing = [FIRST], wanted - _characters_of(FIRST)
    for family in _installed():
        if not missing:
            break
        if found := missing & _characters_of(family):
            families.append(family)
            missing -= found
    for script in sorted({script_of(chr(code)) for code in missing}):
        example = next(chr(code) for code in sorted(missing) if script_of(chr(code)) == script)
        _warn_once(script, example)
    return families


def script_of(letter: str) -> str:
    """The script's name in the Unicode database, "CJK" or "Thai"; "symbols" for characters that are no letters."""
    category = unicodedata.category(letter)
    if category[0] == "P" and unicodedata.east_asian_width(letter) in "WF":
        return "CJK"
    if category[0] not in "LMN":
        return "symbols"
    name = unicodedata.name(letter, "unknown").split()[0]
    return name if name == "CJK" else name.capitalize()


def _warn_once(script: str, example: str) -> None:
    if script in _warned:
        return
    _warned.add(script)
    log.warning("no installed font has %s characters (such as %s), PNG labels show boxes: %s", script, example, INSTALL)


@cache
def _installed() -> list[str]:
    names = {entry.name for entry in font_manager.fontManager.ttflist}
    others = sorted(name for name in names if not name.startswith((FIRST, LAST_RESORT)))
    return [name for name in PREFERRED if name in names] + [name for name in others if name not in PREFERRED]


@cache
def _characters_of(family: str) -> frozenset[int]:
    faces = [face for face in font_manager.fontManager.ttflist if face.name == family]
    plain = min(faces, key=lambda face: (face.style != "normal", str(face.weight) not in ("400", "normal", "regular")))
    try:
        return frozenset(font_manager.get_font(plain.fname).get_charmap())
    except RuntimeError:  # FreeType cannot read the file
        return frozenset()
