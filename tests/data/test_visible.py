"""What has nothing to see in it is the same for every command, and follows Unicode."""

import sys
import unicodedata

import pytest

from mt.data.document import Context, DocumentSettings, InDocuments, contexts
from mt.data.pair import Pair
from mt.data.visible import is_visible

INVISIBLE = ["", " ", "\t\r", "\u00a0\u3000\u2003", "\u200b", "\ufeff", "\u200e\u200f", "\u00ad", "\u2060", "\u3164",
             "\u115f\u1160", "\ufe0f", "\U000e0101", "\u200d\u200d", "\x00\x1b\x7f\x85", "\u2028", "\u061c", "\u180e",
             "\u034f", "\u2066a\u2069"[:1], "\u2800", "\U000e0020"]  # fmt: skip
VISIBLE = [".", "字", "\u200bx", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "🏴\U000e0067\U000e007f", "1\ufe0f\u20e3",
           "\u0301", "\ufffd", "\u06dd", "ᄀ", "…", "\ue000"]  # fmt: skip


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_nothing_to_see(text):
    assert not is_visible(text)


@pytest.mark.parametrize("text", VISIBLE, ids=ascii)
def test_something_to_see(text):
    assert is_visible(text)
    assert is_visible(f"\u200b {text}\ufeff")


def test_blanks_and_controls_of_unicode_are_invisible_and_letters_numbers_and_signs_are_not():
    drawn = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}  # round the digits after them
    fillers = {0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800}
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category in ("Zs", "Zl", "Zp", "Cc", "Cf"):
            assert is_visible(chr(code)) == (code in drawn), hex(code)
        elif category[0] in "LNPS":
            assert is_visible(chr(code)) == (code not in fillers), hex(code)


def test_a_line_with_nothing_to_see_ends_a_document():
    settings = DocumentSettings(context_before=2, context_after=1)
    assert contexts(["one", "\u200b", "two", "three"], settings) == [
        Context(), Context(), Context((), ("three",)), Context(("two",), ())
    ]  # fmt: skip
    pairs = InDocuments([Pair("one", "eins"), Pair("\u200b", "\ufeff"), Pair("two", "zwei")], settings)
    assert [pair.source for pair in pairs] == ["one", "two"]
