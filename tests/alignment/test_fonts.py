"""Which fonts draw a label, and what is said when none can. Only the fonts that come with matplotlib are counted on."""

import logging

import pytest

from mt.alignment import fonts

NOBODY_HAS = "\U00012000"  # a cuneiform sign


@pytest.fixture
def only_dejavu(monkeypatch):
    monkeypatch.setattr(fonts, "_installed", lambda: [])
    monkeypatch.setattr(fonts, "_warned", set())


def test_western_and_arabic_text_needs_one_font(only_dejavu, caplog):
    assert fonts.families_for(["The house", "▁Größe", "дом", "σπίτι", "\u0628\u064a\u062a", "\u05d1\u05d9\u05ea"]) == [
        "DejaVu Sans"
    ]
    assert not caplog.records


def test_a_script_that_no_font_has_is_named_once(only_dejavu, caplog):
    caplog.set_level(logging.WARNING)
    for texts in (["我 知道。", "บ้าน"], ["他", "น"]):
        assert fonts.families_for(texts) == ["DejaVu Sans"]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "CJK" in messages[0]
    assert "Thai" in messages[1]


def test_another_font_is_added_only_when_it_is_needed(monkeypatch, caplog):
    own = fonts._characters_of("DejaVu Sans")
    have = {"DejaVu Sans": own, "Useless": frozenset({65}), "Wedges": frozenset({ord(NOBODY_HAS)}), "More": own}
    monkeypatch.setattr(fonts, "_characters_of", lambda family: have[family])
    monkeypatch.setattr(fonts, "_installed", lambda: ["Useless", "Wedges", "More"])
    assert fonts.families_for(["A house"]) == ["DejaVu Sans"]
    assert fonts.families_for(["A", NOBODY_HAS]) == ["DejaVu Sans", "Wedges"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("letter", "script"), [("我", "CJK"), ("。", "CJK"), ("か", "Hiragana"), ("ก", "Thai"), ("☃", "symbols")]
)
def test_scripts_are_named(letter, script):
    assert fonts.script_of(letter) == script
