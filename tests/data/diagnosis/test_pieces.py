"""What the tokenizer cannot write, loses or hardly learns is reported, with the setting that repairs it."""

import pytest

from mt.data.bundled.source import Bundled
from mt.data.diagnosis.pieces import pieces_section, spelling_ids
from mt.data.pair import Pair
from mt.data.tokenizer import TokenizerSettings, train_tokenizers

LEARNED = [Pair(*pair[:2]) for pair in Bundled(split="train", size=400, seed=3)]
WITH_RARE = [Pair(f"{pair.source} ☃", pair.target) for pair in LEARNED]


def section(pairs, **settings):
    chosen = TokenizerSettings(**({"vocab_size": 900, "character_coverage": 1.0} | settings))
    tokenizers = train_tokenizers(*zip(*(pair[:2] for pair in LEARNED), strict=True), len(LEARNED), chosen)
    return pieces_section(pairs, tokenizers, chosen, ("en", "de"), is_whole=True)


def test_known_text_is_written_without_bytes_and_comes_back():
    found, lengths = section(LEARNED)
    assert found.numbers["en"]["spelled"] == found.numbers["de"]["changed"] == 0
    assert [len(side) for side in lengths] == [len(LEARNED)] * 2


@pytest.mark.parametrize("vocab_size, words", [(900, "occur fewer than 10 times"), (330, "words are split into")])
def test_a_vocabulary_of_the_wrong_size_is_reported(vocab_size, words):
    found, _ = section(LEARNED, vocab_size=vocab_size)
    assert all(
        words in finding.what and f"tokenizer.vocab_size ({vocab_size})" in finding.remedy for finding in found.findings
    )
    assert found.findings


@pytest.mark.parametrize(
    "byte_fallback, words, remedy",
    [
        (True, "spelled in bytes (☃ 400x)", "character_coverage"),
        (False, "unknown to the model (☃ 400x)", "byte_fallback=true"),
    ],
)
def test_a_character_without_a_piece_is_named(byte_fallback, words, remedy):
    found, _ = section(WITH_RARE, byte_fallback=byte_fallback, vocab_size=900 if byte_fallback else 640)
    assert any(words in finding.what and remedy in finding.remedy for finding in found.findings)
    assert found.numbers["en"]["spelled"] == 400 * (3 if byte_fallback else 1)
    assert found.numbers["en"]["changed"] == (0 if byte_fallback else 400)


def test_a_normalization_that_changes_text_is_only_noted():
    found, _ = section([Pair("the ﬁsh", "die ﬁsche")] * 100, normalization="nfkc")
    assert any("after decoding, because of tokenizer.normalization" in finding.what for finding in found.findings)


def test_tags_are_pieces_of_their_own_and_lack_none():
    tagged = [Pair(f"<2de> {pair.source}", pair.target) for pair in WITH_RARE]
    found, _ = section(tagged, reserved_symbols=["<2de>"])
    assert dict(found.numbers["en"]["missing characters"]) == {"☃": 400}


@pytest.mark.parametrize("byte_fallback, count", [(True, 257), (False, 1)])
def test_bytes_stand_behind_the_reserved_symbols(byte_fallback, count):
    settings = TokenizerSettings(vocab_size=330, byte_fallback=byte_fallback, reserved_symbols=["<2de>"])
    tokenizers = train_tokenizers(*zip(*(pair[:2] for pair in LEARNED), strict=True), len(LEARNED), settings)
    pieces = tokenizers.source.pieces(spelling_ids(tokenizers.source))
    assert len(pieces) == count
    assert pieces[0] == "<unk>" and all(piece.startswith("<0x") for piece in pieces[1:])
