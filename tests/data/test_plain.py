"""Judging whole columns says of a pair only what judging it alone says, too."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.data.block import Block
from mt.data.bundled.source import Bundled
from mt.data.cleaning.checks.addresses import num_addresses
from mt.data.cleaning.checks.function_words import FIRST_WORDS, known_languages, without_own_words, wrong_words
from mt.data.cleaning.checks.html import has_html
from mt.data.cleaning.plain import PlainPairs
from mt.data.cleaning.repeats import single_blanks
from mt.data.cleaning.rules import broken_rule
from mt.data.cleaning.settings import CleaningSettings
from mt.data.document import AFTER, apart
from mt.data.pair import Pair

BEFORE_LANGUAGE = replace(CleaningSettings(), drop_wrong_language=False)  # what `PlainPairs` answers for
PARTS = ["a", "Haus", "é", "e\u0301", "\u0301", "각", "ㄱ", "\u1100", "\u1161", "\u11a8", "क", "\u093c", "\u09be", "Ω"]
PARTS += [" ", "  ", "\u00a0", "\t", "\r", "\u2028", "\u200b", "\u200f", "\ufeff", "\ufffd", "\x13", "", "\U0001f600"]
PARTS += [
    "<b>",
    "&nbsp;",
    "me@home.org",
    "www.a.org",
    "http://b",
    "3",
    "1022",
    "٣",
    "Ã¤",
    "â€™",
    "Ð¿",
    "liberté »",
    "д",
    "中",
]
PARTS += [f" {AFTER} ", "The", "a man was there", "der Mann war da", "," * 30]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
LANGUAGES = [("en", "de"), ("ru", "ko"), ("he", "xx")]


def plain(pairs, languages=("en", "de"), settings=BEFORE_LANGUAGE):
    block = Block.of([source for source, _ in pairs], [target for _, target in pairs])
    return PlainPairs(settings, *languages)(block).tolist()


@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5),
    st.sampled_from(LANGUAGES),
    st.sampled_from(["any", "tolerant", "strict"]),
)
def test_a_plain_pair_breaks_no_rule_and_has_single_blanks(pairs, languages, numbers):
    settings = replace(BEFORE_LANGUAGE, numbers=numbers, max_words=4, max_characters=40)
    for pair, is_plain in zip(pairs, plain(pairs, languages, settings), strict=True):
        if is_plain:
            assert broken_rule(Pair(*pair), settings, *languages) is None
            assert [single_blanks(text) for text in pair] == [text.strip() for text in pair] == list(pair)
            assert apart(pair[0])[1] == pair[0]


@pytest.mark.parametrize("language", ["ru", "he", "xx"])
def test_no_character_is_plain_that_a_rule_or_a_normal_form_minds(language):
    characters = [chr(code) for code in [*range(0xD800), *range(0xE000, 0x10500)] if chr(code) != "\n"]
    lines = [f"12{character}34" for character in characters]
    found = plain(list(zip(lines, [f"{line}." for line in lines], strict=True)), (language, language))
    assert 0 < sum(found) < len(found)
    for line in (line for line, is_plain in zip(lines, found, strict=True) if is_plain):
        assert single_blanks(line) == line and not has_html(line) and num_addresses(line) == 0
        assert broken_rule(Pair(line, f"{line}."), BEFORE_LANGUAGE, language, language) is None


def test_good_pairs_are_plain():
    found = plain([(pair.source, pair.target) for pair in Bundled("train", 500)])
    assert sum(found) >= 0.9 * len(found)  # sides of the same length are compared one by one


@pytest.mark.parametrize("languages", [("en", "de"), ("de", "en"), ("sr", "nl"), ("tr", "fr"), ("zh", "en")])
def test_pairs_with_words_of_their_own_languages_need_no_further_look(languages):
    words = [*"The the DER der İstanbul und a is".split(), *"в и et le La de het bir ve".split(), "x", "y"]
    lines = [" ".join(words[n:] + words[:n])[: 7 * n] for n in range(len(words))]
    pairs = [(one, other) for one in lines for other in lines]
    left = set(without_own_words(pairs, *languages))
    for place, pair in enumerate(pairs):
        assert place in left or wrong_words(*pair, *languages) == (0, 0)
    assert (len(left) < len(pairs)) and (bool(left) == set(languages).issubset(known_languages()))
    assert len(words) > FIRST_WORDS
