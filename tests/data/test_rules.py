"""Each rule drops what it is for, leaves good text alone, and says when it cannot judge."""

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.data.bundled.source import Bundled
from mt.data.cleaning.checks.characters import has_control_character
from mt.data.cleaning.checks.html import has_html
from mt.data.cleaning.checks.mojibake import has_mojibake
from mt.data.cleaning.checks.numbers import numbers_differ
from mt.data.cleaning.checks.scripts import foreign_share, scripts_of
from mt.data.cleaning.rules import broken_rule, skipped_rules
from mt.data.cleaning.settings import NO_RULES, CleaningSettings
from mt.data.pair import Pair

DEFAULT = CleaningSettings()


def reason(source, target, languages=("en", "de"), settings=DEFAULT):
    return broken_rule(Pair(source, target), settings, *languages)


@pytest.mark.parametrize(
    "setting, source, target, expected",
    [
        ({"drop_empty": True}, "", "leer", "empty side"),
        ({"drop_empty": True}, "empty", "\u200b\ufeff", "empty side"),
        ({"max_words": 6}, "one two three four five six seven", "eins", "too long (over 6 words)"),
        ({"max_characters": 9}, "ten letter", "zehn", "too long (over 9 characters)"),
        (
            {"max_length_ratio": 4.0},
            "Hi.",
            "Guten Abend, meine sehr verehrten Damen und Herren!",
            "length ratio (over 4)",
        ),
        ({"drop_identical": True}, "Berlin", "Berlin", "identical sides"),
        ({"drop_html": True}, "A <b>red</b> car", "Ein rotes Auto", "left-over HTML"),
        ({"drop_address_mismatch": True}, "See www.example.org.", "Siehe unten.", "addresses differ"),
        ({"drop_mojibake": True}, "a nice car", "ein schÃ¶nes Auto", "mojibake"),
        ({"drop_control_characters": True}, "a \x13 bell", "eine Glocke", "control characters"),
        ({"numbers": "tolerant"}, "Paragraph 1022", "Seite 9873", "numbers differ (tolerant)"),
        ({"numbers": "strict"}, "three cars", "3 Autos", "numbers differ (strict)"),
        ({"max_foreign_letters": 0.6}, "a red car", "красная машина", "letters of another script (over 0.6)"),
        ({"drop_wrong_language": True}, "The car is red.", "The car is so red.", "target is in en"),
        ({"drop_wrong_language": True}, "Das ist ein Auto.", "Das Auto.", "source is in de"),
        ({"drop_wrong_language": True}, "Das ist ein rotes Auto.", "That is a red car.", "sides swapped"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_each_rule_drops_its_pairs_and_nothing_does_once_it_is_off(setting, source, target, expected):
    assert reason(source, target, settings=replace(NO_RULES, **setting)) == expected
    assert reason(source, target, settings=NO_RULES) is None


@pytest.mark.parametrize(
    "source, target, languages",
    [
        ("I ❤ you! 👨\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e007f", "Ich ❤ dich!", ("en", "de")),
        ("a < b and c > d, I <3 it", "a < b und c > d", ("en", "de")),
        ("<2de> A red car &amp; a blue one &apos;s", "Ein rotes Auto &amp; ein blaues", ("en", "de")),
        ("AT&T; Q&A;", "AT&T; Q&A;  ", ("en", "de")),
        ("Write to anna@example.org or see www.example.org", "anna@example.org, https://example.org/de", ("en", "de")),
        ("« la liberté\xa0»", "“liberty”", ("fr", "en")),
        ("Úžasný! Ústí, Ženeva", "Wonderful! Ústí, Geneva", ("cs", "en")),
        ("„Ich vergaß“, daß… MENÜ“", '"I forgot", that... MENU"', ("de", "en")),
        ("AMANHÃ\xa0» NÃO", "TOMORROW NO", ("pt", "en")),
        ("5 µ, 20 °, ½ ² Ⅷ ①", "5 µ, 20 °, ½ ² Ⅷ ①.", ("en", "ru")),
        ("我用iPhone写信。", "I write letters on my iPhone.", ("zh", "en")),
        ("می\u200cخواهم", "I want", ("fa", "en")),
        ("\u200fשלום", "Hello", ("he", "en")),
        ("soft\u00adware", "Soft\u00adware.", ("en", "de")),
        ("Was will Tom?", "What does Tom want?", ("de", "en")),
        ("Mehrere Leute laufen am Samstag bei „Run for the Sea“ in Kiel.", "Several people take part.", ("de", "en")),
        ("Добар дан", "Good day", ("sr", "en")),
        ("Dobar dan", "Good day", ("sr-Latn", "en")),
        ("1,000 cars at 10:30", "1.000 Autos um 10.30 Uhr", ("en", "de")),
    ],
)  # fmt: skip
def test_good_pairs_stay(source, target, languages):
    assert reason(source, target, languages, replace(DEFAULT, numbers="tolerant")) is None


def test_other_letters_are_called_swapped_where_changing_sides_would_mend_them():
    assert reason("Это красная машина.", "That is a red car.", ("en", "ru")) == "sides swapped"
    assert reason("Это красная машина.", "Это машина.", ("en", "ru")) == "letters of another script (over 0.6)"


def test_a_share_of_other_letters_is_allowed():
    share = foreign_share("Ein Wort: слово", "de")
    assert share == 5 / 12
    assert reason("One word: слово", "Ein Wort: слово!") is None
    assert reason("One word: слово", "Ein Wort: слово!", settings=replace(DEFAULT, max_foreign_letters=0.4)) is not None


@pytest.mark.parametrize("text", ["<br/>", "</p>", '<a href="x">', "<!-- x", "&nbsp;", "&#39;", "&#x27;", "&amp;nbsp;"])
def test_html_is_seen(text):
    assert has_html(f"some {text} text")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text", ["schön", "déjà vu", "“quoted”", "it’s", "10 °C", "5 €", "łódź", "привет", "你好", "😀"]
)
def test_mojibake_is_seen_in_any_script(text, encoding):
    # a byte that Windows-1252 does not have becomes the control character of that number, as browsers do it
    spoiled = "".join(bytes([byte]).decode(encoding, errors="ignore") or chr(byte) for byte in text.encode())
    assert has_mojibake(f"x {spoiled} x")
    assert not has_mojibake(f"x {text} x")


@given(st.text(alphabet=st.characters(max_codepoint=0x17F, categories=["Ll", "Lu", "Zs", "Po"]), max_size=30))
def test_words_of_latin_letters_are_no_mojibake_unless_a_tilde_or_a_hat_stands_there(text):
    assert not has_mojibake(text) or re.search("[ÂÃÄ-Ûà-ï]", text)


@pytest.mark.parametrize(
    "character", "\x00\x08\x0b\x1b\x7f\x80\x9f\u2028\ufeff\ufffd\ufffc\ue000\ud800\U0010fffd\u202e"
)
def test_control_characters_are_seen(character):
    assert has_control_character(f"a{character}b", "en")
    assert has_control_character(f"ä{character}ö", "de")


@pytest.mark.parametrize("character", "\t\xa0\u2009\u200d\u00ad…“ß字\U0001f600")
def test_characters_with_a_meaning_are_not(character):
    assert not has_control_character(f"a{character}b", "en")


def test_direction_marks_belong_to_some_scripts_and_are_left_alone_in_unknown_languages():
    assert [has_control_character("a\u200fb", code) for code in ("en", "ar", "he", "xx")] == [True, False, False, False]


@pytest.mark.parametrize(
    "source, target, differ",
    [
        ("1,000 cars", "1.000 Autos", (False, False)),
        ("10 000 cars", "10.000 Autos", (False, False)),
        ("10:30 and 05", "5 und 10.30", (False, False)),
        ("٣٤٥٦", "3456", (False, False)),
        ("three cars", "3 Autos", (False, True)),
        ("in 2015", "in 2016", (False, True)),
        ("5 cars", "7 Autos", (False, True)),
        ("page 1022", "Seite 3456", (True, True)),
        ("no number", "keine Zahl", (False, False)),
        ("007", "7", (False, False)),
        ("1" * 5000, "1" * 5000, (False, False)),
        ("1" * 5000, "2" * 5000, (True, True)),
        ("٣" * 5000, "3" * 5000, (False, False)),
    ],
)
def test_numbers_are_compared_as_closely_as_told(source, target, differ):
    assert tuple(numbers_differ(source, target, how) for how in ("tolerant", "strict")) == differ
    assert tuple(numbers_differ(target, source, how) for how in ("tolerant", "strict")) == differ


def test_rules_sleep_where_nothing_is_known_of_a_language_and_say_so():
    assert skipped_rules(DEFAULT, "en", "de") == []
    assert len(skipped_rules(DEFAULT, "en", "xx")) == 2
    assert ["drop_wrong_language" in line for line in skipped_rules(DEFAULT, "zh", "en")] == [True]
    assert skipped_rules(NO_RULES, "xx", "yy") == []
    assert reason("красная машина", "The car is red", ("xx", "yy")) is None


@pytest.mark.parametrize(
    "code, scripts",
    [("en", ("Latin",)), ("pt-BR", ("Latin",)), ("zh_TW", ("Han",)), ("sr-Latn", ("Latin",)), ("tlh", ())],
)
def test_scripts_are_found_by_the_parts_of_a_language_code(code, scripts):
    assert scripts_of(code) == scripts


def swapped(source, target):
    return target, source


def escaped(source, target):
    return source, target.replace("ü", "&uuml;").replace("ß", "&#223;")


def read_as(encoding):
    return lambda source, target: (source, target.encode().decode(encoding, errors="replace"))


def read_as_utf_8(source, target):
    return source, target.encode("latin-1").decode("utf-8", errors="replace")


@pytest.mark.parametrize(
    "spoil, expected, least",
    [
        (swapped, {"sides swapped", "target is in en", "source is in de"}, 0.95),
        (lambda source, target: (source, f"{source} "), {"target is in en"}, 0.8),
        (lambda source, target: (f"<p>{source}</p>", target), {"left-over HTML"}, 1.0),
        (escaped, {"left-over HTML"}, 1.0),
        (read_as("latin-1"), {"mojibake"}, 1.0),
        (read_as("cp1252"), {"mojibake"}, 1.0),
        (read_as_utf_8, {"control characters"}, 1.0),
    ],
    ids=["swapped", "copied", "tags", "escaped", "read-as-latin-1", "read-as-windows-1252", "latin-1-read-as-utf-8"],
)
def test_a_spoiled_corpus_is_caught(spoil, expected, least):
    good = [Pair(pair.source, pair.target) for pair in Bundled(split="train", size=600, seed=4)]
    assert [broken_rule(pair, DEFAULT, "en", "de") for pair in good] == [None] * len(good)
    spoiled = [pair for pair in (Pair(*spoil(pair.source, pair.target)) for pair in good) if pair not in good]
    assert len(spoiled) > 200
    caught = [broken_rule(pair, DEFAULT, "en", "de") in expected for pair in spoiled]
    assert sum(caught) >= least * len(caught)


@pytest.mark.parametrize("how, least", [("tolerant", 0.6), ("strict", 1.0)])
def test_changed_digits_are_caught_when_numbers_are_compared(how, least):
    rng = random.Random(5)
    numbers = [str(rng.randint(1000, 99999)) for _ in range(300)]
    changed = ["".join(str((int(digit) + rng.randint(1, 9)) % 10) for digit in number) for number in numbers]
    settings = replace(NO_RULES, numbers=how)
    caught = [
        reason(f"No. {a}", f"Nr. {b}", settings=settings) is not None for a, b in zip(numbers, changed, strict=True)
    ]
    assert sum(caught) >= least * len(caught)
    assert all(reason(f"No. {number}", f"Nr. {number}.", settings=settings) is None for number in numbers)
