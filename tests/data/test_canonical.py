"""NFC of any text in time that grows with its length, blanks where they were."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.data import canonical
from mt.data.canonical import composed, is_composed
from mt.data.cleaning.repeats import single_blanks
from mt.evaluation.scores import score

TEXTS = {"Vietnamese": "ệ Ở ườ", "Korean": "가각 한글", "Bengali": "কো ক্ষ", "Japanese": "がぎ ぱ", "German": "äöü ß"}


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_long_text_is_composed_as_a_whole_would_be(language, form):
    text = unicodedata.normalize(form, TEXTS[language] * 1500)
    assert composed(text) == unicodedata.normalize("NFC", text)


@given(st.text(max_size=30))
def test_words_stay_where_they_are(text):
    words, found = text.split(" "), composed(text).split(" ")
    assert found == [composed(word) for word in words]
    assert len(composed(text).split()) == len(text.split())
    assert is_composed(composed(text))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_marks_are_sorted_in_stretches_so_that_the_time_grows_with_the_length(monkeypatch, count):
    """Python sorts the marks of one letter in time that grows with the square of their number."""
    stretches = []
    monkeypatch.setattr(canonical.unicodedata, "normalize", lambda form, text: stretches.append(len(text)) or text)
    composed("e" + "\u0301\u0323" * (5000 * count))
    assert max(stretches) <= canonical.STRETCH and len(stretches) <= 10 * count + 1


def test_equal_texts_repeat_one_another_and_score_as_the_same():
    text = "Über größere Häuser schön"
    other = unicodedata.normalize("NFD", text)
    assert text != other and single_blanks(text) == single_blanks(other)
    assert score([text], [[other]]).values == score([text], [[text]]).values
