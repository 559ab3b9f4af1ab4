import pytest

from mt.inference.aligner import first_words
from mt.inference.segmenter import joined, split_long
from mt.inference.sentence_ends import sentences
from tests.inference.sentences import SENTENCES
from tests.steps import steps


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


@pytest.mark.parametrize("language", SENTENCES)
def test_sentence_ends_of_the_language(language):
    lines = [line.split("|") for line in SENTENCES[language]]
    assert [sentences("".join(line)) for line in lines] == lines


def test_the_table_has_a_hundred_lines_of_twenty_languages():
    assert len(SENTENCES) >= 20 and sum(map(len, SENTENCES.values())) >= 100


@pytest.mark.parametrize(
    "text, parts",
    [
        ("वह कहाँ है? मुझे नहीं पता। शायद कल।", ["वह कहाँ है?", "मुझे नहीं पता।", "शायद कल।"]),
        ("وہ کہاں ہے؟ مجھے نہیں معلوم۔ شاید کل۔", ["وہ کہاں ہے؟", "مجھے نہیں معلوم۔", "شاید کل۔"]),
        ("「もう遅い。」彼女は出て行った。", ["「もう遅い。」", "彼女は出て行った。"]),
        ("Dr. Smith sees it. He saw No. 5 there.", ["Dr. Smith sees it.", "He saw No. 5 there."]),
        ("Das gilt z. B. für Obst. Am 3. Mai nicht.", ["Das gilt z. B. für Obst.", "Am 3. Mai nicht."]),
    ],
)
def test_a_long_line_is_cut_at_its_sentence_ends(text, parts):
    assert list(split_long(text, max_pieces=max(map(len, parts)), count=len).parts) == parts


def test_a_text_without_capitals_has_sentence_ends():
    assert sentences("i don't know. do you? no.") == ["i don't know. ", "do you? ", "no."]


def test_a_blank_that_should_not_be_broken_is_cut_last():
    assert split("un deux\u00a0: trois", 2).parts == ("un", "deux\u00a0:", "trois")
    assert split_long("100\u00a0km", max_pieces=4, count=len).parts == ("100", "km")


@pytest.mark.parametrize("mark", [*".!?…।。؟", ". ", "a. ", "。」", "Dr. ", '."', "((", '"', "1. "])
def test_sentence_ends_take_steps_in_line_with_the_text(mark):
    once, twice = (steps(lambda size=size: sentences(mark * size)) for size in (800, 1600))
    assert twice < 2.5 * once + 100


@pytest.mark.parametrize(
    "texts, sources, text",
    [
        (["Er kam.", "Sie ging."], ["He came.", "She left."], "Er kam. Sie ging."),
        (["他来了。", "她走了。"], ["He came.", "She left."], "他来了。她走了。"),
        (["他来", "她走"], ["He came", "she left"], "他来她走"),
        (["「遅い。」", "彼女"], ["“Late.”", "she"], "「遅い。」彼女"),
        (["他用 Python。", "It works."], ["He uses Python.", "It works."], "他用 Python。It works."),
        (["เขาไป", "แล้ว"], ["he has", "gone"], "เขาไปแล้ว"),
        (["เขาไปแล้ว", "ฉันไม่รู้"], ["He has gone.", "I do not know."], "เขาไปแล้ว ฉันไม่รู้"),
        (["သူသည်။", "သူမ"], ["He is.", "she"], "သူသည်။ သူမ"),
        (["ང་བོད", "པ་ཡིན།"], ["I am", "Tibetan"], "ང་བོདཔ་ཡིན།"),
        (["ខ្ញុំ", "មិនដឹង"], ["I do", "not know"], "ខ្ញុំមិនដឹង"),
        (["그는 왔다.", "그녀는 갔다."], ["他来了。", "她走了。"], "그는 왔다. 그녀는 갔다."),
        (["He came.", "", "She left."], ["他来了。", "？", "她走了。"], "He came. She left."),
        (["", "他来"], ["a", "b"], "他来"),
        ([], [], ""),
    ],
)
def test_parts_are_joined_as_their_script_joins_sentences(texts, sources, text):
    assert joined(texts, sources) == text


@pytest.mark.parametrize(
    "text, parts, numbers",
    [
        ("a b. c d", ["a b.", "c d"], [0, 2]),
        ("aaaa b", ["aa", "aa b"], [0, 0]),
        ("a\u00a0b c", ["a", "b", "c"], [0, 0, 1]),
        ("a. \u00a0 b", ["a.", "b"], [0, 2]),
        ("  a  b", ["a", "b"], [0, 1]),
        ("他来了。她走了。", ["他来了。", "她走了。"], [0, 0]),
        ("a b", ["a", "", "b"], [0, 0, 1]),
        ("", [""], [0]),
    ],
)
def test_the_word_that_a_part_begins_in(text, parts, numbers):
    assert list(first_words(text, parts)) == numbers
