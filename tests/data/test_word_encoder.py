"""Much text is encoded word by word, to the ids of sentencepiece."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mt.data import word_encoder
from mt.data.tokenizer import Tokenizer, TokenizerSettings, train_tokenizers
from mt.data.word_encoder import WordEncoder

LINES = [f"{number} kleine Hunde und Vögel rennen über das grüne Feld." for number in range(200)]
WORDS = (
    "Hunde",
    "Vögel",
    "Vo\u0308gel",
    "über",
    "grüne",
    "ab",
    "▁",
    "\t",
    "\u3000",
    "\u0301",
    "<2de>",
    "手紙",
    "👩‍👩‍👧",
    "",
    " ",
)


def bpe(**settings) -> Tokenizer:
    how = TokenizerSettings(**{"vocab_size": 330, "model_type": "bpe", **settings})
    return train_tokenizers(LINES, LINES, len(LINES), how).source


KINDS = {
    "by words": (bpe(), True),
    "tags": (bpe(reserved_symbols=["<2de>"]), True),
    "no bytes": (bpe(byte_fallback=False, vocab_size=60), True),
    "unigram": (bpe(model_type="unigram"), False),
    "collapsed": (bpe(collapse_blanks=True), False),
    "nfkc": (bpe(normalization="nfkc"), False),
    "identity": (bpe(normalization="identity"), False),
}


def encoded(encoder: WordEncoder, lines: list[str]) -> list[list[int]]:
    ids, counts = encoder(lines)
    assert ids.dtype == "int32"
    ends = counts.cumsum()
    return [ids[end - count : end].tolist() for end, count in zip(ends, counts, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@given(
    blocks=st.lists(
        st.lists(
            st.lists(st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=6)
            .map(" ".join)
            .map(lambda line: line.replace("\n", " ")),
            max_size=5,
        ),
        max_size=3,
    )
)
@example(blocks=[[""], [" "], ["a  b", "", "", " a "], [], ["\u0301a", "o\u0323\u0302"]])
def test_the_ids_are_those_of_sentencepiece(kind, blocks):
    tokenizer, is_by_words = KINDS[kind]
    assert tokenizer.cuts_words_by_themselves == is_by_words
    encoder = WordEncoder(tokenizer)
    encoder(LINES)  # some words are known
    for lines in blocks:
        assert encoded(encoder, lines) == tokenizer.encode_many(lines)


def test_a_full_table_is_emptied(monkeypatch):
    monkeypatch.setattr(word_encoder, "KEPT_IDS", 50)
    tokenizer = KINDS["by words"][0]
    encoder = WordEncoder(tokenizer)
    for start in range(0, 200, 20):
        lines = LINES[start : start + 20]
        assert encoded(encoder, lines) == tokenizer.encode_many(lines)


def test_text_whose_words_do_not_repeat_is_encoded_by_lines(monkeypatch):
    tokenizer = KINDS["by words"][0]
    encoder, asked = WordEncoder(tokenizer), []
    real = tokenizer.encode_many
    monkeypatch.setattr(tokenizer, "encode_many", lambda texts: asked.append(list(texts)) or real(texts))
    lines = [f"{number}rennen" for number in range(30)]
    assert encoded(encoder, lines) == encoded(encoder, lines) == real(lines)
    assert asked == [lines, lines]
