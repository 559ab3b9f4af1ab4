"""Pieces become the words of the text, which only U+0020 parts."""

import io

import numpy as np
import pytest

from mt.alignment.alignment import Alignment
from mt.alignment.word_pieces import WordPieces
from mt.alignment.words import by_words, text_of, weights_by_words, words_of
from mt.words import num_words, other_blank, split_words


def assignment(pieces, text=None):
    """{word: pieces}, for pieces that belong to one word each."""
    found = words_of(pieces, text)
    assert set(found.share_PW.ravel()) <= {0.0, 1.0}
    return [(word, [pieces[p] for p in np.flatnonzero(found.share_PW[:, w])]) for w, word in enumerate(found.words)]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["▁The", "▁house", "s"], [("The", ["▁The"]), ("houses", ["▁house", "s"])]),
        (["The", "▁end"], [("The", ["The"]), ("end", ["▁end"])]),
        (["▁", "Xylo", "phon", "▁", "Y"], [("Xylophon", ["▁", "Xylo", "phon"]), ("Y", ["▁", "Y"])]),
        (["▁a", "▁", "▁", "▁b", "▁"], [("a", ["▁a"]), ("b", ["▁", "▁", "▁b", "▁"])]),
        (["▁", "<0xE2>", "<0x82>", "<0xAC>", "▁5"], [("€", ["▁", "<0xE2>", "<0x82>", "<0xAC>"]), ("5", ["▁5"])]),
        (["▁1", "<0xC2>", "<0xA0>", "000"], [("1\u00a0000", ["▁1", "<0xC2>", "<0xA0>", "000"])]),
        (["▁a", "<0x09>", "b"], [("a\tb", ["▁a", "<0x09>", "b"])]),
        (["▁我", "喜欢", "你", "。"], [("我喜欢你。", ["▁我", "喜欢", "你", "。"])]),
        (["<2de>", "▁A", "▁man"], [("<2de>", ["<2de>"]), ("A", ["▁A"]), ("man", ["▁man"])]),
        ([], []),
        (["▁"], []),
    ],
    ids=["plain", "no-first", "lone", "blanks", "bytes", "byte-blank", "tab", "chinese", "tag", "none", "blank"],
)
def test_the_rule(pieces, expected):
    assert assignment(pieces) == expected
    assert words_of(pieces).words == split_words(text_of(pieces))


def test_bytes_that_are_no_utf8_stay_in_their_word():
    pieces = ["▁a", "<0xFF>", "<0xC3>", "b"]
    assert assignment(pieces) == [("a\ufffd\ufffdb", pieces)]


def test_a_piece_over_several_words_is_shared_out_by_letters():
    found = words_of(["▁of▁the", "▁end"])
    assert found.words == ["of", "the", "end"]
    np.testing.assert_allclose(found.share_PW, [[2 / 5, 3 / 5, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("pieces", "text", "expected"),
    [
        (["▁zero", "▁width"], "zero\u200bwidth x", ["zero\u200bwidth", "x"]),
        (["▁1", "\u2044", "2", "▁", "\u0301", "▁cup"], "½ \u00b4 cup", ["½", "\u00b4", "cup"]),
        (["▁a", "▁b", "▁c"], "a▁b c", ["a▁b", "c"]),
        (["▁un", "<unk>", "▁b", "▁c"], "un☃ b\u3000c", ["un☃", "b\u3000c"]),
        ([], "never mind", ["never", "mind"]),
    ],
)
def test_the_words_are_those_of_the_text_whatever_the_tokenizer_did(pieces, text, expected):
    found = words_of(pieces, text)
    assert found.words == expected == split_words(text)
    assert found.share_PW.shape == (len(pieces), len(expected))
    np.testing.assert_allclose(found.share_PW.sum(axis=1), 1)


def test_moved_blanks_are_found_again_by_letters():
    # the tokenizer made two words of the first one
    assert assignment(["▁zero", "▁width", "▁spaces"], "zero\u200bwidth spaces") == [
        ("zero\u200bwidth", ["▁zero", "▁width"]),
        ("spaces", ["▁spaces"]),
    ]


def test_sum_over_source_pieces_mean_over_target_pieces():
    weights_TS = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.0, 0.4, 0.6]])
    source, target = words_of(["▁a", "b", "▁c"]), words_of(["▁x", "▁y", "z"])
    expected = [[0.3, 0.7], [(0.8 + 0.4) / 2, (0.2 + 0.6) / 2]]
    np.testing.assert_allclose(weights_by_words(weights_TS, source, target), expected)
    np.testing.assert_allclose(weights_by_words(np.stack([weights_TS] * 2), source, target), [expected] * 2)


def test_rows_still_sum_to_one_where_a_piece_had_no_mass():
    alignment = Alignment(["▁a", "▁b"], ["▁x", "y"], np.array([[0.0, 0.0], [0.25, 0.75]]), 0, (0,), 1, 0.5)
    worded = by_words(alignment, "a b", "xy")
    assert (worded.unit, worded.source_pieces, worded.target_pieces) == ("words", ["a", "b"], ["xy"])
    np.testing.assert_allclose(worded.weights_TS, [[0.25, 0.75]])
    assert worded.sink_mass == 0.5


def test_empty_sides_stay_empty():
    alignment = Alignment([], ["▁x"], np.zeros((1, 0)), 0, (0,), 1, 1.0)
    assert by_words(alignment, "", "x").weights_TS.shape == (1, 0)


def test_words_of_a_real_tokenizer_are_those_of_the_text():
    sentencepiece = pytest.importorskip("sentencepiece")
    lines = ["Der Hund bellt laut.", "Die Katze schläft  heute.", "Kein Mensch\tweiß es!"]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 5), model_writer=model, vocab_size=320, byte_fallback=True, minloglevel=2,
        normalization_rule_name="identity", remove_extra_whitespaces=False, hard_vocab_limit=False,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tricky = ["", " ", "  zwei  Wörter ", "我 喜欢 🙂 x\u00a0y", "a\u2028b c", "١٢ كتاب", "e\u0301 ½ …"]
    for line in lines + tricky:
        pieces = processor.encode(line, out_type=str)
        assert words_of(pieces).words == split_words(line)
        assert text_of(pieces) == line
        np.testing.assert_allclose(words_of(pieces, line).share_PW, words_of(pieces).share_PW)


@pytest.mark.parametrize(
    "text, words",
    [
        ("le prix\u00a0: bas", ["le", "prix\u00a0:", "bas"]),
        ("haut\u3000!", ["haut\u3000!"]),
        ("a\tb  c ", ["a\tb", "c"]),
        ("a \u00a0 b", ["a", "\u00a0", "b"]),
        ("a\u2028b\u202fc\u0085d\x0be", ["a\u2028b\u202fc\u0085d\x0be"]),
        ("  ", []),
    ],
)
def test_only_a_blank_ends_a_word(text, words):
    assert split_words(text) == words and num_words(text) == len(words)


def test_other_blanks_are_named():
    assert other_blank("le prix\u00a0: bas") == "U+00A0 (NO-BREAK SPACE)"
    assert other_blank("a\tb") == "U+0009 (TAB)"
    assert other_blank(" a  b\t") is None


@pytest.mark.parametrize(
    "pieces, text, expected",
    [
        # the tokenizer wrote a blank for U+00A0 and U+3000
        (["▁le", "▁prix", "▁:", "▁bas"], "le prix\u00a0: bas", [0, 1, 1, 2]),
        (["▁haut", "▁!"], "haut\u3000!", [0, 0]),
        # as many words on both sides, but others
        (["▁a", "▁b", "▁c"], "a\u00a0b \u00ad c", [0, 0, 2]),
        (["▁x", "▁y", "▁", "é"], "x\u00a0y e\u0301", [0, 0, 1, 1]),
    ],
)
def test_pieces_belong_to_the_words_of_the_text_whatever_blanks_the_tokenizer_wrote(pieces, text, expected):
    for share_PW in (words_of(pieces, text).share_PW, WordPieces(pieces).shares(np.arange(len(pieces)), text)):
        assert share_PW.shape == (len(pieces), num_words(text))
        assert share_PW.argmax(axis=1).tolist() == expected
