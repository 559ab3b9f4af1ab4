"""Right-to-left labels in visual order, checked letter by letter."""

import pytest

from mt.alignment.right_to_left import is_right_to_left, joined, visual_order


@pytest.mark.parametrize("text", ["", "abc", "Größe", "я 1", "知道", "(2021)", "▁the"])
def test_left_to_right_text_comes_back_as_it_is(text):
    assert not is_right_to_left(text)
    assert visual_order(text) == text


def test_hebrew_is_reversed_with_its_points_before_their_letter():
    assert visual_order("\u05e9\u05dc\u05d5\u05dd") == "\u05dd\u05d5\u05dc\u05e9"
    # drawn from the left, a point stands right when it comes before the letter that carries it
    assert visual_order("\u05d1\u05b8\u05d0") == "\u05d0\u05b8\u05d1"


def test_arabic_letters_take_the_form_that_their_neighbours_ask_for():
    # kaf initial, teh medial, alef final, beh isolated (alef does not join the next letter)
    assert joined("\u0643\u062a\u0627\u0628") == "\ufedb\ufe98\ufe8e\ufe8f"
    assert joined("\u0628") == "\ufe8f"
    assert joined("\u0648\u0631\u062f") == "\ufeed\ufead\ufea9"  # waw, reh, dal join to nothing after them


def test_lam_alef_is_one_sign():
    assert joined("\u0644\u0627") == "\ufefb"
    assert joined("\u0633\u0644\u0627\u0645") == "\ufeb3\ufefc\ufee1"


def test_vowel_signs_do_not_part_letters():
    assert joined("\u0643\u0650\u062a") == "\ufedb\u0650\ufe96"


def test_numbers_keep_their_order_and_brackets_turn():
    assert visual_order("\u05d0 123") == "123 \u05d0"
    assert visual_order("(\u05d0\u05d1)") == "(\u05d1\u05d0)"
