"""From pieces to words: the words are those of `mt.words`, so a word's position is the one that gold links count.

The rule, in sentencepiece's notation ("▁" is a blank), character by character:
- a word is a run of characters without U+0020; "▁" ends it (the tokenizer may write it for another blank: see below);
- a piece belongs to the word of its characters: "▁house" begins one, "s" continues it;
- a piece of blanks only ("▁") belongs to the next word, at the end of a sentence to the last word;
- byte pieces ("<0xE2>") are read as UTF-8 together; all bytes of a character belong to the word of that character;
- a piece that spans several words ("▁of▁the") is divided by the number of its characters in each word;
- text written without blanks (Chinese, Japanese, Thai) is therefore one word: align it by pieces, or segment it first.

Where the tokenizer's normalisation moved a blank (it makes two words of a zero-width or a no-break space, or writes "½"
in three characters), pieces and words are matched by their characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import groupby

import numpy as np

from mt.alignment.alignment import Alignment, renormalise
from mt.words import num_words, split_words

# T target pieces, S source pieces, P pieces, W words; "..." any leading axes

BLANK = "▁"
UNSPACED = frozenset({"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a sentence, and `share_PW`: how much of each piece belongs to each word, rows summing to one."""

    words: list[str]
    share_PW: np.ndarray


def characters(pieces: Sequence[str]) -> list[tuple[str, range]]:
    """The characters that the pieces spell, each with the pieces that spell it (several where these are bytes)."""
    found: list[tuple[str, range]] = []
    for is_bytes, group in groupby(enumerate(pieces), key=lambda item: bool(BYTE_PIECE.fullmatch(item[1]))):
        if is_bytes:
            found.extend(_characters_of_bytes(list(group)))
        else:
            letters = ((letter, at) for at, piece in group for letter in piece)
            found.extend((" " if letter == BLANK else letter, range(at, at + 1)) for letter, at in letters)
    return found


def _characters_of_bytes(pieces: list[tuple[int, str]]) -> Iterator[tuple[str, range]]:
    start = pieces[0][0]
    # invalid UTF-8 becomes a lone surrogate, shown as U+FFFD
    for character in bytes(int(piece[3:5], 16) for _, piece in pieces).decode("utf-8", errors="surrogateescape"):
        is_broken = "\udc80" <= character <= "\udcff"
        stop = start + (1 if is_broken else len(character.encode("utf-8")))
        yield "\ufffd" if is_broken else character, range(start, stop)
        start = stop


def text_of(pieces: Sequence[str]) -> str:
    """The text that the pieces spell, without the blank that sentencepiece puts before a sentence."""
    return "".join(character for character, _ in characters(pieces)).removeprefix(" ")


def words_of(pieces: Sequence[str], text: str | None = None) -> Words:
    """The words that the pieces spell, or, when the text is given, its words: always those of `split_words(text)`."""
    spelled = characters(pieces)
    letters = [(letter, owners) for letter, owners in spelled if not letter.isspace()]
    words = split_words(text_of(pieces) if text is None else text)
    word_of_letter = _words_of_letters(spelled, words)

    share_PW = np.zeros((len(pieces), len(words)))
    for (_, owners), word in zip(letters, word_of_letter, strict=True):
        if word is not None:
            share_PW[list(owners), word] += 1
    is_blank_P = ~share_PW.any(axis=1)
    with_word = np.flatnonzero(~is_blank_P)
    for piece in np.flatnonzero(is_blank_P) if len(with_word) else ():
        following = with_word[with_word > piece]
        word = share_PW[following[0]].argmax() if len(following) else len(words) - 1
        share_PW[piece, word] = 1
    return Words(words, renormalise(share_PW))


def is_written_without_blanks(text: str) -> bool:
    """Whether the text is one long word because its script has no blanks between words (Chinese, Japanese, Thai)."""
    letters = [unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()]
    return num_words(text) == 1 and sum(name in UNSPACED for name in letters) > max(len(letters) / 2, 3)


def _words_of_letters(spelled: Sequence[tuple[str, range]], words: Sequence[str]) -> list[int | None]:
    """The word of each letter that is spelled, blanks left out."""
    letters = [letter for letter, _ in spelled if not letter.isspace()]
    have = [(part, at) for at, letter in enumerate(letters) for part in _folded(letter)]
    want = [(part, word) for word, text in enumerate(words) for letter in text for part in _folded(letter)]
    if [part for part, _ in have] == [part for part, _ in want]:  # the same text except for blanks
        found: list[int | None] = [None] * len(letters)
        for (_, at), (_, word) in zip(have, want, strict=True):
            found[at] = word
        return _filled(found)
    by_blanks = [*_words_by_blanks(spelled)]
    if max(by_blanks, default=-1) + 1 == len(words):
        return [*by_blanks]
    return _words_by_letters(have, want, len(letters))


def _words_by_blanks(spelled: Sequence[tuple[str, range]]) -> Iterator[int]:
    word, is_inside = -1, False
    for letter, _ in spelled:
        if letter == " ":
            is_inside = False
        elif not letter.isspace():
            word += not is_inside
            is_inside = True
            yield word


def _words_by_letters(
    have: Sequence[tuple[str, int]], want: Sequence[tuple[str, int]], num_letters: int
) -> list[int | None]:
    """The word of each letter by the longest common runs; a letter without a match takes the word of the one before it.

    `have`: what each letter is folded to, with its number; `want`: the same of the words, with the number of the word.
    """
    found: list[int | None] = [None] * num_letters
    matcher = SequenceMatcher(None, [part for part, _ in have], [part for part, _ in want], autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            found[have[block.a + offset][1]] = want[block.b + offset][1]
    return _filled(found)


def _filled(found: list[int | None]) -> list[int | None]:
    """Letters without a word take that of the letter before; at the start, of the first letter that has one."""
    last = next((word for word in found if word is not None), None)
    for at, word in enumerate(found):
        found[at] = last = last if word is None else word
    return found


@lru_cache(maxsize=1 << 14)
def _folded(character: str) -> str:
    """Its letters without case, width and composition; none for a blank or what cannot be seen (a soft hyphen)."""
    folded = unicodedata.normalize("NFKD", character).casefold()
    return "".join(part for part in folded if not part.isspace() and unicodedata.category(part) not in ("Cc", "Cf"))


def weights_by_words(weights_TS: np.ndarray, source: Words, target: Words) -> np.ndarray:
    """weights_...TS of words: the sum over the source pieces of a word, the mean over the target pieces of a word.

    Rows sum to one, or are all zero. Any leading axes (layers, heads).
    """
    return renormalise(mean_of_pieces(target) @ weights_TS @ source.share_PW)


def mean_of_pieces(words: Words) -> np.ndarray:
    """mean_WP: rows that take the mean over the pieces of a word."""
    share_WP = words.share_PW.T
    return share_WP / np.maximum(share_WP.sum(axis=1, keepdims=True), 1e-12)


def by_words(alignment: Alignment, source_text: str | None = None, target_text: str | None = None) -> Alignment:
    """The alignment with words in place of pieces: those of the text (`mt.words`), or of what the pieces spell."""
    source = words_of(alignment.source_pieces, source_text)
    target = words_of(alignment.target_pieces, target_text)
    shares = alignment.source_share_T
    return replace(
        alignment,
        source_pieces=source.words,
        target_pieces=target.words,
        weights_TS=weights_by_words(alignment.weights_TS, source, target),
        unit="words",
        source_share_T=None if shares is None else mean_of_pieces(target) @ shares,
    )
