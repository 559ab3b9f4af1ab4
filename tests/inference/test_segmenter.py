import pytest

from mt.inference.segmenter import split_long


def words(text):
    return len(text.split())


def split(text, size):
    return split_long(text, max_pieces=size, count=words)


def test_a_text_that_fits_is_left_alone():
    assert split("One. Two. Three.", 3).parts == ("One. Two. Three.",)


def test_it_is_cut_at_sentence_ends_and_packed_again_while_it_fits():
    segments = split("One two. Three four! Five six? Seven.", 4)
    assert list(segments.parts) == ["One two. Three four!", "Five six? Seven."]
    assert not segments.is_cut


def test_then_at_clause_ends_then_at_blanks():
    assert list(split("one two, three four five, six", 3).parts) == ["one two,", "three four five,", "six"]
    assert list(split("one two three four five", 2).parts) == ["one two", "three four", "five"]


def test_chinese_has_no_blanks_to_cut_at():
    segments = split_long("我们走吧。他来了！你好吗？", max_pieces=5, count=len)
    assert segments.parts == ("我们走吧。", "他来了！", "你好吗？")


def test_a_word_that_is_too_long_is_cut_and_reported():
    segments = split_long("a" * 25, max_pieces=10, count=len)
    assert segments.is_cut and all(len(part) <= 10 for part in segments.parts)


def test_a_word_is_not_glued_to_the_end_of_one_that_was_cut():
    assert split_long("  aaaaaa b cc", max_pieces=5, count=len).parts == ("aaa", "aaa b", "cc")


@pytest.mark.parametrize(
    "text", ["One two. Three, four five six.", "a" * 30 + " b. c", "x.y.z. " * 20, "。" * 40, "… ,,, !!"]
)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_nothing_is_lost_and_no_two_words_become_one(text, size):
    parts = split_long(text, max_pieces=size, count=len).parts
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part.strip() for part in parts)
    assert all(any(word in whole for whole in text.split()) for part in parts for word in part.split())


def test_a_line_of_many_words_is_counted_a_few_times_not_once_a_word():
    counted = []
    segments = split_long("a " * 5000, max_pieces=1000, count=lambda text: counted.append(words(text)) or counted[-1])
    assert [words(part) for part in segments.parts] == [1000] * 5
    assert sum(counted) < 100_000
